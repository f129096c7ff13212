"""What starting costs, in CPU milliseconds, beside `python -c pass` in the same run.

Usage: python bench/startup.py [ROUNDS]
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = 'default_model = "anthropic/claude-sonnet-4-20250514"\nproviders {\n  name = "anthropic"\n}\n'

CASES = {
    "python -c pass": ["-c", "pass"],
    "import a3s_code": ["-c", "import a3s_code"],
    "a3s-code --version": ["-m", "a3s_code", "--version"],
    "a3s-code plugins list": ["-m", "a3s_code", "plugins", "list"],
    "from a3s_code import Agent": ["-c", "from a3s_code import Agent"],
    "Agent(config), session": ["-c", f"from a3s_code import Agent; Agent({CONFIG!r}).session('.')"],
    "import anthropic": ["-c", "import anthropic"],
    "import openai": ["-c", "import openai"],
}


def cpu_ms(arguments: list[str], folder: str) -> float:
    """CPU milliseconds, user and system, of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").touch()
        best = {name: min(cpu_ms(arguments, folder) for _ in range(rounds)) for name, arguments in CASES.items()}
    base = best["python -c pass"]
    print(f"{'':32}{'CPU ms':>8}{'ratio':>8}")
    for name, ms in best.items():
        print(f"{name:32}{ms:8.0f}{ms / base:8.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
