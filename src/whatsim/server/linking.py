"""Linking a new companion to a phone, by QR code or by 8-character code.

Both ways end alike: phone and client share a secret (`adv`), the phone signs the client's identity key, the client
checks that with the secret, signs in turn, and reconnects as a known device.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from whatsim.model import LinkRefused
from whatsim.server.entities import MAX_COMPANIONS, Device, Phone, now
from whatsim.server.link_code import CodeExchange
from whatsim.server.session import stream_error
from whatsim.server.stanzas import device_hash, new_id, notification, timestamp
from whatsim.wire.binary import Node
from whatsim.wire.curve import KEY_SIZE, KEY_TYPE, sign, verify
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, SERVER_JID, USER_SERVER
from whatsim.wire.records import (
    DeviceIdentity,
    DeviceProps,
    KeyIndexList,
    PairingData,
    SignedDeviceIdentity,
    SignedDeviceIdentityHmac,
    SignedKeyIndexList,
)
from whatsim.wire.signal import SignedKey

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

log = logging.getLogger(__name__)

REFS = 6
# The client shows the first code for 60 s and five more for 20 s each; a little grace for the last one.
REGISTRATION_S = 165.0
CONFIRMATION_S = 20.0
# A client that is cut off after it has stored its identity logs in with it within seconds.
RETURN_S = 10.0
# What signatures are made over begins with these bytes, so that none can stand in for another.
ACCOUNT_PREFIX, DEVICE_PREFIX, KEY_INDEX_PREFIX = b"\x06\x00", b"\x06\x01", b"\x06\x02"
_PLATFORMS = {1: "Chrome", 2: "Firefox", 3: "Internet Explorer", 4: "Opera", 5: "Safari", 6: "Edge", 7: "Desktop"}


class _Attempt(NamedTuple):
    device: Device
    done: asyncio.Future[Device]


class Linking:
    """Registrations that wait for a phone, and attempts under way."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._refs: dict[str, Connection] = {}
        self._attempts: dict[Connection, _Attempt] = {}
        self._exchanges: dict[str, CodeExchange] = {}

    # --- a new client connects

    def register(self, connection: Connection, pairing: PairingData) -> None:
        """Offer codes to a client without identity."""
        keys = (pairing.identity, pairing.signed_key, connection.static)
        if any(key is None or len(key) != KEY_SIZE for key in keys):
            raise WireError("registration with unusable keys")
        self._core.counters.registrations += 1
        connection.registration = pairing
        connection.set_deadline(REGISTRATION_S)
        for _ in range(REFS):
            ref = f"2@{base64.urlsafe_b64encode(os.urandom(30)).decode()}"
            self._refs[ref] = connection
            connection.refs.append(ref)
        refs = [Node("ref", {}, ref.encode()) for ref in connection.refs]
        connection.send(_iq([Node("pair-device", {}, refs)]))

    def forget(self, connection: Connection) -> None:
        """A connection has ended: its codes are void."""
        self._core.passkeys.forget(connection)
        for ref in connection.refs:
            self._refs.pop(ref, None)
        connection.refs.clear()
        for number, exchange in list(self._exchanges.items()):
            if exchange.connection is connection:
                del self._exchanges[number]
                exchange.fail(LinkRefused("not_finished", "The client went away before it was linked."))
        attempt = self._attempts.get(connection)
        if attempt is not None:
            asyncio.get_running_loop().call_later(RETURN_S, self._gone, attempt)

    # --- by QR code

    async def link_qr(self, phone: Phone, text: str) -> Device:
        """Scan a code; returns the linked device once the client has confirmed. Raises LinkRefused."""
        parts = text.strip().rpartition("#")[2].split(",")
        if len(parts) < 4:
            raise LinkRefused("unknown_code", "This is not a code for linking a device.")
        connection = self._refs.get(parts[0])
        if connection is None or connection.registration is None:
            raise LinkRefused("expired", "The code has expired or was used. Scan the one shown now.")
        try:
            noise, identity, adv = (base64.b64decode(part, validate=True) for part in parts[1:4])
        except (binascii.Error, ValueError):
            raise LinkRefused("unknown_code", "This is not a code for linking a device.") from None
        if noise != connection.static or identity != connection.registration.identity:
            raise LinkRefused("key_mismatch", "The code does not fit the client that shows it.")
        return await self._proven(connection, phone, adv)

    # --- by 8-character code

    def companion_hello(self, connection: Connection, number: str, wrapped_key: bytes) -> bytes | None:
        """A client asks for a code for this number; returns the reference, or None for an unknown number."""
        if connection.registration is None or number not in self._core.world.by_number:
            return None
        exchange = CodeExchange(connection, wrapped_key)
        previous = self._exchanges.get(number)
        if previous is not None:
            previous.fail(LinkRefused("expired", "The client has asked for another code."))
        self._exchanges[number] = exchange
        return exchange.ref

    def companion_finish(self, connection: Connection, number: str, bundle: bytes, identity: bytes) -> bool:
        """The client's last part of a code exchange."""
        exchange = self._exchanges.get(number)
        if exchange is None or exchange.connection is not connection:
            return False
        exchange.finish(bundle, identity)
        return True

    async def link_code(self, phone: Phone, text: str) -> Device:
        """Type a code; returns the linked device once the client has confirmed. Raises LinkRefused."""
        code = text.replace("-", "").replace(" ", "").upper()
        exchange = self._exchanges.get(phone.number)
        if exchange is None:
            raise LinkRefused("unknown_code", "No client has asked for a code for this number.")
        self._check_room(phone)
        hello = await exchange.begin(code, phone.identity.keys)
        sender = f"{phone.number}@{USER_SERVER}"
        exchange.connection.send(notification("link_code_companion_reg", sender, [hello]))
        try:
            async with asyncio.timeout(CONFIRMATION_S):
                adv = await exchange.secret()
        except TimeoutError:
            raise LinkRefused("not_finished", "The client did not answer.") from None
        finally:
            if self._exchanges.get(phone.number) is exchange:
                del self._exchanges[phone.number]
        return await self._proven(exchange.connection, phone, adv)

    # --- the common end

    def _check_room(self, phone: Phone) -> None:
        if len(phone.devices) >= MAX_COMPANIONS:
            raise LinkRefused("too_many_devices", f"A phone takes up to {MAX_COMPANIONS} linked devices.")

    async def _proven(self, connection: Connection, phone: Phone, adv: bytes) -> Device:
        """Link the client, or have it prove first who owns the number."""
        self._check_room(phone)
        if phone.number in self._core.passkeys.required:
            for ref in connection.refs:
                self._refs.pop(ref, None)
            self._core.passkeys.demand(connection, phone, adv)
            text = "The linking goes on with this number's passkey: sign with it, and give the answer to the device."
            raise LinkRefused("passkey_needed", text)
        return await self.pair(connection, phone, adv)

    async def pair(self, connection: Connection, phone: Phone, adv: bytes) -> Device:
        """Make the client a device of the phone; returns it once the client has confirmed. Raises LinkRefused."""
        self._check_room(phone)
        if connection in self._attempts or not connection.is_open:
            raise LinkRefused("expired", "The code was used already.")
        for ref in connection.refs:
            self._refs.pop(ref, None)
        device = self._new_device(connection, phone)
        attempt = _Attempt(device, asyncio.get_running_loop().create_future())
        self._attempts[connection] = attempt
        # Stored before the client hears of it: it may be cut off after it has stored its own side.
        if self._core.faults.hit("lose_pair_success", device) is not None:
            self._core.store.on_commit(connection.abort)
        else:
            self._core.store.on_commit(partial(connection.send, _iq([self._pair_success(device, adv)])))
        try:
            async with asyncio.timeout(CONFIRMATION_S):
                return await attempt.done
        except TimeoutError:
            raise LinkRefused("not_finished", "The client did not confirm.") from None
        finally:
            self._attempts.pop(connection, None)

    def _new_device(self, connection: Connection, phone: Phone) -> Device:
        pairing = connection.registration
        assert pairing is not None and pairing.identity is not None and pairing.signed_key is not None
        signed_key = SignedKey(
            int.from_bytes(pairing.signed_key_id or b"", "big"), pairing.signed_key, pairing.signed_key_signature or b""
        )
        if not verify(pairing.identity, KEY_TYPE + signed_key.public, signed_key.signature):
            raise LinkRefused("key_mismatch", "The client's signed prekey is not valid.")
        # Earlier attempts that were never finished make room.
        under_way = {attempt.device.id for attempt in self._attempts.values()}
        for stale in list(phone.pending.values()):
            if stale.id not in under_way:
                self._core.world.drop_device(stale)
        props = _props(pairing.device_props)
        details = DeviceIdentity(phone.raw_id, int(now()), phone.next_key_index, 0, 0).encode()
        device = Device(
            id=self._core.world.new_device_row(),
            phone=phone,
            device=phone.next_device,
            noise=connection.static,
            identity=pairing.identity,
            registration_id=int.from_bytes(pairing.registration_id or b"", "big"),
            signed_key=signed_key,
            key_index=phone.next_key_index,
            platform=_platform(props),
            linked_at=now(),
            confirmed=False,
            greeted=False,
            details=details,
            inline_history=props.history is not None and bool(props.history.inline),
        )
        phone.next_device += 1
        phone.next_key_index += 1
        phone.pending[device.device] = device
        self._core.world.devices[device.id] = device
        self._core.world.save(phone)
        self._core.world.save(device)
        return device

    def _pair_success(self, device: Device, adv: bytes) -> Node:
        keys = device.phone.identity.keys
        signature = sign(keys.private, ACCOUNT_PREFIX + device.details + device.identity)
        signed = SignedDeviceIdentity(device.details, keys.public, signature).encode()
        envelope = SignedDeviceIdentityHmac(signed, hmac.digest(adv, signed, "sha256")).encode()
        return Node(
            "pair-success",
            {},
            [
                Node("device-identity", {}, envelope),
                Node("biz", {"name": device.phone.name}),
                Node("device", {"jid": device.jid(USER_SERVER), "lid": device.jid(LID_SERVER)}),
                Node("platform", {"name": "android"}),
            ],
        )

    def handle_result(self, connection: Connection, node: Node) -> None:
        """Take the client's answer to a pairing stanza: its signature, or a refusal."""
        attempt = self._attempts.get(connection)
        if attempt is None or attempt.done.done():
            return
        if node.attrs.get("type") == "error":
            attempt.done.set_exception(LinkRefused("not_finished", "The client refused to be linked."))
            return
        answer = node.child("pair-device-sign")
        if answer is None:
            return
        device = attempt.device
        if self._core.faults.hit("lose_pair_confirmation", device) is not None:
            connection.abort()
            return
        signed = SignedDeviceIdentity.decode(answer.data("device-identity"))
        message = DEVICE_PREFIX + device.details + device.identity + device.phone.identity.keys.public
        if not verify(device.identity, message, signed.device_signature or b""):
            attempt.done.set_exception(LinkRefused("key_mismatch", "The client's signature is not valid."))
            connection.close()
            return
        self._confirm(device)
        # 515: reconnect, now as a known device.
        self._core.store.on_commit(partial(connection.close_soon, stream_error("515")))

    def logged_in(self, device: Device) -> None:
        """A device that has not confirmed its linking logs in: it has stored its identity, which proves as much."""
        self._confirm(device)

    @staticmethod
    def _gone(attempt: _Attempt) -> None:
        if not attempt.done.done():
            attempt.done.set_exception(LinkRefused("not_finished", "The client went away before it was linked."))

    def _linked(self, device: Device) -> None:
        for attempt in self._attempts.values():
            if attempt.device is device and not attempt.done.done():
                attempt.done.set_result(device)

    def _confirm(self, device: Device) -> None:
        """Make a device a full member of its phone's devices."""
        phone = device.phone
        device.confirmed = True
        phone.pending.pop(device.device, None)
        phone.devices[device.device] = device
        phone.key_index_list = None
        self._core.world.save(device)
        self._core.store.on_commit(partial(self._linked, device))
        self.devices_changed(phone, except_for=device)

    def unlink(self, device: Device) -> None:
        """Remove a companion; its connection ends, later logins are refused."""
        phone = device.phone
        connection = device.connection
        self._core.world.drop_device(device)
        if connection is not None:
            # Only once it is durable, else a restart would bring the device back.
            connection.active = False
            self._core.store.on_commit(partial(connection.close, stream_error("device_removed")))
        self.devices_changed(phone)

    def devices_changed(self, phone: Phone, except_for: Device | None = None) -> None:
        """Tell own companions, and those of people in touch, that the device list is another one."""
        core = self._core
        jids = phone.all_jids(USER_SERVER)
        devices = Node("devices", {"dhash": device_hash(jids)}, [Node("device", {"jid": jid}) for jid in jids])
        for device in phone.devices.values():
            if device is not except_for:
                core.router.push(device, notification("account_sync", phone.jid(USER_SERVER), [devices]))
        lid = phone.jid(LID_SERVER)
        update = Node("update", {"device_hash": device_hash(phone.all_jids(LID_SERVER))})
        for number in phone.chats:
            peer = core.world.by_number.get(number)
            if peer is not None and peer is not phone:
                for device in peer.devices.values():
                    core.router.push(device, notification("devices", lid, [update]))
        core.phones.link_changed(phone)


def key_index_list(phone: Phone) -> bytes:
    """Return the signed list of a phone's valid companions; made anew when they change."""
    if phone.key_index_list is None:
        valid = sorted(device.key_index for device in phone.devices.values())
        details = KeyIndexList(phone.raw_id, int(now()), phone.next_key_index - 1, [0, *valid]).encode()
        signature = sign(phone.identity.keys.private, KEY_INDEX_PREFIX + details)
        phone.key_index_list = SignedKeyIndexList(details, signature).encode()
    return phone.key_index_list


def _iq(children: list[Node]) -> Node:
    return Node("iq", {"from": SERVER_JID, "type": "set", "id": new_id(), "xmlns": "md", "t": timestamp()}, children)


def _props(raw: bytes | None) -> DeviceProps:
    try:
        return DeviceProps.decode(raw or b"")
    except WireError:
        return DeviceProps()


def _platform(props: DeviceProps) -> str:
    system = (props.os or "").strip()[:60]
    browser = _PLATFORMS.get(props.platform_type or 0, "")
    return f"{browser} ({system})" if browser and system else browser or system or "Unknown"
