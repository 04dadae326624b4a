"""People: addresses, passwords, creating and finding them."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass

from sqlalchemy import RowMapping

from blazz.identity import repository
from blazz.kit.crypto import hash_password, verify_password
from blazz.kit.db import Tx
from blazz.kit.errors import FieldError, conflict, invalid
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_BYTES = 1024  # bounds the work of one hash
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
_hashing = asyncio.Semaphore(2)  # each hash holds 64 MiB


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in."""

    id: uuid.UUID
    email: str
    name: str
    platform_admin: bool = False


def normal_email(text: str) -> str:
    """Return the address in lower case. Raises BlazzError `invalid_request` when it is none."""
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        raise invalid(
            "This is not an e-mail address.", errors=[FieldError("email", "Not an e-mail address.", "invalid_email")]
        )
    return email


def check_password_rules(password: str, field: str = "password") -> None:
    """Raise BlazzError `password_too_weak` unless it has 10 characters or more and 1024 bytes or less."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        text = f"A password needs at least {MIN_PASSWORD_CHARACTERS} characters."
    elif len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
        text = f"A password has at most {MAX_PASSWORD_BYTES} bytes."
    else:
        return
    raise invalid(text, code="password_too_weak", errors=[FieldError(field, text, "password_too_weak")])


async def hashed(password: str) -> str:
    """Return the Argon2id hash, computed on a thread."""
    async with _hashing:
        return await asyncio.to_thread(hash_password, password)


async def matches(stored: str | None, password: str) -> bool:
    """Tell whether the password is right, in the same time whether or not there is one to compare with."""
    if len(password) > MAX_PASSWORD_BYTES:
        return False
    async with _hashing:
        return await asyncio.to_thread(verify_password, stored, password)


def create_user(tx: Tx, *, email: str, name: str, password_hash: str | None, platform_admin: bool = False) -> User:
    """Store a new person. Raises BlazzError `email_taken` (409)."""
    email = normal_email(email)
    if repository.user_by_email(tx, email) is not None:
        raise conflict("email_taken", "Somebody with this e-mail address has an account already.")
    user = User(uuid7(), email, name, platform_admin)
    repository.insert_user(
        tx,
        {
            "id": user.id,
            "email": email,
            "name": name,
            "password_hash": password_hash,
            "platform_admin": platform_admin,
            "state": "active",
            "created_at": utc_now(),
        },
    )
    return user


def user_of(row: RowMapping) -> User:
    """Return a row as a person."""
    return User(row["id"], row["email"], row["name"], row["platform_admin"])


def get_user(tx: Tx, user_id: uuid.UUID) -> User | None:
    """Return the person, or None."""
    row = repository.user_by_id(tx, user_id)
    return user_of(row) if row is not None else None


def get_users(tx: Tx, ids: list[uuid.UUID]) -> dict[uuid.UUID, User]:
    """Return several people by id."""
    return {key: user_of(row) for key, row in repository.users_by_id(tx, ids).items()}


def find_by_email(tx: Tx, email: str) -> User | None:
    """Return the person with this address, or None."""
    row = repository.user_by_email(tx, email.strip().lower())
    return user_of(row) if row is not None else None


def password_hash_of(tx: Tx, user_id: uuid.UUID) -> str | None:
    """Return the stored hash, or None when the person has set no password."""
    row = repository.user_by_id(tx, user_id)
    return row["password_hash"] if row is not None else None
