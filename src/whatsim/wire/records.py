"""Protobuf messages of login, linking and app state, with only the fields that the network reads or writes."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass

from whatsim.wire.protobuf import Record, blob, flag, message, messages, packed_uints, text, uint


@dataclass(slots=True)
class ClientHello(Record):
    """First message of the handshake."""

    ephemeral: bytes | None = blob(1)


@dataclass(slots=True)
class ServerHello(Record):
    """The server's answer; `payload` is the encrypted certificate chain."""

    ephemeral: bytes | None = blob(1)
    static: bytes | None = blob(2)
    payload: bytes | None = blob(3)


@dataclass(slots=True)
class ClientFinish(Record):
    """Last message of the handshake; `payload` is the encrypted ClientPayload."""

    static: bytes | None = blob(1)
    payload: bytes | None = blob(2)


@dataclass(slots=True)
class HandshakeMessage(Record):
    """Envelope of the three."""

    client_hello: ClientHello | None = message(2, ClientHello)
    server_hello: ServerHello | None = message(3, ServerHello)
    client_finish: ClientFinish | None = message(4, ClientFinish)


@dataclass(slots=True)
class CertificateDetails(Record):
    """What a certificate of the server's static key says; times are seconds since 1970."""

    serial: int | None = uint(1)
    issuer_serial: int | None = uint(2)
    key: bytes | None = blob(3)
    not_before: int | None = uint(4)
    not_after: int | None = uint(5)


@dataclass(slots=True)
class Certificate(Record):
    """Serialised details with the issuer's signature."""

    details: bytes | None = blob(1)
    signature: bytes | None = blob(2)


@dataclass(slots=True)
class CertificateChain(Record):
    """Leaf (signed by the intermediate) and intermediate (signed by the root)."""

    leaf: Certificate | None = message(1, Certificate)
    intermediate: Certificate | None = message(2, Certificate)


@dataclass(slots=True)
class HistoryConfig(Record):
    """What a companion can do with history. `inline`: it reads a first part inside of a message."""

    inline: bool | None = flag(4)


@dataclass(slots=True)
class DeviceProps(Record):
    """How a companion device describes itself."""

    os: str | None = text(1)
    platform_type: int | None = uint(3)
    history: HistoryConfig | None = message(5, HistoryConfig)


@dataclass(slots=True)
class PairingData(Record):
    """A new companion's keys; numbers are big-endian bytes."""

    registration_id: bytes | None = blob(1)
    key_type: bytes | None = blob(2)
    identity: bytes | None = blob(3)
    signed_key_id: bytes | None = blob(4)
    signed_key: bytes | None = blob(5)
    signed_key_signature: bytes | None = blob(6)
    device_props: bytes | None = blob(8)


@dataclass(slots=True)
class AppVersion(Record):
    """The version of a client; `tertiary` is the revision."""

    primary: int | None = uint(1)
    secondary: int | None = uint(2)
    tertiary: int | None = uint(3)


@dataclass(slots=True)
class UserAgent(Record):
    """What a client says of itself."""

    version: AppVersion | None = message(2, AppVersion)


@dataclass(slots=True)
class ClientPayload(Record):
    """Who logs in: a known device (`username`, `device`) or a new one (`pairing`)."""

    username: int | None = uint(1)
    passive: bool | None = flag(3)
    user_agent: UserAgent | None = message(5, UserAgent)
    device: int | None = uint(18)
    pairing: PairingData | None = message(19, PairingData)


@dataclass(slots=True)
class DeviceIdentity(Record):
    """What a phone vouches for when it links a companion; `raw_id` is the phone's number for this set of devices."""

    raw_id: int | None = uint(1)
    timestamp: int | None = uint(2)
    key_index: int | None = uint(3)
    account_type: int | None = uint(4)
    device_type: int | None = uint(5)


@dataclass(slots=True)
class SignedDeviceIdentity(Record):
    """DeviceIdentity signed by the phone's account key and then by the companion."""

    details: bytes | None = blob(1)
    account_signature_key: bytes | None = blob(2)
    account_signature: bytes | None = blob(3)
    device_signature: bytes | None = blob(4)


