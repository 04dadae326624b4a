"""What phones tell of their owners, and who is told of a change; whom they block; what a new installation means."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from whatsim.server.entities import Device, Phone
from whatsim.server.profiles import Addressing, Business, Picture
from whatsim.server.stanzas import notification
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER

if TYPE_CHECKING:
    from whatsim.server.core import Core


class People:
    """Changes of profiles, with the notifications that follow. Durable like all else: told only once committed."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def set_about(self, phone: Phone, text: str) -> None:
        """Change the about text."""
        phone.profile.about = text
        self._save(phone)
        if phone.profile.allows("status"):
            self._tell_acquaintances(phone, "status", [Node("set", {}, text.encode())])

    def set_username(self, phone: Phone, name: str) -> None:
        """Change the username; empty for none."""
        phone.profile.username = name
        self._save(phone)

    def set_business(self, phone: Phone, business: Business | None) -> None:
        """Make the phone a business's, or nobody's."""
        phone.profile.business = business
        self._save(phone)

    async def set_picture(self, phone: Phone, jpeg: bytes | None, *, by: Device | None = None) -> str:
        """Change the picture and return its id; empty after a removal."""
        profile = phone.profile
        if jpeg is None:
            profile.picture = None
            change = Node("delete", {"jid": phone.jid(LID_SERVER)})
        else:
            path = await self._core.media_host.keep_plain(jpeg)
            # the real network numbers pictures by the time of their upload; ours only must differ
            number = 1_700_000_000 + phone.id * 1_000 + profile.next_picture
            profile.next_picture += 1
            profile.picture = Picture(str(number), path, hashlib.sha256(jpeg).hexdigest())
            change = Node("set", {"jid": phone.jid(LID_SERVER), "id": profile.picture.id})
        self._save(phone)
        self._tell_own(phone, Node("picture"), by)
        if profile.allows("profile"):
            self._tell_acquaintances(phone, "picture", [change])
        return profile.picture.id if profile.picture is not None else ""

    def set_privacy(self, phone: Phone, name: str, value: str, *, by: Device | None = None) -> None:
        """Change one privacy setting (by WhatsApp's names)."""
        phone.profile.privacy[name] = value
        self._save(phone)
        self._tell_own(phone, Node("privacy", {}, [Node("category", {"name": name, "value": value})]), by)

    def block(self, phone: Phone, peer: Phone, *, blocked: bool, by: Device | None = None) -> None:
        """Block or unblock somebody: nothing of theirs is delivered to the phone and its devices meanwhile."""
        (phone.profile.blocked.add if blocked else phone.profile.blocked.discard)(peer.id)
        self._save(phone)
        item = Node("item", {"jid": peer.jid(LID_SERVER), "action": "block" if blocked else "unblock"})
        self._tell_own(phone, Node("blocklist", {"dhash": block_hash(phone)}, [item]), by)

    def set_addressing(self, phone: Phone, mode: Addressing) -> None:
        """Change how the phone's messages are addressed from now on."""
        phone.profile.addressing = mode
        self._save(phone)

    def change_number(self, phone: Phone, number: str) -> None:
        """Move the account to another number; the LID stays. The phone must have no linked devices."""
        world = self._core.world
        former = phone.number
        del world.by_number[former]
        phone.number = number
        world.by_number[number] = phone
        world.save(phone)
        for other in world.by_id.values():
            if former in other.chats:
                other.chats.discard(former)
                other.chats.add(number)
                for message in other.messages:
                    if message.chat == former:
                        message.chat = number
                        world.save(message)

    def rotate_identity(self, phone: Phone) -> None:
        """Install WhatsApp anew on the phone: new keys, no linked devices, and everybody in touch is told."""
        for device in list(phone.devices.values()):
            self._core.linking.unlink(device)
        phone.profile.identity_serial += 1
        phone.forget_identity()
        self._save(phone)
        self._core.phones.sessions.forget_all(phone)
        for device in self._acquaintances(phone):
            node = notification("encrypt", phone.jid(LID_SERVER), [Node("identity")])
            self._core.router.push(device, node)

    def _tell_acquaintances(self, phone: Phone, kind: str, children: list[Node]) -> None:
        for device in self._acquaintances(phone):
            self._core.router.push(device, notification(kind, phone.jid(LID_SERVER), children))

    def _tell_own(self, phone: Phone, child: Node, by: Device | None) -> None:
        for device in phone.devices.values():
            if device is not by:
                self._core.router.push(device, notification("account_sync", phone.jid(USER_SERVER), [child]))

    def _acquaintances(self, phone: Phone) -> list[Device]:
        """Return the linked devices of those who have a chat with the phone and are not blocked by it."""
        found: list[Device] = []
        for number in phone.chats:
            peer = self._core.world.by_number.get(number)
            if peer is not None and peer is not phone and peer.id not in phone.profile.blocked:
                found += peer.devices.values()
        return found

    def _save(self, phone: Phone) -> None:
        self._core.world.save_profile(phone)
        self._core.phones.phone_event("phone_changed", phone)


def block_hash(phone: Phone) -> str:
    """Return what tells one state of a block list from another."""
    return hashlib.sha256(repr(sorted(phone.profile.blocked)).encode()).hexdigest()[:16]
