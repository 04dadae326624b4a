"""Carries messages, receipts and typing notices of groups: from one device to all devices of all members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsim.server.entities import Device, Phone
from whatsim.server.groups import GROUP_SERVER, Group
from whatsim.server.stanzas import timestamp
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER, Jid, parse_jid

if TYPE_CHECKING:
    from whatsim.server.core import Core

STATUS_JID = "status@broadcast"
_COPIED_ATTRS = ("edit", "category", "push_priority")
_COPIED_CHILDREN = frozenset({"meta", "biz", "bot"})
# Receipts which only concern the reader's own devices.
_PRIVATE = frozenset({"sender", "peer_msg", "hist_sync", "read-self", "played-self", "server-error"})


def is_shared(address: Jid) -> bool:
    """Tell whether an address is one of many people: a group, or the status list."""
    return address.server in (GROUP_SERVER, "broadcast")


class GroupRouter:
    """Stanzas that are addressed to a group."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def message(self, sender: Device, node: Node) -> int | None:
        """Hand a message to all members; returns the number of a refusal."""
        to = node.attr("to")
        if to == STATUS_JID:
            return None  # taken, and shown to nobody: the phones of this network read no status
        group = self._core.groups.find(to)
        if group is None:
            return 404
        if not self._core.groups.may_write(group, sender.phone):
            return 401 if sender.phone.id in group.roles else 403
        shared = [child for child in node.children if child.tag == "enc" and child.attrs.get("type") == "skmsg"]
        keys = self._keys(node)
        attrs = self._attrs(sender, node, group)
        extra = [child for child in node.children if child.tag in _COPIED_CHILDREN]
        identity = node.child("device-identity")
        only = self._answered(node)
        if only is not None:
            # The answer to one device that could not read the message.
            own = [child for child in node.children if child.tag == "enc"]
            keys, shared = {only: own[0]} if own else {}, []
        for phone in self._core.groups.members(group):
            for number in (0, *phone.devices):
                key = keys.get((phone.id, number))
                if (only is not None and key is None) or (phone is sender.phone and number == sender.device):
                    continue
                children = [*([key] if key is not None else []), *shared, *extra]
                if key is not None and key.attrs.get("type") == "pkmsg" and identity is not None:
                    children.append(identity)
                self._hand_over(phone, number, Node("message", dict(attrs), children))
        return None

    def _keys(self, node: Node) -> dict[tuple[int, int], Node]:
        """Return what is encrypted for single devices (the sender's key), by phone and device."""
        participants = node.child("participants")
        found: dict[tuple[int, int], Node] = {}
        for entry in participants.children if participants is not None else ():
            address = parse_jid(entry.attr("jid"))
            phone, enc = self._core.world.find(address), entry.child("enc")
            if phone is not None and enc is not None:
                found[phone.id, address.device] = enc
        return found

    def _answered(self, node: Node) -> tuple[int, int] | None:
        asked = node.attrs.get("participant")
        if asked is None:
            return None
        address = parse_jid(asked)
        phone = self._core.world.find(address)
        return (0, 0) if phone is None else (phone.id, address.device)

    def _attrs(self, sender: Device, node: Node, group: Group) -> dict[str, str]:
        attrs = {
            "from": group.jid,
            "id": node.attrs["id"],
            "type": node.attrs.get("type", "text"),
            "t": timestamp(),
            "notify": sender.phone.name,
            **participant(group, sender.phone, sender.device),
        }
        return attrs | {name: value for name in _COPIED_ATTRS if (value := node.attrs.get(name))}

    def _hand_over(self, phone: Phone, number: int, node: Node) -> None:
        if number == 0:
            self._core.router.to_phone(phone, node)
        else:
            self._core.router.push(phone.devices[number], node)

    def receipt(self, sender: Device, node: Node, kind: str, ids: list[str]) -> None:
        """Tell a message's author what became of it at one member; a request for it goes to the device that sent it."""
        group = self._core.groups.find(node.attr("to"))
        author = node.attrs.get("participant")
        if group is None or author is None:
            return
        target = parse_jid(author)
        phone = self._core.world.find(target)
        if phone is None:
            return
        if kind in ("read", "read-self", "played"):
            self._core.phones.groups.read_elsewhere(sender.phone, group, phone, ids)
        if kind in _PRIVATE:
            return
        attrs = {name: value for name, value in node.attrs.items() if name not in ("to", "participant", "recipient")}
        attrs.setdefault("t", timestamp())
        # Read receipts speak for the person, the others for the device.
        device = 0 if kind in ("read", "played") else sender.device
        attrs |= {"from": group.jid, **participant(group, sender.phone, device)}
        copy = Node("receipt", attrs, node.content)
        if kind == "retry":
            if target.device == 0 or target.device in phone.devices:
                self._hand_over(phone, target.device, copy)
            return
        if phone is sender.phone:
            return
        for number in (0, *phone.devices):
            self._hand_over(phone, number, Node("receipt", dict(attrs), node.content))

    def chatstate(self, sender: Device, node: Node) -> None:
        """Show the other members' devices that somebody types."""
        group = self._core.groups.find(node.attr("to"))
        if group is None or sender.phone.id not in group.roles or not node.children:
            return
        attrs = {"from": group.jid, **participant(group, sender.phone, sender.device)}
        for device in self._core.groups.devices(group):
            if device.phone is not sender.phone:
                self._core.router.send_passing(device, Node("chatstate", attrs, [node.children[0]]))


def participant(group: Group, phone: Phone, device: int = 0) -> dict[str, str]:
    """Return how a stanza of a group names who it comes from, under both addresses."""
    lid, number = str(Jid(phone.lid, device, LID_SERVER)), str(Jid(phone.number, device, USER_SERVER))
    if group.addressing == "lid":
        return {"participant": lid, "participant_pn": number, "addressing_mode": "lid"}
    return {"participant": number, "participant_lid": lid, "addressing_mode": "pn"}