@dataclass(slots=True)
class SignedDeviceIdentityHmac(Record):
    """SignedDeviceIdentity authenticated with the secret that only phone and companion know."""

    details: bytes | None = blob(1)
    hmac: bytes | None = blob(2)


@dataclass(slots=True)
class EphemeralIdentity(Record):
    """The client's half of a linking with a passkey."""

    public: bytes | None = blob(1)
    device_type: int | None = uint(2)
    ref: str | None = text(3)


@dataclass(slots=True)
class Commitment(Record):
    """A hash over the client's half and a nonce that it tells later."""

    hash: bytes | None = blob(1)


@dataclass(slots=True)
class Prologue(Record):
    """What the client sends with a passkey's signature; `identity` is a serialised EphemeralIdentity."""

    identity: bytes | None = blob(1)
    commitment: Commitment | None = message(2, Commitment)


@dataclass(slots=True)
class PrimaryIdentity(Record):
    """The phone's half."""

    public: bytes | None = blob(1)
    nonce: bytes | None = blob(2)


@dataclass(slots=True)
class EncryptedPairing(Record):
    """PairingSecrets, encrypted (AES-GCM) with the key that both halves give."""

    payload: bytes | None = blob(1)
    iv: bytes | None = blob(2)


@dataclass(slots=True)
class PairingSecrets(Record):
    """The keys of the client, and the secret with which the phone answers."""

    noise: bytes | None = blob(1)
    identity: bytes | None = blob(2)
    adv: bytes | None = blob(3)


@dataclass(slots=True)
class KeyIndexList(Record):
    """Which companions of a phone are valid."""

    raw_id: int | None = uint(1)
    timestamp: int | None = uint(2)
    current_index: int | None = uint(3)
    valid_indexes: list[int] = packed_uints(4)


@dataclass(slots=True)
class SignedKeyIndexList(Record):
    """KeyIndexList signed by the phone's account key."""

    details: bytes | None = blob(1)
    account_signature: bytes | None = blob(2)


@dataclass(slots=True)
class Blob(Record):
    """A message with bytes in field 1: syncd index, value, key id and the id of an app-state key."""

    blob: bytes | None = blob(1)


@dataclass(slots=True)
class SyncRecord(Record):
    """One encrypted setting."""

    index: Blob | None = message(1, Blob)
    value: Blob | None = message(2, Blob)
    key_id: Blob | None = message(3, Blob)


@dataclass(slots=True)
class SyncMutation(Record):
    """Operation 0 sets, 1 removes."""

    operation: int | None = uint(1)
    record: SyncRecord | None = message(2, SyncRecord)


@dataclass(slots=True)
class SyncVersion(Record):
    """The version that a patch leads to."""

    version: int | None = uint(1)


@dataclass(slots=True)
class SyncPatch(Record):
    """A change of one collection of settings."""

    version: SyncVersion | None = message(1, SyncVersion)
    mutations: list[SyncMutation] = messages(2, SyncMutation)
    snapshot_mac: bytes | None = blob(4)
    patch_mac: bytes | None = blob(5)
    key_id: Blob | None = message(6, Blob)
    device_index: int | None = uint(8)


@dataclass(slots=True)
class SyncSnapshot(Record):
    """All records of a collection at one version."""

    version: SyncVersion | None = message(1, SyncVersion)
    records: list[SyncRecord] = messages(2, SyncRecord)
    mac: bytes | None = blob(3)
    key_id: Blob | None = message(4, Blob)


@dataclass(slots=True)
class ExternalBlob(Record):
    """Where a snapshot lies on the media host."""

    media_key: bytes | None = blob(1)
    direct_path: str | None = text(2)
    size: int | None = uint(4)
    file_sha256: bytes | None = blob(5)
    file_enc_sha256: bytes | None = blob(6)


@dataclass(slots=True)
class SyncActionData(Record):
    """What a syncd value holds when decrypted; `index` is a JSON list, `value` a serialised action."""

    index: bytes | None = blob(1)
    value: bytes | None = blob(2)
    padding: bytes | None = blob(3)
    version: int | None = uint(4)
