"""What endpoints ask for by annotation: the parts that the application was made with, and the parameters of lists."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import HTTPConnection

from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database
from blazz.kit.http.network import NetworkInfo
from blazz.kit.settings import Settings

# Coroutines, although nothing is awaited: plain functions would be sent to a thread for every request.


async def get_database(connection: HTTPConnection) -> Database:
    """Return the process's database."""
    database: Database = connection.app.state.database
    return database


async def get_settings(connection: HTTPConnection) -> Settings:
    """Return the settings."""
    settings: Settings = connection.app.state.settings
    return settings


async def get_secret_box(connection: HTTPConnection) -> SecretBox:
    """Return the box that seals secrets at rest."""
    box: SecretBox = connection.app.state.secret_box
    return box


async def get_network(connection: HTTPConnection) -> NetworkInfo:
    """Return which WhatsApp network this is."""
    network: NetworkInfo = connection.app.state.network
    return network


async def get_commands(connection: HTTPConnection) -> Any:
    """Return the port to session owners (`blazz.cluster.commands.SessionCommands`; this room knows no domain)."""
    return connection.app.state.commands


async def get_media_store(connection: HTTPConnection) -> Any:
    """Return the store of media files (`blazz.media.store.MediaStore`)."""
    return connection.app.state.media_store


DatabaseDep = Annotated[Database, Depends(get_database)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
SecretBoxDep = Annotated[SecretBox, Depends(get_secret_box)]
NetworkDep = Annotated[NetworkInfo, Depends(get_network)]
CommandsDep = Annotated[Any, Depends(get_commands)]
MediaStoreDep = Annotated[Any, Depends(get_media_store)]

CursorParam = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]
LimitParam = Annotated[int, Query(ge=1, le=200, description="Rows per page.")]
