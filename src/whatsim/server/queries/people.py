"""What clients ask and tell about profiles: pictures, about texts, businesses, block lists, privacy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whatsim.phones.people import block_hash
from whatsim.server.media_host import HOST
from whatsim.server.profiles import PRIVACY, hash_text, name_certificate
from whatsim.server.queries import groups
from whatsim.server.queries.query import Query
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, USER_SERVER, parse_jid

if TYPE_CHECKING:
    from whatsim.server.entities import Phone

MAX_PICTURE = 2 * 1024 * 1024
MAX_ABOUT = 512
# The persisted query with which clients of today change their about text.
_UPDATE_TEXT_STATUS = "9152604461510864"
_REACHOUT_TIMELOCK = "23983697327930364"  # the question for a time lock
# By linked clients of the two kinds that there are.
_FETCH_CHANNEL = frozenset({"6563316087068696", "9779843322044422"})


def user_node(query: Query, phone: Phone, protocol: str) -> Node | None:
    """Return a profile's part of the answer to a usync question; None for a protocol that is not about profiles."""
    profile = phone.profile
    own = query.device.phone is phone
    match protocol:
        case "status":
            shown = own or (profile.allows("status") and query.device.phone.id not in profile.blocked)
            return Node("status", {}, profile.about.encode() if shown else None)
        case "picture":
            picture = profile.picture if own or _shows_picture(query, phone) else None
            return Node("picture", {"id": picture.id} if picture is not None else {})
        case "business":
            if profile.business is None:
                return Node("business")
            attrs = {"v": "1", "verified_level": "high", "host_storage": "1", "actual_actors": "1"}
            return Node("business", {}, [Node("verified_name", attrs, name_certificate(profile.business))])
        case "username":
            return Node("username", {}, profile.username.encode() or None)
        case "disappearing_mode":
            return Node("disappearing_mode")
    return None


def handle_picture(query: Query) -> bool:
    """Namespace `w:profile:picture`: a person's picture, or a change of the own one."""
    target = query.node.attrs.get("target")
    if target and target.endswith("@g.us"):
        return groups.handle_picture(query, target)
    if query.kind == "set":
        return _set_picture(query)
    phone = query.core.world.find(parse_jid(target)) if target else query.device.phone
    if phone is None or phone.profile.picture is None:
        query.error("404", "item-not-found")
        return True
    picture = phone.profile.picture
    if phone is not query.device.phone and not _shows_picture(query, phone):
        query.error("401", "not-authorized")
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


def _shows_picture(query: Query, phone: Phone) -> bool:
    return phone.profile.allows("profile") and query.device.phone.id not in phone.profile.blocked


def _set_picture(query: Query) -> bool:
    target = query.node.attrs.get("target")
    phone = query.device.phone
    if target and query.core.world.find(parse_jid(target)) is not phone:
        return False
    jpeg = query.child.data() if query.child.tag == "picture" else None
    if jpeg is not None and (len(jpeg) > MAX_PICTURE or not jpeg.startswith(b"\xff\xd8\xff")):
        query.error("406", "not-acceptable")
        return True

    async def change() -> None:
        picture_id = await query.core.phones.people.set_picture(phone, jpeg, by=query.device)
        query.durable_result([Node("picture", {"id": picture_id})] if picture_id else [])

    query.core.phones.run(change())
    return True


def handle_business(query: Query) -> bool:
    """Namespace `w:biz`: what a business tells of itself."""
    asked = query.child.child("profile")
    phone = query.core.world.find(parse_jid(asked.attr("jid"))) if asked is not None else None
    business = phone.profile.business if phone is not None else None
    if asked is None or business is None:
        query.result([Node("business_profile")])
        return True
    hours = [
        Node(
            "business_hours_config",
            {"day_of_week": day, "mode": "specific_hours", "open_time": str(opens), "close_time": str(closes)},
        )
        for day, opens, closes in business.hours
    ]
    categories = [
        Node("category", {"id": str(number)}, name.encode()) for number, name in enumerate(business.categories, 1)
    ]
    parts = [
        Node("address", {}, business.address.encode()),
        Node("email", {}, business.email.encode()),
        Node("categories", {}, categories),
        Node("business_hours", {"timezone": business.timezone}, hours),
        Node("profile_options"),
    ]
    query.result([Node("business_profile", {"v": "244"}, [Node("profile", {"jid": asked.attr("jid")}, parts)])])
    return True


def handle_status(query: Query) -> bool:
    """Namespace `status`: the about text, as older clients change it; who sees status posts is the default."""
    if query.kind == "set" and query.child.tag == "status":
        _set_about(query, query.child.data().decode("utf-8", "replace"))
        query.durable_result()
    elif query.kind == "get" and query.child.tag == "privacy":
        query.error("404", "item-not-found")
    else:
        query.result()
    return True


def handle_mex(query: Query) -> bool:
    """Namespace `w:mex`: the about text, as clients of today change it, and channels; other queries find nothing."""
    if query.child.attrs.get("query_id") == _UPDATE_TEXT_STATUS:
        try:
            text = json.loads(query.child.data())["variables"]["input"]["text"]
        except (ValueError, KeyError, TypeError):
            raise WireError("malformed change of the about text") from None
        _set_about(query, str(text or ""))
        answer = b'{"data":{"xwa2_user_update_text_status":{"result":"SUCCESS"}}}'
        query.durable_result([Node("result", {}, answer)])
    elif query.child.attrs.get("query_id") == _REACHOUT_TIMELOCK:
        query.result([Node("result", {}, query.core.limits.timelock_answer(query.device.phone))])
    elif query.child.attrs.get("query_id") in _FETCH_CHANNEL:
        try:
            address = str(json.loads(query.child.data())["variables"]["input"]["key"])
        except (ValueError, KeyError, TypeError):
            raise WireError("malformed question for a channel") from None
        query.result([Node("result", {}, query.core.channels.answer(address))])
    else:
        query.result([Node("result", {}, b'{"data":{}}')])
    return True


def _set_about(query: Query, text: str) -> None:
    if len(text) > MAX_ABOUT:
        raise WireError("about text is too long")
    query.core.phones.people.set_about(query.device.phone, text)


def handle_privacy(query: Query) -> bool:
    """Namespace `privacy`: settings of the own phone; trusted-contact tokens are taken and not used."""
    phone = query.device.phone
    if query.child.tag != "privacy":
        query.result()
        return True
    if query.kind == "set":
        for category in query.child.children:
            name = category.attr("name")
            if name in PRIVACY:
                query.core.phones.people.set_privacy(phone, name, category.attr("value"), by=query.device)
    settings = [Node("category", {"name": name, "value": phone.profile.privacy.get(name, "all")}) for name in PRIVACY]
    query.durable_result([Node("privacy", {}, settings)])
    return True


def handle_blocklist(query: Query) -> bool:
    """Namespace `blocklist`: the own one, and changes of it."""
    core, phone = query.core, query.device.phone
    if query.kind == "set" and query.child.tag == "item":
        peer = core.world.find(parse_jid(query.child.attr("jid")))
        if peer is None:
            query.error("404", "item-not-found")
            return True
        core.phones.people.block(phone, peer, blocked=query.child.attr("action") == "block", by=query.device)
    by_id = core.world.by_id
    items = [
        Node("item", {"jid": by_id[one].jid(LID_SERVER), "pn_jid": by_id[one].jid(USER_SERVER)})
        for one in sorted(phone.profile.blocked)
        if one in by_id
    ]
    query.durable_result([Node("list", {"dhash": block_hash(phone)}, items)])
    return True
