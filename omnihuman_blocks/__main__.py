"""`python -m omnihuman_blocks`: the command line."""

import sys

from omnihuman_blocks.cli import main

if __name__ == "__main__":
    sys.exit(main())
