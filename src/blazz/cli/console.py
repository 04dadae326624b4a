"""What commands print: one place for failures and for the look of the terminal."""

from __future__ import annotations

from typing import NoReturn

import typer


def fail(sentence: str, *, code: int = 1) -> NoReturn:
    """Print a sentence on standard error and end the command."""
    typer.secho(sentence, err=True, fg=typer.colors.RED)
    raise typer.Exit(code)


def line(text: str = "") -> None:
    """Print a line at once, also into a pipe."""
    typer.echo(text)


def link(label: str, url: str) -> None:
    """Print a labelled address."""
    typer.echo(f"  {label:<18} " + typer.style(url, fg=typer.colors.CYAN, underline=True))
