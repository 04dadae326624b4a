"""What messages wait for on their way out: files, uploaded once, and previews; then the exact bytes are written."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError, EngineGone, UnknownOutcome
from blazz.events import Wakeups
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.media import service as media
from blazz.media.inspection import digest_file
from blazz.media.store import MediaStore
from blazz.messaging import kinds
from blazz.messaging import outbox as messaging
from blazz.messaging.kinds import MediaFacts, Uploaded
from blazz.messaging.outbox import OutboxItem
from blazz.providers.base import NotSent, Outcome, Rejected
from blazz.providers.whatsapp_web import outcome
from blazz.sessions.previews import Preview, Previews
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
MEDIA_CLASSES: dict[str, pb.MediaType] = {
    "image": pb.MEDIA_TYPE_IMAGE,
    "video": pb.MEDIA_TYPE_VIDEO,
    "audio": pb.MEDIA_TYPE_AUDIO,
    "document": pb.MEDIA_TYPE_DOCUMENT,
    "sticker": pb.MEDIA_TYPE_IMAGE,
    "link_picture": pb.MEDIA_TYPE_LINK_THUMBNAIL,
}
_PATIENCE_S = 3.0  # for a file that is being converted, before the message goes back to the outbox for a while
_LOOK_AGAIN_S = 1.0
_PICTURE_S = 10.0  # for the upload of a preview's large picture; without it the message leaves with the small one


class Uploads:
    """Gets what a message waits for, and writes the message."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        media_store: MediaStore,
        client: Callable[[], EngineClient | None],
        previews: Previews | None = None,
    ) -> None:
        self._database = database
        self._directory = settings.engine_media_dir
        self._media_store = media_store
        self._client = client
        self._previews = previews or Previews(media_store)

    async def prepare(self, session: Session, item: OutboxItem) -> bytes | Outcome:
        """Store the message's bytes and return them, or why there are none."""
        client = self._client()
        if client is None:
            return NotSent("not_connected")
        try:
            scope = Workspace(item.workspace_id)
            wanted = await self._database.read(scope, messaging.unwritten, item)
            if kinds.BY_NAME[item.kind].media_class is None or item.media_id is None:
                preview = await self._previews.of(wanted.body)
                large = await self._large_picture(client, session, preview)
                return await self._database.write(scope, self._store_text, session, item, preview, large)
            source = await self._file(item.workspace_id, item.media_id, wanted.form)
            facts = MediaFacts(
                source.mime_type, source.filename, source.width, source.height, source.thumbnail, source.details
            )
            uploaded = await self._upload(client, session, item.kind, source.key)
            return await self._database.write(scope, self._store, session, item, uploaded, facts)
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

    async def _large_picture(
        self, client: EngineClient, session: Session, preview: Preview
    ) -> messaging.LargePicture | None:
        """Keep and upload the large picture of a preview; None without one, and when WhatsApp does not take it."""
        picture = preview.picture
        if picture is None or picture.large is None:
            return None
        scope, name = Workspace(session.workspace_id), f"out/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        try:
            await self._media_store.run(path.write_bytes, picture.large)
            sha256, size = await self._media_store.run(digest_file, path)
            row = await media.keep(
                self._database, self._media_store, scope, path, sha256, size, "preview.jpg", "image/jpeg"
            )
            async with asyncio.timeout(_PICTURE_S):
                reply = await client.upload(session.ref, name, MEDIA_CLASSES["link_picture"])
        except (EngineGone, UnknownOutcome):
            raise
        except (EngineError, BlazzError, OSError, TimeoutError) as error:
            _log.warning(
                "large picture of a preview not uploaded", account=str(session.account_id), error=str(error)[:200]
            )
            return None
        finally:
            path.unlink(missing_ok=True)
        facts = MediaFacts("image/jpeg", width=picture.width, height=picture.height)
        return messaging.LargePicture(uuid.UUID(str(row["id"])), _uploaded(reply), facts)

    async def _file(
        self, workspace_id: uuid.UUID, media_id: uuid.UUID, form: media.Task | None
    ) -> media.FileForSending:
        """Return the file, waiting a moment for one that is still fetched or made. Raises BlazzError."""
        news = Wakeups.shared().subscribe(workspace_id)
        end = time.monotonic() + _PATIENCE_S
        try:
            while True:
                news.clear()
                try:
                    return await media.file_for_sending(self._database, self._media_store, workspace_id, media_id, form)
                except BlazzError as error:
                    if error.code != "media_pending" or time.monotonic() >= end:
                        raise
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await news.wait()
        finally:
            Wakeups.shared().unsubscribe(workspace_id, news)

    async def _upload(self, client: EngineClient, session: Session, kind: str, key: str) -> Uploaded:
        name = f"out/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        try:
            await self._media_store.check_out(key, path)
            reply = await client.upload(session.ref, name, MEDIA_CLASSES[kind])
        finally:
            path.unlink(missing_ok=True)
        return _uploaded(reply)

    @staticmethod
    def _store(tx: Tx, session: Session, item: OutboxItem, uploaded: Uploaded, facts: MediaFacts) -> bytes | Outcome:
        if ownership.check(tx, [(session.account_id, session.epoch)]):
            return NotSent("stale_epoch")
        payload = messaging.encode_uploaded(tx, item, uploaded, facts)
        messaging.store_payload(tx, item, payload)
        return payload

    @staticmethod
    def _store_text(
        tx: Tx, session: Session, item: OutboxItem, preview: Preview, large: messaging.LargePicture | None
    ) -> bytes | Outcome:
        if ownership.check(tx, [(session.account_id, session.epoch)]):
            return NotSent("stale_epoch")
        payload = messaging.encode_previewed(tx, item, preview.content, large)
        messaging.store_payload(tx, item, payload)
        return payload


def _uploaded(reply: pb.UploadReply) -> Uploaded:
    return Uploaded(
        url=reply.url,
        direct_path=reply.direct_path,
        media_key=reply.media_key,
        file_enc_sha256=reply.file_enc_sha256,
        file_sha256=reply.file_sha256,
        file_length=reply.file_length,
    )
