"""Entry point of `python -m cris`, the same as `cris`."""

import sys

from cris.cli import main

if __name__ == "__main__":
    sys.exit(main())
