"""What clients ask about groups and change in them (namespace `w:g2`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from whatsim.server.groups import Group, GroupRefusal, group_node
from whatsim.server.media_host import HOST
from whatsim.server.profiles import Picture, hash_text
from whatsim.server.queries.query import Query
from whatsim.server.stanzas import new_id
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import parse_jid

if TYPE_CHECKING:
    from whatsim.server.entities import Phone

MAX_PICTURE = 2 * 1024 * 1024


def handle(query: Query) -> bool:
    """Answer one query; what the group's rules forbid is an error with the number that clients know."""
    to = query.node.attrs.get("to", "")
    try:
        if not parse_jid(to).user:
            return _about_all(query)
        group = query.core.groups.find(to)
        if group is None:
            query.error("404", "item-not-found")
            return True
        if query.kind == "set" and query.child.tag == "accept":
            query.core.groups.accept(group, query.device.phone, query.child.attr("code"))
            query.durable_result([])
            return True
        return (_ask if query.kind == "get" else _change)(query, group)
    except GroupRefusal as refusal:
        query.error(str(refusal.code), refusal.text)
        return True


def _about_all(query: Query) -> bool:
    groups, me, child = query.core.groups, query.device.phone, query.child
    match query.kind, child.tag:
        case "get", "participating":
            query.result([Node("groups", {}, [group_node(groups, group) for group in groups.of(me)])])
        case "set", "create":
            _create(query)
        case "get", "invite":
            group = _by_code(query, child)
            query.result([group_node(groups, group, with_members=False)])
        case "set", "invite":
            group = _by_code(query, child)
            entered = groups.join(group, me)
            tag = "group" if entered else "membership_approval_request"
            query.durable_result([Node(tag, {"jid": group.jid})])
        case "set", "leave":
            left = []
            for entry in child.children:
                gone = groups.find(entry.attr("id"))
                if gone is None:
                    raise GroupRefusal(404, "item-not-found")
                groups.leave(gone, me)
                left.append(Node("group", {"id": gone.jid}))
            query.durable_result([Node("leave", {}, left)])
        case _:
            return False
    return True


def _by_code(query: Query, node: Node) -> Group:
    code = node.attr("code")
    group = query.core.groups.by_code(code)
    if group is None:
        # A link that was reset is told from one that never was by its length alone here.
        raise GroupRefusal(410, "gone") if len(code) == 22 else GroupRefusal(406, "not-acceptable")
    return group


def _create(query: Query) -> None:
    groups, me, node = query.core.groups, query.device.phone, query.child
    people = [phone for phone in _people(query, node) if phone is not None]
    group = groups.create(me, node.attrs.get("subject", ""), people, key=node.attrs.get("key", ""))
    if node.child("announcement") is not None:
        groups.set_flag(group, me, "announcement", value=True)
    if node.child("locked") is not None:
        groups.set_flag(group, me, "locked", value=True)
    approval = node.child("membership_approval_mode")
    if approval is not None and _is_on(approval):
        groups.set_approval(group, me, value=True)
    mode = node.child("member_add_mode")
    if mode is not None and _text(mode) == "admin_add":
        groups.set_add_mode(group, me, "admin_add")
    query.durable_result([group_node(groups, group)])


def _ask(query: Query, group: Group) -> bool:
    groups, me = query.core.groups, query.device.phone
    groups.require_member(group, me)
    match query.child.tag:
        case "query":
            query.result([group_node(groups, group)])
        case "invite":
            groups.require_admin(group, me)
            query.result([Node("invite", {"code": group.code})])
        case "membership_approval_requests":
            groups.require_admin(group, me)
            by_id = query.core.world.by_id
            waiting = [
                Node(
                    "membership_approval_request",
                    {
                        **groups.person(group, by_id[phone_id]),
                        "request_time": str(int(at)),
                        "request_method": "invite_link",
                    },
                )
                for phone_id, at in group.requests.items()
            ]
            query.result([Node("membership_approval_requests", {}, waiting)])
        case _:
            return False
    return True


