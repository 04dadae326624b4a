"""How WhatsApp names a message from inside another one."""

from __future__ import annotations

from blazz._generated.wa.waCommon.WACommon_pb2 import MessageKey
from blazz.messaging.addresses import without_device
from blazz.messaging.kinds.base import Target


def target_of(key: MessageKey) -> Target | None:
    """Return the message that `key` names; None for a key without an id."""
    if not key.ID:
        return None
    author = without_device(key.participant) if key.participant else ""
    return Target(key.ID, key.fromMe, author, key.remoteJID)


def key_of(target: Target | None) -> MessageKey:
    """Return the key of the message that a change of ours is about. Raises ValueError without one."""
    if target is None:
        raise ValueError("a change needs the message that it is about")
    key = MessageKey(remoteJID=target.chat, fromMe=target.from_me, ID=target.wa_message_id)
    if target.author:
        key.participant = target.author
    return key
