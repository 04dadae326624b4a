"""Linking with a passkey: what WhatsApp waits for, kept in memory like a QR code, and the steps in order."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog

from blazz import events
from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster.pairing_commands import PasskeyView
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.pairing import PairingClient
from blazz.kit.db import Tx
from blazz.kit.errors import conflict
from blazz.kit.time import rfc3339, utc_now
from blazz.sessions.registry import Session
from blazz.sessions.reports import Reports
from blazz.sessions.statuses import StatusBoard
from blazz.sessions.tasks import TaskSet
from blazz.sessions.transitions import Verdict

_log = structlog.get_logger(__name__)
_DEMANDED = "WhatsApp asks for the passkey of this number."
_ACCEPTED = "WhatsApp accepted the passkey; compare the code with the phone."
_PROVEN = "WhatsApp accepted the passkey."


class Passkeys:
    """Takes the engine host's reports of passkeys, and answers of people."""

    def __init__(
        self,
        reports: Reports,
        board: StatusBoard,
        client: Callable[[], EngineClient | None],
        answer: Callable[[Iterable[int]], None],
    ) -> None:
        self._reports = reports
        self._board = board
        self._client = client
        self._answer = answer
        self._tasks = TaskSet()

    async def stop(self) -> None:
        """End confirmations under way. Idempotent."""
        await self._tasks.stop()

    def take(self, session: Session, event: pb.Event) -> None:
        """Take a demand or a confirmation; its tag is answered once the status is stored."""
        if event.HasField("passkey_request"):
            request = event.passkey_request
            shown = PasskeyView("challenge", _options(request.options), None, _in(request.lifetime_s))
            detail = _DEMANDED
        else:
            confirmation = event.passkey_confirmation
            known = session.passkey.options if session.passkey is not None else {}
            step = "answered" if confirmation.proven else "confirm"
            code = None if confirmation.proven else confirmation.code
            shown = PasskeyView(step, known, code, _in(confirmation.lifetime_s))  # type: ignore[arg-type]
            detail = _PROVEN if confirmation.proven else _ACCEPTED
            if confirmation.proven:
                self._tasks.start(self._confirm_proven(session), "passkey-confirm")
        change = self._reports.set_status(session, Verdict("passkey_required", detail=detail))
        session.passkey = shown
        store_status = change.apply
        data = {
            "account_id": str(session.account_id),
            "step": shown.step,
            "expires_at": rfc3339(shown.expires_at),
        }

        def apply(tx: Tx) -> None:
            store_status(tx)
            events.append(tx, "session.passkey", data, workspace_id=session.workspace_id, account_id=session.account_id)

        def done(_: object = None) -> None:
            self._answer((event.tag,))

        change.apply = apply
        change.then = change.dropped = done
        self._board.post(change)

    @staticmethod
    def shown(session: Session) -> PasskeyView | None:
        """Return what WhatsApp waits for now."""
        view = session.passkey
        return None if view is None or view.expires_at <= utc_now() else view

    async def give(self, session: Session, credential: str) -> None:
        """Hand an authenticator's answer to WhatsApp. Raises BlazzError `no_passkey` (409), EngineError."""
        view = self.shown(session)
        if view is None or view.step != "challenge":
            raise conflict("no_passkey", "WhatsApp does not wait for a passkey of this number now.")
        session.passkey = replace(view, step="answered")
        try:
            await PairingClient(self._require()).answer_passkey(session.ref, credential)
        except EngineError:
            if _same_ceremony(session.passkey, view):
                session.passkey = view
            raise

    async def confirm(self, session: Session) -> None:
        """Say that the phone shows the same code. Raises BlazzError `no_passkey` (409), EngineError."""
        view = self.shown(session)
        if view is None or view.step != "confirm":
            raise conflict("no_passkey", "There is no code of this number to compare now.")
        await PairingClient(self._require()).confirm_passkey(session.ref)

    async def _confirm_proven(self, session: Session) -> None:
        """The phone knows already whom it links: nobody needs to compare codes."""
        try:
            await PairingClient(self._require()).confirm_passkey(session.ref)
        except EngineError as error:
            _log.warning("passkey not confirmed", account=str(session.account_id), error=str(error))

    def _require(self) -> EngineClient:
        client = self._client()
        if client is None:
            raise EngineError("engine_gone", "the engine host is starting")
        return client


def _same_ceremony(now: PasskeyView | None, before: PasskeyView) -> bool:
    return now is not None and now.expires_at == before.expires_at


def _options(text: str) -> dict[str, Any]:
    options = json.loads(text)
    return options if isinstance(options, dict) else {}


def _in(seconds: float) -> dt.datetime:
    return utc_now() + dt.timedelta(seconds=seconds)
