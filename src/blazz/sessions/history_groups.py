"""From the engine host's pieces of history to the groups that a phone remembers."""

from __future__ import annotations

from blazz._generated.engine import groups_pb2
from blazz._generated.engine import history_pb2 as pb
from blazz.groups.facts import GroupFacts
from blazz.groups.imported import Remembered


def groups_of(piece: pb.HistoryPiece) -> list[Remembered]:
    """Return the groups whose conversations begin in a piece and have a name."""
    return [_group(one) for one in piece.conversations if one.HasField("group") and one.name and one.jid]


def _group(one: pb.HistoryConversation) -> Remembered:
    told = one.group
    facts = groups_pb2.Group(
        jid=one.jid,
        subject=one.name,
        description=told.description,
        created_at_ms=told.created_at_ms,
        owner=told.owner,
        owner_alt=told.owner_alt,
        locked=told.locked,
        ephemeral_s=told.ephemeral_s,
        is_community=told.is_community,
        community=told.community,
        suspended=told.suspended,
    )
    for member in told.members:
        facts.members.add(jid=member.jid, lid=member.jid_alt, role=member.role)
    return Remembered(GroupFacts.of(facts), ended=told.ended)
