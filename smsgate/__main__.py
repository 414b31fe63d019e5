"""Run the command `smsgate` as `python -m smsgate`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
