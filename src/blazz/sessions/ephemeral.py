"""Typing and presence: passed on while they are true, never stored."""

from __future__ import annotations

from blazz._generated.engine import engine_pb2 as pb
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit.time import from_unix_ms, rfc3339
from blazz.sessions.addresses import bare, lid_of, phone_of
from blazz.sessions.registry import Session


def publish(session: Session, event: pb.Event) -> None:
    """Tell whoever listens now. Readers find the chat by its address, phone or LID."""
    if event.HasField("chat_presence"):
        presence = event.chat_presence
        state = "paused" if not presence.composing else "recording" if presence.audio else "composing"
        data = {**_who(presence.chat, presence.sender), "state": state}
        name = "typing"
    elif event.HasField("presence"):
        data = {**_who(event.presence.jid), "available": str(not event.presence.unavailable).lower()}
        if event.presence.last_seen_ms:
            data["last_seen"] = rfc3339(from_unix_ms(event.presence.last_seen_ms))
        name = "presence"
    else:
        return
    Ephemerals.shared().publish(EphemeralEvent(session.workspace_id, name, session.account_id, dict(data)))


def _who(address: str, sender: str = "") -> dict[str, str]:
    who = {"account_address": bare(address)}
    phone, lid = phone_of(address, sender), lid_of(address, sender)
    return who | ({"phone": phone} if phone else {}) | ({"lid": lid} if lid else {})
