"""`python -m a3s_code.cli` is `a3s-code`."""

import sys

from a3s_code.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
