"""What the rest of Blazz may ask of identity: first set-up, signing in, one-time links, housekeeping."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path

from blazz.identity import codes, repository, sessions, users
from blazz.identity.cache import forget_after_commit
from blazz.identity.sessions import NewSession
from blazz.identity.users import User
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import conflict, forbidden, unauthenticated
from blazz.kit.files import write_private
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces
from blazz.workspaces.service import Workspace

_PLATFORM = Platform("signing in: the workspace is not known yet")
_KEEP_REVOKED = dt.timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with a fresh browser session."""

    user: User
    session: NewSession


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What somebody chooses who comes with a workspace of their own."""

    email: str
    name: str
    password: str
    workspace_name: str


async def ensure_setup_code(database: Database, data_dir: Path) -> str | None:
    """Return the code that creates the first owner, also kept in setup-code.txt (0600); None once somebody exists."""
    path = data_dir / codes.SETUP_FILE
    known = await asyncio.to_thread(codes.read_setup_file, path)
    code = await database.write(_PLATFORM, codes.open_setup_code, known, codes.new_setup_code())
    if code is None:
        await asyncio.to_thread(path.unlink, missing_ok=True)
    elif code != known:
        await asyncio.to_thread(write_private, path, code.encode() + b"\n")
    return code


async def create_sign_in_link(database: Database, user_id: uuid.UUID) -> str:
    """Return a token for `/sign-in#token=...`: valid once, for 15 minutes."""
    return await database.write(_PLATFORM, codes.create_link, user_id)


async def setup_required(database: Database) -> bool:
    """Tell whether the first owner is still to be created."""
    return not await database.read(_PLATFORM, repository.any_user)


async def set_up(
    database: Database, data_dir: Path, code: str, new: NewAccount, user_agent: str
) -> tuple[SignedIn, Workspace]:
    """Create the first owner. Raises BlazzError `already_set_up` (409), `setup_code_wrong` (403), 422."""
    users.normal_email(new.email)
    users.check_password_rules(new.password)

    def check(tx: Tx) -> None:
        if repository.any_user(tx):
            raise conflict("already_set_up", "This Blazz has an owner already. Sign in, or ask for an invitation.")
        if repository.code_is_open(tx, "setup", codes.setup_digest(code), utc_now()) is None:
            raise forbidden("This is not the code that Blazz printed at its start.", code="setup_code_wrong")

    def create(tx: Tx, password_hash: str) -> tuple[SignedIn, Workspace]:
        check(tx)
        codes.use_setup_code(tx, code)
        return _create_account(tx, new, password_hash, user_agent, platform_admin=True)

    await database.read(_PLATFORM, check)
    made = await database.write(_PLATFORM, create, await users.hashed(new.password))
    await asyncio.to_thread((data_dir / codes.SETUP_FILE).unlink, missing_ok=True)
    return made


async def sign_up(database: Database, new: NewAccount, user_agent: str) -> tuple[SignedIn, Workspace]:
    """Create a person with a workspace. Raises BlazzError `email_taken` (409), or what is invalid."""
    users.normal_email(new.email)
    users.check_password_rules(new.password)
    return await database.write(
        _PLATFORM, _create_account, new, await users.hashed(new.password), user_agent, platform_admin=False
    )


def _create_account(
    tx: Tx, new: NewAccount, password_hash: str, user_agent: str, *, platform_admin: bool
) -> tuple[SignedIn, Workspace]:
    user = users.create_user(
        tx, email=new.email, name=new.name, password_hash=password_hash, platform_admin=platform_admin
    )
    workspace = workspaces.create(tx, name=new.workspace_name, owner_id=user.id)
    return SignedIn(user, sessions.start(tx, user.id, user_agent)), workspace


async def log_in(database: Database, email: str, password: str, user_agent: str) -> SignedIn:
    """Sign in by password. Raises BlazzError `invalid_credentials` (401), the same for unknown and wrong."""
    row = await database.read(_PLATFORM, repository.user_by_email, email.strip().lower())
    right = await users.matches(row["password_hash"] if row else None, password)
    if row is None or not right or row["state"] != "active":
        raise unauthenticated("E-mail address or password is wrong.", code="invalid_credentials")
    session = await database.write(_PLATFORM, sessions.start, row["id"], user_agent)
    return SignedIn(users.user_of(row), session)


async def log_in_by_link(database: Database, token: str, user_agent: str) -> SignedIn:
    """Sign in by a one-time link. Raises BlazzError `link_used_or_expired` (403)."""

    def work(tx: Tx) -> SignedIn:
        user = users.get_user(tx, codes.use_link(tx, token))
        if user is None:
            raise forbidden("This link belongs to nobody any more.", code="link_used_or_expired")
        return SignedIn(user, sessions.start(tx, user.id, user_agent))

    return await database.write(_PLATFORM, work)


async def log_out(database: Database, session_id: uuid.UUID) -> None:
    """End a session."""
    await database.write(_PLATFORM, sessions.end, session_id)


async def change_password(
    database: Database, user_id: uuid.UUID, session_id: uuid.UUID, current: str, new: str
) -> None:
    """Set a new password and end the person's other sessions. Raises BlazzError `invalid_credentials` (403)."""
    users.check_password_rules(new, "new_password")
    stored = await database.read(_PLATFORM, users.password_hash_of, user_id)
    if not await users.matches(stored, current):
        raise forbidden("The current password is wrong.", code="invalid_credentials")
    password_hash = await users.hashed(new)

    def work(tx: Tx) -> None:
        repository.update_user(tx, user_id, {"password_hash": password_hash})
        repository.delete_other_sessions(tx, user_id, session_id)
        forget_after_commit(tx)

    await database.write(_PLATFORM, work)


async def rename(database: Database, user_id: uuid.UUID, name: str) -> None:
    """Change how a person is called."""
    await database.write(_PLATFORM, repository.update_user, user_id, {"name": name})


async def prune(database: Database) -> int:
    """Remove ended sessions, used links and keys revoked 90 days ago; return how many rows went."""
    now = utc_now()
    return await database.write(Platform("housekeeping of identity"), repository.prune, now, now - _KEEP_REVOKED)
