"""What clients ask about other people: device lists, LIDs, whether a number is on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsim.server.linking import key_index_list
from whatsim.server.queries.people import user_node
from whatsim.server.queries.query import Query
from whatsim.server.stanzas import timestamp
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LEGACY_SERVER, LID_SERVER, USER_SERVER, Jid, parse_jid

if TYPE_CHECKING:
    from whatsim.server.entities import Phone

MAX_USERS = 1_000


def handle_usync(query: Query) -> bool:
    """Namespace `usync`: any mix of questions (protocols) about a list of users."""
    usync = query.child
    asked, users = usync.child("query"), usync.child("list")
    if asked is None or users is None:
        return False
    if len(users.children) > MAX_USERS:
        raise WireError("usync about too many users")
    answers = [_user(query, user, asked) for user in users.children]
    attrs = {name: usync.attrs.get(name, "") for name in ("sid", "mode", "context")}
    result = Node("result", {}, [Node(protocol.tag) for protocol in asked.children])
    query.result([Node("usync", {**attrs, "index": "0", "last": "true"}, [result, Node("list", {}, answers)])])
    return True


def _user(query: Query, user: Node, asked: Node) -> Node:
    contact = user.child("contact")
    text = user.attrs.get("jid", "")
    if not text and contact is not None:
        text = contact.data().decode("utf-8", "replace")
    jid = parse_jid(text)
    number = jid.user.lstrip("+")
    if jid.server in ("", LEGACY_SERVER):
        jid = Jid(number, 0, USER_SERVER)
    phone = query.core.world.find(jid)
    attrs = {"jid": user.attrs.get("jid") or f"{number}@{USER_SERVER}"}
    children: list[Node] = []
    for protocol in asked.children:
        if protocol.tag == "contact":
            content = contact.content if contact is not None else None
            children.append(Node("contact", {"type": "in" if phone is not None else "out"}, content))
            if phone is not None and protocol.attrs.get("addressing_mode") == "lid":
                attrs = {"jid": phone.jid(LID_SERVER), "pn_jid": phone.jid(USER_SERVER)}
        elif phone is not None:
            answer = _protocol(query, phone, protocol.tag)
            if answer is not None:
                children.append(answer)
    return Node("user", attrs, children)


def _protocol(query: Query, phone: Phone, protocol: str) -> Node | None:
    match protocol:
        case "devices":
            companions = phone.devices.values()
            devices = [Node("device", {"id": str(d.device), "key-index": str(d.key_index)}) for d in companions]
            devices.insert(0, Node("device", {"id": "0"}))
            index = Node("key-index-list", {"ts": timestamp()}, key_index_list(phone))
            return Node("devices", {}, [Node("device-list", {}, devices), index])
        case "lid":
            return Node("lid", {"val": phone.jid(LID_SERVER)})
        case _:
            return user_node(query, phone, protocol)
