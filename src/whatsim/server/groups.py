"""Groups: what the server keeps of each, who may change it, and whom it tells.

Every change is durable before it is answered or told. Members are told by `w:gp2` notifications to all their devices,
the one that made the change included; simulated phones share this process and see the group itself.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from whatsim.server.entities import Device, Phone, now
from whatsim.server.profiles import Picture
from whatsim.server.stanzas import notification
from whatsim.server.store import Row
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER

if TYPE_CHECKING:
    from whatsim.server.core import Core

GROUP_SERVER = "g.us"
GROUPS_JID = f"@{GROUP_SERVER}"
MAX_MEMBERS = 1_024
MAX_SUBJECT = 100
MAX_DESCRIPTION = 2_048
# How long a person who lets nobody add them may accept the invitation, in seconds.
INVITATION_S = 3 * 86_400

Role = Literal["member", "admin", "superadmin"]
Addressing = Literal["lid", "pn"]


class GroupRefusal(Exception):
    """A change that is not allowed; `code` is the number that clients get."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(slots=True)
class Group:
    """A group. Members are roles by phone id, in the order in which they came; times are seconds since 1970."""

    id: str
    subject: str
    creator: int
    created: float
    subject_at: float
    subject_by: int
    addressing: Addressing = "lid"
    description: str = ""
    description_id: str = ""
    description_at: float = 0.0
    announcement: bool = False
    locked: bool = False
    approval: bool = False
    add_mode: str = "all_member_add"
    ephemeral: int = 0
    code: str = field(default_factory=lambda: secrets.token_urlsafe(16)[:22])
    version: int = 1
    picture: Picture | None = None
    roles: dict[int, Role] = field(default_factory=dict)
    requests: dict[int, float] = field(default_factory=dict)
    invitations: dict[str, tuple[int, float]] = field(default_factory=dict)  # by code: whom, until when

    @property
    def jid(self) -> str:
        return f"{self.id}@{GROUP_SERVER}"

    @property
    def server(self) -> str:
        """The kind of address by which the group knows its members."""
        return LID_SERVER if self.addressing == "lid" else USER_SERVER

    @property
    def other_server(self) -> str:
        return USER_SERVER if self.addressing == "lid" else LID_SERVER

    def is_admin(self, phone: Phone) -> bool:
        return self.roles.get(phone.id, "member") != "member"

    def row(self) -> Row:
        facts = {name: getattr(self, name) for name in self.__slots__ if name not in ("id", "picture")}
        facts["picture"] = (
            None if self.picture is None else [self.picture.id, self.picture.direct_path, self.picture.sha256]
        )
        return (self.id, json.dumps(facts))


