"""What commands print: one place for failures and for the look of the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import typer

from blazz.kit.errors import BlazzError


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


def guarded(work: Callable[[], object]) -> None:
    """Run `work`; an expected failure becomes one sentence and exit code 1."""
    try:
        work()
    except BlazzError as error:
        fail(error.detail)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
