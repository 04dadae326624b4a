"""The command line: `blazz up | demo | gateway | instance | worker | db | accounts | send | simulate | doctor`."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `blazz` command."""
    from blazz.cli.app import app

    app(prog_name="blazz")
