"""The bodies of internal calls about people."""

from __future__ import annotations

import uuid

from pydantic import Field

from blazz.cluster.people_commands import ProfileChange
from blazz.cluster.wire import Body, Command


class OfContact(Command):
    """`PeopleCommands.refresh_contact`."""

    contact_id: uuid.UUID


class SetBlocked(Command):
    """`PeopleCommands.set_blocked`."""

    address: str = Field(max_length=128)
    blocked: bool


class SetProfile(Command):
    """`PeopleCommands.set_profile`."""

    name: str | None = Field(None, max_length=64)
    about: str | None = Field(None, max_length=256)
    picture: uuid.UUID | None = None
    remove_picture: bool = False

    def change(self) -> ProfileChange:
        return ProfileChange(self.name, self.about, self.picture, self.remove_picture)


class ChangePrivacy(Command):
    """`PeopleCommands.privacy`."""

    changes: dict[str, str] = Field(max_length=16)


class Privacy(Body):
    """The answer to `ChangePrivacy`."""

    settings: dict[str, str]


class WatchChat(Command):
    """`PeopleCommands.watch_chat`."""

    address: str = Field(max_length=128)
    contact_id: uuid.UUID | None = None
