"""Builds a wheel of every distribution, installs them in a fresh environment and runs the main job there.

Usage: python .ci/wheels.py FOLDER
"""

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(folder: Path) -> None:
    wheels = folder / "wheels"
    sources = [ROOT, *sorted(path.parent for path in ROOT.glob("contrib/*/pyproject.toml"))]
    for source in sources:
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(source))
    environment = folder / "venv"
    venv.create(environment, with_pip=True, clear=True)
    python = str(environment / "bin" / "python")
    names = [path.name.split("-")[0].replace("_", "-") for path in wheels.glob("*.whl")]
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--find-links",
        str(wheels),
        *(f"{name} @ {path.as_uri()}" for name, path in zip(names, wheels.glob("*.whl"), strict=True)),
    )
    run(python, "-m", "pip", "check")
    run(str(environment / "bin" / "a3s-code"), "--version")
    run(str(environment / "bin" / "a3s-code"), "demo")
    run(python, "-m", "pip", "install", "--quiet", "pytest", "hypothesis")
    subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "combinations")],
        cwd=folder,  # not the checkout, so that the wheels are what is imported
        env={"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "A3S_CODE_TEST_ENV": "wheel"},
        check=True,
    )
    try_third_party_plugin(folder / "third_party", environment / "bin")


CONFIG = """\
default_model   = "anthropic/claude-sonnet-4-20250514"
storage_backend = "memory"
providers {
  name = "anthropic"
}
"""


def try_third_party_plugin(folder: Path, bin: Path) -> None:
    """Installs the plugins of the how-to page: nothing changes until HCL names one, then it fills its point."""
    page = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = folder / "agent.hcl"
    config.write_text(CONFIG)
    program = "from a3s_code import Agent; print(Agent('agent.hcl').session('.').bash('ulimit -v').strip())"
    before = said(str(bin / "python"), "-c", program, cwd=folder)
    run(str(bin / "python"), "-m", "pip", "install", "--quiet", str(folder), str(folder / "limited"))
    assert said(str(bin / "python"), "-c", program, cwd=folder) == before, "installing alone changed something"
    listing = said(str(bin / "a3s-code"), "-c", "agent.hcl", "plugins", "list", cwd=folder)
    assert re.search(r"bash_sandbox +limited +limited-sandbox 1.0 +installed, not used", listing), listing
    run(str(bin / "a3s-code"), "-c", str(config), "plugins", "use", "bash_sandbox", "limited")
    config.write_text(config.read_text() + 'plugin "limited" {\n  memory_mb = 1000\n}\n')
    assert said(str(bin / "python"), "-c", program, cwd=folder) == "1024000", "the plugin did not fill its point"
    print("a third-party plugin fills its point when HCL names it, and not before", flush=True)


def said(*command: str, cwd: Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout.strip()


def run(*command: str) -> None:
    print("+", " ".join(command[:6]), flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
