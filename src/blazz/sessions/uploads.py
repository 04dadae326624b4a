"""Files on their way out: handed to the engine host, uploaded once, and written into the message's exact bytes."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError, EngineGone, UnknownOutcome
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.media import service as media
from blazz.media.store import MediaStore
from blazz.messaging import outbox as messaging
from blazz.messaging.kinds import MediaFacts, Uploaded
from blazz.messaging.outbox import OutboxItem
from blazz.providers.base import NotSent, Outcome, Rejected
from blazz.providers.whatsapp_web import outcome
from blazz.sessions.registry import Session

MEDIA_CLASSES: dict[str, pb.MediaType] = {
    "image": pb.MEDIA_TYPE_IMAGE,
    "video": pb.MEDIA_TYPE_VIDEO,
    "audio": pb.MEDIA_TYPE_AUDIO,
    "document": pb.MEDIA_TYPE_DOCUMENT,
}


class Uploads:
    """Makes the payload of a media message."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        media_store: MediaStore,
        client: Callable[[], EngineClient | None],
    ) -> None:
        self._database = database
        self._directory = settings.engine_media_dir
        self._media_store = media_store
        self._client = client

    async def prepare(self, session: Session, item: OutboxItem) -> bytes | Outcome:
        """Upload the file and store the message's bytes; return them, or why there are none."""
        client = self._client()
        if client is None:
            return NotSent("not_connected")
        name = f"out/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        try:
            if item.media_id is None:
                return Rejected("media_missing", "The file of this message is gone.")
            source = await media.file_for_sending(self._database, self._media_store, item.workspace_id, item.media_id)
            facts = MediaFacts(source.mime_type, source.filename, source.width, source.height, source.thumbnail)
            await self._media_store.run(_hand_over, self._media_store.path_of(source.key), path)
            reply = await client.upload(session.ref, name, MEDIA_CLASSES[item.kind])
            uploaded = Uploaded(
                url=reply.url,
                direct_path=reply.direct_path,
                media_key=reply.media_key,
                file_enc_sha256=reply.file_enc_sha256,
                file_sha256=reply.file_sha256,
                file_length=reply.file_length,
            )
            return await self._database.write(Workspace(item.workspace_id), self._store, session, item, uploaded, facts)
        except (EngineGone, UnknownOutcome):
            return NotSent("upload_interrupted")  # the message itself has not been sent: it may be uploaded again
        except EngineError as error:
            return outcome(error)
        except BlazzError as error:
            if error.status >= 500:
                return NotSent(error.code)
            return Rejected(error.code, error.detail)
        except (OSError, LookupError):
            return Rejected("media_missing", "The file of this message is gone.")
        finally:
            path.unlink(missing_ok=True)

    @staticmethod
    def _store(tx: Tx, session: Session, item: OutboxItem, uploaded: Uploaded, facts: MediaFacts) -> bytes | Outcome:
        if ownership.check(tx, [(session.account_id, session.epoch)]):
            return NotSent("stale_epoch")
        payload = messaging.encode_uploaded(tx, item, uploaded, facts)
        messaging.store_payload(tx, item, payload)
        return payload


def _hand_over(source: Path, target: Path) -> None:
    """Give the engine host its own name of a file; a copy where the file system has no hard links between the two."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
