"""`python -m cardiovae` is the command `cardiovae`."""

from __future__ import annotations

import sys

from cardiovae.cli import main

if __name__ == "__main__":
    sys.exit(main())
