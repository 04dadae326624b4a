"""`blazz db`: bring the schema up to date, or check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from blazz.cli.console import fail, line
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

app = typer.Typer(help="The database: upgrade the schema, check it.", no_args_is_help=True)
DataDir = Annotated[Path | None, typer.Option(help="The data directory.", envvar="BLAZZ_DATA_DIR", show_default=False)]


def settings_for(data_dir: Path | None) -> Settings:
    """Return the settings, with the data directory replaced when one is given."""
    settings = Settings()
    return settings.model_copy(update={"data_dir": data_dir}) if data_dir is not None else settings


@app.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Create the database or bring its schema to this version. `blazz up` does the same at its start."""
    from blazz import migrations

    path = settings_for(data_dir).database_path
    try:
        migrations.upgrade(path)
    except BlazzError as error:
        fail(error.detail)
    line(f"{path}: schema is up to date.")


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Compare the schema with what this version expects; exit code 1 when they differ."""
    from blazz import migrations

    path = settings_for(data_dir).database_path
    if not path.exists():
        fail(f"{path} does not exist. Create it with: blazz db upgrade")
    try:
        differences = migrations.check(path)
    except DBAPIError as error:
        fail(f"{path} cannot be read ({error.orig}). Restore the last backup.")
    for difference in differences:
        line(f"  {difference}")
    if differences:
        fail(f"{path}: {len(differences)} difference(s). Run: blazz db upgrade")
    line(f"{path}: schema matches this version.")
