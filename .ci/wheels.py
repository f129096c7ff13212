"""Builds a wheel of every distribution, installs them in a fresh environment and runs the main job there.

Usage: python .ci/wheels.py FOLDER
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(folder: Path) -> int:
    wheels = folder / "wheels"
    sources = [ROOT, *sorted(path.parent for path in ROOT.glob("contrib/*/pyproject.toml"))]
    for source in sources:
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(source))
    environment = folder / "venv"
    venv.create(environment, with_pip=True, clear=True)
    python = str(environment / "bin" / "python")
    names = [path.name.split("-")[0].replace("_", "-") for path in wheels.glob("*.whl")]
    run(python, "-m", "pip", "install", "--quiet", "--find-links", str(wheels), *(
        f"{name} @ {path.as_uri()}" for name, path in zip(names, wheels.glob("*.whl"), strict=True)
    ))
    run(python, "-m", "pip", "check")
    run(str(environment / "bin" / "a3s-code"), "--version")
    run(str(environment / "bin" / "a3s-code"), "demo")
    run(python, "-m", "pip", "install", "--quiet", "pytest", "hypothesis")
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "combinations")],
        cwd=folder,  # not the checkout, so that the wheels are what is imported
        env={"PATH": str(environment / "bin") + ":/usr/bin:/bin", "HOME": str(folder), "A3S_CODE_TEST_ENV": "wheel"},
        check=False,
    ).returncode


def run(*command: str) -> None:
    print("+", " ".join(command[:6]), flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
