"""`python -m whatsim` serves the simulated network; with arguments it is the `whatsim` command."""

from __future__ import annotations

import sys

from whatsim.cli import main

if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
