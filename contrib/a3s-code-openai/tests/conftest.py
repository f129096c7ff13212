"""Makes sibling distributions importable from a checkout in which they are not installed."""

import sys
from pathlib import Path

for sibling in ("a3s-code-http", "a3s-code-testing"):
    folder = str(Path(__file__).parents[2] / sibling)
    if folder not in sys.path:
        sys.path.append(folder)