class Groups:
    """All groups, by id and by the code of their link."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_id: dict[str, Group] = {}
        self._of_phone: dict[int, dict[str, Group]] = {}
        for group_id, data in core.store.read("SELECT * FROM groups ORDER BY id"):
            self._add(_load(group_id, data))

    def find(self, jid: str) -> Group | None:
        """Return the group with an address."""
        return self.by_id.get(jid.partition("@")[0]) if jid.endswith(GROUPS_JID) else None

    def by_code(self, code: str) -> Group | None:
        return next((group for group in self.by_id.values() if group.code == code), None)

    def of(self, phone: Phone) -> list[Group]:
        """Return the groups that a phone is in."""
        return list(self._of_phone.get(phone.id, {}).values())

    def members(self, group: Group) -> list[Phone]:
        by_id = self._core.world.by_id
        return [by_id[phone_id] for phone_id in group.roles if phone_id in by_id]

    def devices(self, group: Group) -> Iterable[Device]:
        """Return the companions of all members."""
        return (device for phone in self.members(group) for device in phone.devices.values())

    # --- changes

    def create(
        self, creator: Phone, subject: str, people: Iterable[Phone], *, key: str = "", addressing: Addressing = "lid"
    ) -> Group:
        """Make a group. Raises GroupRefusal 406 for a subject that is empty or too long."""
        if not 0 < len(subject) <= MAX_SUBJECT:
            raise GroupRefusal(406, "not-acceptable")
        moment = now()
        number = f"120363{int.from_bytes(os.urandom(6), 'big') % 10**12:012d}"
        group = Group(number, subject, creator.id, moment, moment, creator.id, addressing)
        group.roles[creator.id] = "superadmin"
        for phone in people:
            if len(group.roles) < MAX_MEMBERS and (phone is creator or phone.profile.allows("groupadd")):
                group.roles.setdefault(phone.id, "member")
        self._add(group)
        self._save(group)
        attrs = {"type": "new", "key": key} if key else {"type": "new"}
        self._tell(group, creator, Node("create", attrs, [group_node(self, group)]))
        return group

    def add(self, group: Group, actor: Phone, people: Iterable[Phone | None]) -> list[int]:
        """Add people; returns a code for each: 200, 403 (lets nobody add them), 404, 409 (is in), 419 (group is full).

        Raises GroupRefusal 401 where only admins may add.
        """
        self.require_member(group, actor)
        if group.add_mode == "admin_add":
            self.require_admin(group, actor)
        codes, added = [], []
        for phone in people:
            if phone is None:
                codes.append(404)
            elif phone.id in group.roles:
                codes.append(409)
            elif len(group.roles) >= MAX_MEMBERS:
                codes.append(419)
            elif not phone.profile.allows("groupadd"):
                codes.append(403)
            else:
                codes.append(200)
                added.append(phone)
                self._let_in(group, phone)
        if added:
            self._entered(group, actor, added)
        return codes

    def remove(self, group: Group, actor: Phone, people: Iterable[Phone | None]) -> list[int]:
        """Remove people; returns 200, 404 (is not in) or 406 (the owner stays) each. Raises GroupRefusal 401 or 403."""
        self.require_admin(group, actor)
        codes, removed = [], []
        for phone in people:
            role = None if phone is None else group.roles.get(phone.id)
            if phone is None or role is None:
                codes.append(404)
            elif role == "superadmin":
                codes.append(406)
            else:
                codes.append(200)
                removed.append(phone)
        if removed:
            self._gone(group, actor, removed)
        return codes

    def set_role(self, group: Group, actor: Phone, people: Iterable[Phone | None], role: Role) -> list[int]:
        """Promote or demote; returns 200, 404 or 406 for each. Raises GroupRefusal 401 or 403."""
        self.require_admin(group, actor)
        codes, changed = [], []
        for phone in people:
            present = None if phone is None else group.roles.get(phone.id)
            if phone is None or present is None:
                codes.append(404)
            elif present == "superadmin":
                codes.append(406)
            else:
                codes.append(200)
                if present != role:
                    changed.append(phone)
                    group.roles[phone.id] = role
        if changed:
            self._save(group)
            action = "promote" if role == "admin" else "demote"
            self._tell(group, actor, self._people_node(group, action, changed))
        return codes

    def leave(self, group: Group, phone: Phone) -> None:
        """Leave; the last owner's role goes to the member who has been there longest."""
        self.require_member(group, phone)
        was_owner = group.roles[phone.id] == "superadmin"
        self._gone(group, phone, [phone])
        if was_owner and group.roles:
            heir = next((one for one, role in group.roles.items() if role == "admin"), next(iter(group.roles)))
            group.roles[heir] = "superadmin"
            self._save(group)
            self._tell(group, None, self._people_node(group, "promote", [self._core.world.by_id[heir]]))

    def join(self, group: Group, phone: Phone) -> bool:
        """Enter by link; False when the admins must approve first."""
        if phone.id in group.roles:
            return True
        if len(group.roles) >= MAX_MEMBERS:
            raise GroupRefusal(419, "resource-limit")
        if group.approval:
            if phone.id not in group.requests:
                group.requests[phone.id] = now()
                self._save(group)
                person = Node("requested_user", self.person(group, phone))
                attrs = {"request_method": "invite_link"}
                self._tell(group, phone, Node("created_membership_requests", attrs, [person]))
            return False
        self._let_in(group, phone)
        self._entered(group, phone, [phone], reason="invite")
        return True

    def invite(self, group: Group, actor: Phone, phone: Phone) -> tuple[str, int]:
        """Return the code of an invitation for somebody whom nobody may add, and until when it counts."""
        self.require_member(group, actor)
        code, until = secrets.token_urlsafe(12), int(now()) + INVITATION_S
        group.invitations = {known: one for known, one in group.invitations.items() if one[1] > now()}
        group.invitations[code] = (phone.id, until)
        self._save(group)
        return code, until

    def accept(self, group: Group, phone: Phone, code: str) -> None:
        """Enter by an invitation. Raises GroupRefusal 410 when it is over or somebody else's, 419 for a full group."""
        invited, until = group.invitations.get(code, (0, 0.0))
        if invited != phone.id or until <= now():
            raise GroupRefusal(410, "gone")
        if phone.id in group.roles:
            return
        if len(group.roles) >= MAX_MEMBERS:
            raise GroupRefusal(419, "resource-limit")
        del group.invitations[code]
        self._let_in(group, phone)
        self._entered(group, phone, [phone], reason="invite")

    def answer_requests(
        self, group: Group, actor: Phone, people: Iterable[Phone | None], *, approve: bool
    ) -> list[int]:
        """Let people in, or not; returns 200 or 404 for each. Raises GroupRefusal 401 or 403."""
        self.require_admin(group, actor)
        codes, entered, turned_away = [], [], []
        for phone in people:
            if phone is None or group.requests.pop(phone.id, None) is None:
                codes.append(404)
                continue
            codes.append(200)
            if approve:
                self._let_in(group, phone)
                entered.append(phone)
            else:
                turned_away.append(phone)
        self._save(group)
        if entered:
            self._entered(group, actor, entered)
        if turned_away:
            persons = [Node("requested_user", self.person(group, phone)) for phone in turned_away]
            self._tell(group, actor, Node("revoked_membership_requests", {}, persons))
        return codes

    def set_subject(self, group: Group, actor: Phone, subject: str) -> None:
        self.require_editor(group, actor)
        if not 0 < len(subject) <= MAX_SUBJECT:
            raise GroupRefusal(406, "not-acceptable")
        group.subject, group.subject_at, group.subject_by = subject, now(), actor.id
        self._save(group)
        attrs = {"subject": subject, "s_t": str(int(group.subject_at)), "s_o": actor.jid(group.server)}
        self._tell(group, actor, Node("subject", attrs))

    def set_description(self, group: Group, actor: Phone, text: str, description_id: str, previous: str) -> None:
        """Raises GroupRefusal 409 when `previous` is not the id of the present description."""
        self.require_editor(group, actor)
        if len(text) > MAX_DESCRIPTION:
            raise GroupRefusal(406, "not-acceptable")
        if previous != group.description_id:
            raise GroupRefusal(409, "conflict")
        group.description, group.description_at = text, now()
        group.description_id = description_id if text else ""
        self._save(group)
        content = Node("body", {}, text.encode()) if text else Node("delete")
        self._tell(group, actor, Node("description", {"id": description_id}, [content]))

    def set_picture(self, group: Group, actor: Phone, picture: Picture | None) -> None:
        self.require_editor(group, actor)
        group.picture = picture
        self._save(group)
        attrs = {"jid": group.jid, "author": actor.jid(group.server)}
        change = Node("delete", attrs) if picture is None else Node("set", {**attrs, "id": picture.id})
        for device in self.devices(group):
            self._core.router.push(device, notification("picture", group.jid, [change]))

    def set_flag(self, group: Group, actor: Phone, flag: Literal["announcement", "locked"], *, value: bool) -> None:
        self.require_admin(group, actor)
        setattr(group, flag, value)
        self._save(group)
        tags = {"announcement": ("announcement", "not_announcement"), "locked": ("locked", "unlocked")}
        attrs = {"v_id": str(group.version)} if flag == "announcement" else {}
        self._tell(group, actor, Node(tags[flag][0 if value else 1], attrs))

    def set_approval(self, group: Group, actor: Phone, *, value: bool) -> None:
        self.require_admin(group, actor)
        group.approval = value
        self._save(group)
        state = Node("group_join", {"state": "on" if value else "off"})
        self._tell(group, actor, Node("membership_approval_mode", {}, [state]))

    def set_add_mode(self, group: Group, actor: Phone, mode: str) -> None:
        self.require_admin(group, actor)
        if mode not in ("admin_add", "all_member_add"):
            raise GroupRefusal(400, "bad-request")
        group.add_mode = mode
        self._save(group)
        self._tell(group, actor, Node("member_add_mode", {}, mode.encode()))

    def set_ephemeral(self, group: Group, actor: Phone, seconds: int) -> None:
        self.require_editor(group, actor)
        group.ephemeral = seconds
        self._save(group)
        node = Node("ephemeral", {"expiration": str(seconds)}) if seconds else Node("not_ephemeral")
        self._tell(group, actor, node)

    def reset_link(self, group: Group, actor: Phone) -> None:
        self.require_admin(group, actor)
        group.code = secrets.token_urlsafe(16)[:22]
        self._save(group)
        self._tell(group, actor, Node("invite", {"code": group.code}))

    # --- rules

    def require_member(self, group: Group, phone: Phone) -> None:
        if phone.id not in group.roles:
            raise GroupRefusal(403, "forbidden")

    def require_admin(self, group: Group, phone: Phone) -> None:
        self.require_member(group, phone)
        if not group.is_admin(phone):
            raise GroupRefusal(401, "not-authorized")

    def require_editor(self, group: Group, phone: Phone) -> None:
        self.require_member(group, phone)
        if group.locked:
            self.require_admin(group, phone)

    def may_write(self, group: Group, phone: Phone) -> bool:
        """Whether a phone and its devices may send messages to the group."""
        return phone.id in group.roles and (not group.announcement or group.is_admin(phone))

    # --- telling

    def person(self, group: Group, phone: Phone) -> dict[str, str]:
        """Return how stanzas name a member: in the group's addressing mode, with the other address beside it."""
        other = "phone_number" if group.addressing == "lid" else "lid"
        return {"jid": phone.jid(group.server), other: phone.jid(group.other_server)}

    def _people_node(self, group: Group, action: str, people: list[Phone], **attrs: str) -> Node:
        persons = []
        for phone in people:
            named = self.person(group, phone)
            if (role := group.roles.get(phone.id, "member")) != "member":
                named["type"] = role
            persons.append(Node("participant", named))
        versions = {"v_id": str(group.version), "prev_v_id": str(group.version - 1)}
        return Node(action, {**versions, **attrs}, persons)

    def _entered(self, group: Group, actor: Phone, people: list[Phone], reason: str = "") -> None:
        self._save(group)
        attrs = {"reason": reason} if reason else {}
        new = {phone.id for phone in people}
        self._tell(group, actor, Node("create", attrs, [group_node(self, group)]), only=people)
        others = [phone for phone in self.members(group) if phone.id not in new]
        self._tell(group, actor, self._people_node(group, "add", people, **attrs), only=others)

    def _let_in(self, group: Group, phone: Phone) -> None:
        group.roles[phone.id] = "member"
        group.requests.pop(phone.id, None)
        self._of_phone.setdefault(phone.id, {})[group.id] = group

    def _gone(self, group: Group, actor: Phone, people: list[Phone]) -> None:
        node = self._people_node(group, "remove", people)
        told = self.members(group)
        for phone in people:
            del group.roles[phone.id]
            self._of_phone.get(phone.id, {}).pop(group.id, None)
        self._save(group)
        # Whoever is gone must not read on: all begin new sender keys.
        self._core.phones.groups.forget_keys(group)
        self._tell(group, actor, node, only=told)

    def _tell(self, group: Group, actor: Phone | None, change: Node, only: Iterable[Phone] | None = None) -> None:
        attrs: dict[str, str] = {"addressing_mode": group.addressing}
        if actor is not None:
            other = "participant_pn" if group.addressing == "lid" else "participant_lid"
            attrs |= {
                "participant": actor.jid(group.server),
                other: actor.jid(group.other_server),
                "notify": actor.name,
            }
        for phone in self.members(group) if only is None else only:
            for device in phone.devices.values():
                self._core.router.push(device, notification("w:gp2", group.jid, [change], **attrs))

    def _add(self, group: Group) -> None:
        self.by_id[group.id] = group
        for phone_id in group.roles:
            self._of_phone.setdefault(phone_id, {})[group.id] = group

    def _save(self, group: Group) -> None:
        group.version += 1
        self._core.store.put("groups", group.id, group)


