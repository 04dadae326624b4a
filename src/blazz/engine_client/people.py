"""Typed calls about people: what WhatsApp tells of them, and what a session tells of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blazz._generated.engine import people_pb2 as pb
from blazz._generated.engine import people_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef

_PICTURE_S = 60.0
PER_LOOKUP = 50


class PeopleClient:
    """The service `People` over an engine client's connection. Every call raises EngineError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.PeopleStub(client.channel)

    async def user_info(self, ref: SessionRef, addresses: Sequence[str]) -> list[pb.PersonInfo]:
        """Look up at most 50 people; those whom WhatsApp does not know are left out."""
        request = pb.UserInfoRequest(session_id=ref.session_id, epoch=ref.epoch, jids=addresses)
        return list((await self._client.call(self._stub.UserInfo, request)).people)

    async def profile_picture(
        self, ref: SessionRef, address: str, known_id: str | None, path: str
    ) -> pb.ProfilePictureReply:
        """Fetch a picture into a file given relative to the host's media directory, unless it is the known one."""
        request = pb.ProfilePictureRequest(
            session_id=ref.session_id, epoch=ref.epoch, jid=address, known_id=known_id or "", path=path
        )
        reply: pb.ProfilePictureReply = await self._client.call(self._stub.ProfilePicture, request, _PICTURE_S)
        return reply

    async def business_profile(self, ref: SessionRef, address: str) -> pb.BusinessProfileReply:
        """Return what a business tells of itself; `found` is false for people."""
        request = pb.BusinessProfileRequest(session_id=ref.session_id, epoch=ref.epoch, jid=address)
        reply: pb.BusinessProfileReply = await self._client.call(self._stub.BusinessProfile, request)
        return reply

    async def set_own_profile(
        self, ref: SessionRef, *, name: str | None = None, about: str | None = None, picture_path: str | None = None
    ) -> str:
        """Change what customers see; an empty `picture_path` removes the picture. Returns the new picture's id."""
        request = pb.SetOwnProfileRequest(
            session_id=ref.session_id, epoch=ref.epoch, name=name, about=about, picture_path=picture_path
        )
        return str((await self._client.call(self._stub.SetOwnProfile, request, _PICTURE_S)).picture_id)

    async def block_list(self, ref: SessionRef) -> list[str]:
        """Return whom this number has blocked."""
        request = pb.GetBlockListRequest(session_id=ref.session_id, epoch=ref.epoch)
        return list((await self._client.call(self._stub.GetBlockList, request)).jids)

    async def set_blocked(self, ref: SessionRef, address: str, *, blocked: bool) -> list[str]:
        """Block or unblock one person; returns the list as it is then."""
        request = pb.SetBlockedRequest(session_id=ref.session_id, epoch=ref.epoch, jid=address, blocked=blocked)
        return list((await self._client.call(self._stub.SetBlocked, request)).jids)

    async def privacy(self, ref: SessionRef) -> dict[str, str]:
        """Return the privacy settings by WhatsApp's names."""
        request = pb.GetPrivacyRequest(session_id=ref.session_id, epoch=ref.epoch)
        return dict((await self._client.call(self._stub.GetPrivacy, request)).settings)

    async def set_privacy(self, ref: SessionRef, name: str, value: str) -> dict[str, str]:
        """Change one privacy setting; returns all."""
        request = pb.SetPrivacyRequest(session_id=ref.session_id, epoch=ref.epoch, name=name, value=value)
        return dict((await self._client.call(self._stub.SetPrivacy, request)).settings)
