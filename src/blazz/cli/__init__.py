"""The command line: `blazz up | demo | gateway | instance | worker | db | accounts | send | simulate | doctor`."""

from __future__ import annotations

import os


def main() -> None:
    """Entry point of the `blazz` command."""
    # read when gRPC is first imported: no notes of its own in our terminal, no handlers around fork (we only exec)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from blazz.cli.app import app

    app(prog_name="blazz")
