"""What it means for an account when its store cannot be opened or fails: a status, a sentence, whether to retry."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from blazz.engine_client import EngineError
from blazz.sessions.storage.backups import backup_note
from blazz.sessions.transitions import Verdict

_PAUSES_S = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # as the engine host's own reconnects
_MISSING_S = 300.0  # a share that is mounted later brings its numbers back by itself
_DETAIL = 255  # the column's length


@dataclass(frozen=True, slots=True)
class StartFailure:
    """The account's new status. `retry_after_s`: start again after this; None: only when somebody asks for it.

    The wish that the session runs stays in every case, so that a restart tries again.
    """

    verdict: Verdict
    retry_after_s: float | None


def start_failure(
    error: EngineError,
    account_id: uuid.UUID,
    *,
    attempt: int = 0,
    jitter: Callable[[], float] = random.random,
) -> StartFailure:
    """Return what a failed start means; `attempt` counts failures in a row from 0 and lengthens the pause.

    For the engine's words store_missing, store_corrupt, store_failure and network_mismatch; anything else fails the
    session without a retry.
    """
    if error.word == "store_missing":
        text = f"The stored pairing is not there. {backup_note(account_id)} Is the share mounted? Else link it again."
        return _failed(text, _MISSING_S)
    if error.word == "store_corrupt":
        return _failed(_corrupt(account_id, error.detail), None)
    if error.word == "store_failure":
        pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
        pause *= 0.75 + jitter() / 4
        return _failed(f"The session's storage fails: {error.detail[:120]}; trying again in {pause:.0f} s.", pause)
    if error.word == "network_mismatch":
        return _failed(f"The stored pairing belongs to another network: {error.detail}", None)
    return _failed(f"The session cannot start: {error}", None)


def _corrupt(account_id: uuid.UUID, detail: str) -> str:
    end = f" {backup_note(account_id)} Put a copy back and connect, or link it again."
    return f"The stored pairing is damaged: {detail[:100]}.{end}"


def _failed(text: str, retry_after_s: float | None) -> StartFailure:
    return StartFailure(Verdict("failed", "error", text[:_DETAIL], final=True), retry_after_s)
