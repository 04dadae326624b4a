"""The software authenticator, and what the network accepts of it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from whatsim.server.authenticator import Authenticator, b64, check_assertion, unb64
from whatsim.server.passkeys import code_of
from whatsim.wire.errors import WireError

SEED, CHALLENGE = bytes(32), b"sign this please"


def checked(assertion: dict[str, Any], authenticator: Authenticator | None = None) -> None:
    holder = authenticator or Authenticator(SEED)
    check_assertion(holder, holder.credential_id, json.dumps(assertion).encode(), CHALLENGE)


def test_the_same_phone_has_the_same_passkey() -> None:
    first, second = Authenticator(SEED), Authenticator(SEED)
    assert first.credential_id == second.credential_id
    assert first.public_key.public_numbers() == second.public_key.public_numbers()
    assert Authenticator(os.urandom(32)).credential_id != first.credential_id


def test_a_right_signature_is_accepted() -> None:
    checked(Authenticator(SEED).assertion(CHALLENGE))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda a: a.assertion(b"something else"), "another challenge"),
        (lambda a: a.assertion(CHALLENGE, rp_id="example.org"), "another relying party"),
        (lambda a: a.assertion(CHALLENGE, origin="https://example.org"), "not asked for"),
        (lambda _: Authenticator(os.urandom(32)).assertion(CHALLENGE), "another passkey"),
    ],
)
def test_what_is_not_right_is_refused(made: Any, said: str) -> None:
    with pytest.raises(WireError, match=said):
        checked(made(Authenticator(SEED)))


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
def test_a_changed_byte_is_noticed(part: str) -> None:
    assertion = Authenticator(SEED).assertion(CHALLENGE)
    changed = bytearray(unb64(assertion["response"][part]))
    changed[-1] ^= 1
    assertion["response"][part] = b64(bytes(changed))
    with pytest.raises(WireError):
        checked(assertion)


@pytest.mark.parametrize("garbage", [b"", b"[]", b"{}", b'{"response": 1}', b"\xff", b'{"response": {}, "rawId": ""}'])
def test_garbage_is_refused(garbage: bytes) -> None:
    holder = Authenticator(SEED)
    with pytest.raises(WireError):
        check_assertion(holder, holder.credential_id, garbage, CHALLENGE)


def test_codes_have_no_letters_that_look_alike() -> None:
    assert code_of(bytes(5)) == "1111-1111"
    assert code_of(b"\xff" * 5) == "ZZZZ-ZZZZ"
