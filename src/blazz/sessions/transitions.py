"""What a report of the engine host means for the account's status: pure decisions, no effects."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from blazz._generated.engine import engine_pb2 as pb
from blazz.kit.time import from_unix_ms, rfc3339

Reason = Literal[
    "user_initiated",
    "instance_restart",
    "timeout",
    "error",
    "qr_expired",
    "logged_out_on_phone",
    "replaced",
    "banned",
    "client_outdated",
    "unknown",
]
CLAIMS = frozenset({"connecting", "qr_scanning", "authenticated", "connected", "passkey_required"})
_NOT_FINISHED = "WhatsApp did not finish the linking. Remove the device on the phone if it is listed, and link again."
_LOGGED_OUT = {
    401: "The device was removed on the phone.",
    403: "WhatsApp has locked this number, or it was registered on another phone (403).",
    406: "WhatsApp has banned this number for good (406).",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A new status. `final` ends the session's run; `stop` also withdraws the wish that it runs."""

    status: str
    reason: Reason | None = None
    detail: str | None = None
    final: bool = False
    stop: bool = False


_LINKED_LATE = Verdict("disconnected", "user_initiated", "It was linked just before it was disconnected.")


def judge(
    state: pb.State, *, linked: bool, status: str | None, started: bool = True, fresh: bool = False
) -> Verdict | None:
    """Return what `state` changes, None when the status stays. `status` is the last one that was reported.

    `started`: the session is to run. `fresh`: it was linked just now and has not logged in yet.
    """
    kind = state.state
    if kind == pb.SESSION_STATE_CONNECTING:
        # between pairing and login, and while a code is shown, reconnecting is part of the plan
        return None if status in ("authenticated", "qr_scanning") else Verdict("connecting")
    if kind == pb.SESSION_STATE_PAIRED:
        return Verdict("authenticated") if started else _LINKED_LATE
    if kind == pb.SESSION_STATE_CONNECTED:
        return Verdict("connected")
    if kind == pb.SESSION_STATE_DISCONNECTED:
        return None if not linked and status == "qr_scanning" else _disconnected(state)
    if fresh and kind == pb.SESSION_STATE_LOGGED_OUT:
        return Verdict("logged_out", "error", f"{_NOT_FINISHED} ({state.code})", final=True, stop=True)
    return _ended(state)


def _disconnected(state: pb.State) -> Verdict:
    waited = "keep-alive" in state.detail or "time" in state.detail
    detail = state.detail or "The connection was lost."
    if state.code:
        detail = f"{detail} ({state.code})"
    if state.retrying:
        detail = f"{detail}; reconnecting in {state.retry_in_s:.0f} s"
    return Verdict("disconnected", "timeout" if waited else "error", detail[:255], final=not state.retrying)


def _ended(state: pb.State) -> Verdict | None:
    kind = state.state
    if kind == pb.SESSION_STATE_LOGGED_OUT:
        detail = _LOGGED_OUT.get(state.code, f"WhatsApp ended this pairing ({state.code}).")
        return Verdict("logged_out", "logged_out_on_phone", detail, final=True, stop=True)
    if kind == pb.SESSION_STATE_REPLACED:
        return Verdict("disconnected", "replaced", "Another connection of this device took over.", final=True)
    if kind == pb.SESSION_STATE_QR_EXPIRED:
        return Verdict("disconnected", "qr_expired", "The code was not used in time.", final=True, stop=True)
    if kind == pb.SESSION_STATE_PAIR_FAILED:
        detail = f"Linking failed: {state.detail[:200]}. Begin again."
        return Verdict("disconnected", "error", detail, final=True, stop=True)
    if kind == pb.SESSION_STATE_CLIENT_OUTDATED:
        return Verdict("disconnected", "client_outdated", f"{state.detail} (405). Update Blazz."[:255])
    if kind == pb.SESSION_STATE_TEMPORARY_BAN:
        until = f" until {rfc3339(_whole_second(state.ban_expires_ms))}" if state.ban_expires_ms else ""
        detail = f"WhatsApp has banned this number{until}: {state.detail} ({state.code})."
        return Verdict("disconnected", "banned", detail[:255], final=True)
    if kind == pb.SESSION_STATE_STOPPED and state.detail.startswith("store_corrupt"):
        detail = f"The stored pairing is damaged ({state.detail[:120]}). Put a copy back and connect, or link it again."
        return Verdict("failed", "error", detail[:255], final=True)
    if kind == pb.SESSION_STATE_STOPPED and state.detail.startswith("stale_epoch"):
        # not stored: the owner's rows are the other one's now, and adoption finds out who that is
        return Verdict("disconnected", "error", "Another instance has taken this number over.", final=True)
    # else STOPPED follows only from our own calls, whose callers have said why already
    return None


def _whole_second(ms: int) -> dt.datetime:
    return from_unix_ms(ms).replace(microsecond=0)