def group_node(groups: Groups, group: Group, *, with_members: bool = True) -> Node:
    """Return a group as clients are told of it."""
    by_id = groups._core.world.by_id
    attrs: dict[str, str] = {
        "id": group.id,
        "subject": group.subject,
        "s_t": str(int(group.subject_at)),
        "s_o": by_id[group.subject_by].jid(group.server),
        "creation": str(int(group.created)),
        "creator": by_id[group.creator].jid(group.server),
        "size": str(len(group.roles)),
        "addressing_mode": group.addressing,
        "p_v_id": str(group.version),
        "a_v_id": str(group.version),
    }
    if group.addressing == "lid":
        attrs["creator_pn"] = by_id[group.creator].jid(USER_SERVER)
        attrs["s_o_pn"] = by_id[group.subject_by].jid(USER_SERVER)
    children = [Node("member_add_mode", {}, group.add_mode.encode())]
    if group.description:
        described = {
            "id": group.description_id,
            "t": str(int(group.description_at)),
            "participant": by_id[group.subject_by].jid(group.server),
        }
        children.append(Node("description", described, [Node("body", {}, group.description.encode())]))
    if group.announcement:
        children.append(Node("announcement"))
    if group.locked:
        children.append(Node("locked"))
    if group.approval:
        children.append(Node("membership_approval_mode", {}, [Node("group_join", {"state": "on"})]))
    if group.ephemeral:
        children.append(Node("ephemeral", {"expiration": str(group.ephemeral)}))
    if with_members:
        for phone in groups.members(group):
            named = groups.person(group, phone)
            if (role := group.roles[phone.id]) != "member":
                named["type"] = role
            children.append(Node("participant", named))
    return Node("group", attrs, children)


def _load(group_id: str, data: str) -> Group:
    facts = json.loads(data)
    picture = facts.pop("picture")
    group = Group(id=group_id, **facts)
    group.roles = {int(phone_id): role for phone_id, role in facts["roles"].items()}
    group.invitations = {code: (int(one[0]), one[1]) for code, one in facts.get("invitations", {}).items()}
    group.requests = {int(phone_id): at for phone_id, at in facts["requests"].items()}
    group.picture = None if picture is None else Picture(*picture)
    return group
