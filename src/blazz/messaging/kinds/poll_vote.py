"""Votes: what one person picks of a poll. A later vote replaces an earlier one; an empty one takes it back."""

from __future__ import annotations

import uuid
from hashlib import sha256
from typing import Annotated, Any

from google.protobuf.message import DecodeError
from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PollVoteMessage
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import to_unix_ms, utc_now
from blazz.messaging.addresses import LID_SERVER
from blazz.messaging.kinds import keys, message_secret
from blazz.messaging.kinds.base import Decoded, Draft, Effect, Kind, Lookup, Outgoing, Row, moment, refuse
from blazz.messaging.kinds.envelope import secret_bytes
from blazz.messaging.kinds.poll import OPTION_MAX, OPTIONS_MAX, votes_of
from blazz.messaging.kinds.sealed import SEALED, sealed


class PollVoteBody(RequestModel):
    """The names of the options that you pick; none takes your vote back."""

    message_id: uuid.UUID
    options: list[Annotated[str, Field(max_length=OPTION_MAX)]] = Field(max_length=OPTIONS_MAX)


class PollVotePart(Model):
    """What was picked of the poll `message_id`; `options` is null as long as it cannot be read."""

    message_id: uuid.UUID | None
    options: list[str] | None


class PollVote(Kind):
    """`pollUpdateMessage`: the hashes of the options, encrypted with the poll's secret."""

    name = "poll_vote"
    fields = ("pollUpdateMessage",)
    request = PollVoteBody
    view = PollVotePart
    changes = True

    def decode(self, message: Message, field: str) -> Decoded | None:
        part = message.pollUpdateMessage
        target = keys.target_of(part.pollCreationMessageKey)
        if target is None or not part.HasField("vote"):
            return None
        content = sealed(message_secret.POLL_VOTE, part.vote.encPayload, part.vote.encIV)
        if part.senderTimestampMS:
            content["at"] = part.senderTimestampMS
        return Decoded("poll_vote", None, content, target=target)

    def opened(self, plain: bytes, target: Row) -> Decoded | None:
        try:
            picked = set(PollVoteMessage.FromString(plain).selectedOptions)
        except DecodeError:
            return None
        options = [name for name in target["content"].get("options", ()) if sha256(name.encode()).digest() in picked]
        return Decoded("poll_vote", None, {"options": options})

    def draft(self, content: PollVoteBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "poll_vote.message_id")
        if row["kind"] != "poll" or row["deleted_at"] is not None:
            raise refuse("not_a_poll", "There is no poll under this id to vote in.", "poll_vote", "message_id")
        if not row["content"].get("secret"):
            text = "This poll came without the secret that votes are encrypted with."
            raise refuse("poll_not_votable", text, "poll_vote", "message_id")
        options, picked = row["content"]["options"], list(dict.fromkeys(content.options))
        if unknown := [name for name in picked if name not in options]:
            raise refuse("unknown_option", f"The poll has no option {unknown[0]!r}.", "poll_vote", "options")
        allowed = row["content"].get("selectable") or len(options)
        if len(picked) > allowed:
            text = "This poll takes one option." if allowed == 1 else f"This poll takes at most {allowed} options."
            raise refuse("too_many_options", text, "poll_vote", "options")
        return Draft(None, {"options": picked, "at": to_unix_ms(utc_now())}, target_id=content.message_id)

    def encode(self, outgoing: Outgoing) -> Message:
        target = outgoing.target
        secret = secret_bytes(outgoing.target_content)
        if target is None or secret is None or not outgoing.own:
            raise ValueError("a vote needs its poll with the secret, and our own address")
        peer = target.author or target.chat
        # each side under the kind of address that the poll's author is known by
        own = outgoing.own[0] if target.from_me or peer.endswith(LID_SERVER) else outgoing.own[-1]
        use = message_secret.Use(message_secret.POLL_VOTE, target.wa_message_id, own if target.from_me else peer, own)
        hashes = [sha256(name.encode()).digest() for name in outgoing.content["options"]]
        vote = PollVoteMessage(selectedOptions=hashes)
        payload, iv = message_secret.encrypt(secret, use, vote.SerializeToString())
        message = Message()
        part = message.pollUpdateMessage
        part.pollCreationMessageKey.CopyFrom(keys.key_of(target))
        part.vote.encPayload, part.vote.encIV = payload, iv
        part.senderTimestampMS = outgoing.content["at"]
        return message

    def show(self, row: Row, file: Any) -> PollVotePart:
        return PollVotePart.model_construct(message_id=row["target_id"], options=row["content"].get("options"))

    def effect(self, change: Row, target: Row) -> Effect | None:
        if target["kind"] != "poll" or target["deleted_at"] is not None or SEALED in change["content"]:
            return None
        votes, author, at = votes_of(target["extras"]), change["author"], moment(change)
        if author in votes and votes[author]["at"] > at:
            return None
        names = change["content"].get("options", ())
        picked = [index for index, name in enumerate(target["content"].get("options", ())) if name in names]
        if author in votes and votes[author]["options"] == picked and change["from_me"]:
            return None
        votes[author] = {"options": picked, "at": at}
        extras = {**(target["extras"] or {}), "votes": votes}
        return Effect("message.updated", {"extras": extras}, {"poll_vote": {"from_me": change["from_me"]}})