def _change(query: Query, group: Group) -> bool:
    groups, me, child = query.core.groups, query.device.phone, query.child
    answer: list[Node] = []
    match child.tag:
        case "add":
            answer = _each(query, group, child, lambda people: groups.add(group, me, people))
        case "remove":
            answer = _each(query, group, child, lambda people: groups.remove(group, me, people))
        case "promote":
            answer = _each(query, group, child, lambda people: groups.set_role(group, me, people, "admin"))
        case "demote":
            answer = _each(query, group, child, lambda people: groups.set_role(group, me, people, "member"))
        case "membership_requests_action":
            action = child.children[0] if child.children else Node("")
            approve = action.tag == "approve"
            if action.tag not in ("approve", "reject"):
                return False
            inner = _each(
                query, group, action, lambda people: groups.answer_requests(group, me, people, approve=approve)
            )
            answer = [Node(child.tag, {}, inner)]
        case "subject":
            groups.set_subject(group, me, _text(child))
        case "description":
            body = child.child("body")
            described = child.attrs.get("id") or new_id()
            groups.set_description(group, me, _text(body) if body else "", described, child.attrs.get("prev", ""))
        case "announcement" | "not_announcement":
            groups.set_flag(group, me, "announcement", value=child.tag == "announcement")
        case "locked" | "unlocked":
            groups.set_flag(group, me, "locked", value=child.tag == "locked")
        case "membership_approval_mode":
            groups.set_approval(group, me, value=_is_on(child))
        case "member_add_mode":
            groups.set_add_mode(group, me, _text(child))
        case "ephemeral":
            groups.set_ephemeral(group, me, int(child.attrs.get("expiration", "0")))
        case "not_ephemeral":
            groups.set_ephemeral(group, me, 0)
        case "invite":
            groups.reset_link(group, me)
            answer = [Node("invite", {"code": group.code})]
        case _:
            return False
    query.durable_result(answer)
    return True


def _each(query: Query, group: Group, node: Node, act: Callable[[list[Phone | None]], list[int]]) -> list[Node]:
    """Return the answer to a change of members: one entry per person, with an error where there is one."""
    people = _people(query, node)
    entries = []
    asked = [entry for entry in node.children if entry.tag == "participant"]
    for entry, phone, code in zip(asked, people, act(people), strict=True):
        attrs = {"jid": entry.attr("jid")} if phone is None else query.core.groups.person(group, phone)
        children = []
        if code != 200:
            attrs["error"] = str(code)
        if code == 403 and phone is not None:
            invitation, until = query.core.groups.invite(group, query.device.phone, phone)
            children.append(Node("add_request", {"code": invitation, "expiration": str(until)}))
        entries.append(Node("participant", attrs, children))
    return [Node(node.tag, {}, entries)]


def _people(query: Query, node: Node) -> list[Phone | None]:
    world = query.core.world
    return [world.find(parse_jid(entry.attr("jid"))) for entry in node.children if entry.tag == "participant"]


def _is_on(node: Node) -> bool:
    state = node.child("group_join")
    return state is not None and state.attrs.get("state") == "on"


def _text(node: Node) -> str:
    try:
        return node.data().decode()
    except UnicodeDecodeError:
        raise WireError("text is not UTF-8") from None


def handle_picture(query: Query, jid: str) -> bool:
    """Namespace `w:profile:picture` for the picture of a group."""
    group = query.core.groups.find(jid)
    if group is None:
        query.error("404", "item-not-found")
        return True
    try:
        if query.kind == "set":
            _set_picture(query, group)
            return True
        query.core.groups.require_member(group, query.device.phone)
    except GroupRefusal as refusal:
        query.error(str(refusal.code), refusal.text)
        return True
    picture = group.picture
    if picture is None:
        query.error("404", "item-not-found")
    elif query.child.attrs.get("id") == picture.id:
        query.result([Node("picture", {"status": "304"})])
    else:
        attrs = {
            "id": picture.id,
            "type": query.child.attrs.get("type", "image"),
            "url": f"https://{HOST}{picture.direct_path}",
            "direct_path": picture.direct_path,
            "hash": hash_text(picture.sha256),
        }
        query.result([Node("picture", attrs)])
    return True


def _set_picture(query: Query, group: Group) -> None:
    core, me = query.core, query.device.phone
    core.groups.require_editor(group, me)
    jpeg = query.child.data() if query.child.tag == "picture" else None
    if jpeg is not None and (len(jpeg) > MAX_PICTURE or not jpeg.startswith(b"\xff\xd8\xff")):
        raise GroupRefusal(406, "not-acceptable")

    async def change() -> None:
        picture = None
        if jpeg is not None:
            path = await core.media_host.keep_plain(jpeg)
            picture = Picture(str(1_700_000_000 + group.version), path, hashlib.sha256(jpeg).hexdigest())
        core.groups.set_picture(group, me, picture)
        query.durable_result([Node("picture", {"id": picture.id})] if picture else [])

    core.phones.run(change())
