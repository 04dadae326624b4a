"""`python -m blazz.migrations "what changes"`: write the next revision from the difference to the metadata."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from blazz.kit.db.sqlite import make_engine
from blazz.migrations import config, upgrade


def main(message: str) -> None:
    """Migrate an empty database, compare, write `versions/NNNN_message.py`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        upgrade(path)
        engine = make_engine(path)
        with engine.begin() as connection:
            settings = config(connection)
            number = len(list(ScriptDirectory.from_config(settings).walk_revisions())) + 1
            settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(settings, message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
