"""Profile pictures: fetched by the engine host and kept by the media room, or handed over to be shown."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from blazz._generated.engine import people_pb2 as pb
from blazz.engine_client.people import PeopleClient
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.media import service as media
from blazz.media.inspection import digest_file
from blazz.media.store import MediaStore
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A person's picture now: the file and WhatsApp's id of it, both None where there is none that we may see."""

    media_id: uuid.UUID | None = None
    whatsapp_id: str | None = None
    unchanged: bool = False


class Pictures:
    """Moves pictures between the media room and the engine host's directory."""

    def __init__(self, database: Database, settings: Settings, media_store: MediaStore) -> None:
        self._database = database
        self._directory = settings.engine_media_dir
        self._store = media_store

    async def fetch(self, session: Session, people: PeopleClient, address: str, known: str | None) -> Picture:
        """Fetch a person's picture unless it is the `known` one. A file that is no picture counts as none."""
        name, path = self._place("in")
        try:
            reply = await people.profile_picture(session.ref, address, known, name)
            if reply.state == pb.PICTURE_STATE_UNCHANGED:
                return Picture(unchanged=True)
            if reply.state != pb.PICTURE_STATE_FETCHED:
                return Picture()
            sha256, size = await self._store.run(digest_file, path)
            scope = Workspace(session.workspace_id)
            try:
                row = await media.keep(
                    self._database, self._store, scope, path, sha256, size, "picture.jpg", "image/jpeg"
                )
            except BlazzError as error:
                if error.status >= 500:
                    raise
                _log.warning("profile picture refused", account=str(session.account_id), code=error.code)
                return Picture(None, reply.id or None)
            return Picture(row["id"], reply.id or None)
        finally:
            path.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def handed_over(self, session: Session, media_id: uuid.UUID) -> AsyncIterator[str]:
        """Give the engine host a stored file; yields its path there. Raises BlazzError as `media.facts_for_sending`."""
        scope = Workspace(session.workspace_id)
        file = await self._database.read(scope, media.facts_for_sending, media_id)
        name, path = self._place("out")
        try:
            content = b"".join([chunk async for chunk in self._store.get(file.key)])
            await self._store.run(path.write_bytes, content)
            yield name
        finally:
            path.unlink(missing_ok=True)

    def _place(self, folder: str) -> tuple[str, Path]:
        name = f"{folder}/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        return name, path
