"""Writes a3s_code/__init__.pyi, which types the names that `a3s_code` imports at their first use.

Usage: python docs/generate_stub.py [--check]
"""

import sys
from pathlib import Path

import a3s_code
from a3s_code.plugins import scan

TARGET = Path(a3s_code.__file__).with_suffix(".pyi")


def stub() -> str:
    lines = ["# Types of the names that `a3s_code` imports at their first use. Made by docs/generate_stub.py.", ""]
    for home, names in sorted(a3s_code._HOMES.items()):
        lines += [f"from {home} import {name} as {name}" for name in sorted(names)]
    exports = {offer.name: offer.origin.target for offer in scan().of("exports")}
    for name in sorted(a3s_code._EXPORTER_OF):
        module, _, attribute = exports[name].partition(":")
        lines.append(f"from {module} import {attribute} as {name}")
    return "\n".join([*lines, "", "__version__: str", ""])


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text() != stub())
    TARGET.write_text(stub())
