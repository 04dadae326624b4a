"""`python -m blazz.migrations "what changes"`: write the next revision from the difference to the metadata."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from blazz.kit.db.sqlite import make_engine
from blazz.migrations import config, upgrade
from blazz.migrations.revisions import runs_from, wanted


def main(message: str) -> None:
    """Migrate an empty database, compare, write `versions/NNNN_message.py`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        upgrade(path)
        engine = make_engine(path)
        with engine.begin() as connection:
            settings = config(connection)
            number = f"{len(list(ScriptDirectory.from_config(settings).walk_revisions())) + 1:04d}"
            settings.set_main_option("file_template", f"{number}_%%(slug)s")
            # most revisions only add; one that takes away gets a higher number after `_from_` by hand
            command.revision(settings, message, autogenerate=True, rev_id=f"{number}_from_{runs_from(wanted())}")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
