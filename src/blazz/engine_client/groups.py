"""Calls of the engine contract's service about groups, every one with a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass

from blazz._generated.engine import groups_pb2 as pb
from blazz._generated.engine import groups_pb2_grpc as rpc
from blazz.engine_client.client import EngineClient, SessionRef
from blazz.engine_client.errors import EngineError

_CALL_S = 20.0  # WhatsApp takes a while over groups of a thousand
_REQUESTS = {
    method.name: GetMessageClass(method.input_type) for method in pb.DESCRIPTOR.services_by_name["Groups"].methods
}


class GroupsClient:
    """The service `Groups` on an engine client's channel. Every call raises EngineError; none is repeated here."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._stub: Any = rpc.GroupsStub(client.channel)

    async def list(self, ref: SessionRef) -> list[pb.Group]:
        """Return all groups that the account is in, with their members."""
        request = pb.ListGroupsRequest(session_id=ref.session_id, epoch=ref.epoch)
        reply = await self._client.call(self._stub.List, request, _CALL_S)
        return list(reply.groups)

    async def info(self, ref: SessionRef, address: str) -> pb.Group:
        """Return one group."""
        request = pb.GroupRequest(session_id=ref.session_id, epoch=ref.epoch, jid=address)
        group: pb.Group = await self._client.call(self._stub.Info, request, _CALL_S)
        return group

    async def channel_name(self, ref: SessionRef, address: str) -> str:
        """Return what a channel is called that the account follows."""
        request = pb.ChannelRequest(session_id=ref.session_id, epoch=ref.epoch, jid=address)
        return str((await self._client.call(self._stub.ChannelInfo, request, _CALL_S)).name)

    async def ask(self, ref: SessionRef, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method by name with a request in protobuf's JSON form; session and epoch are filled in here.

        Raises EngineError `invalid` for an unknown method or a request that does not fit it.
        """
        request_class = _REQUESTS.get(method)
        if request_class is None:
            raise EngineError("invalid", f"there is no call {method[:40]}")
        try:
            request: Any = ParseDict(dict(body), request_class())
        except ParseError as error:
            raise EngineError("invalid", str(error)[:200]) from None
        request.session_id, request.epoch = ref.session_id, ref.epoch
        reply = await self._client.call(getattr(self._stub, method), request, _CALL_S)
        answer: dict[str, Any] = MessageToDict(reply, preserving_proto_field_name=True)
        return answer
