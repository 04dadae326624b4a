"""The engine contract in Python: the child process, typed calls with deadlines, the stream of events."""

from blazz.engine_client.client import EngineClient
from blazz.engine_client.errors import (
    EngineError,
    EngineGone,
    NotConnected,
    NotLinked,
    NotRunning,
    Refused,
    StaleEpoch,
    StoreMissing,
    UnknownOutcome,
)
from blazz.engine_client.network import NetworkSettings
from blazz.engine_client.process import CrashReport, EngineOptions, EngineProcess

__all__ = [
    "CrashReport",
    "EngineClient",
    "EngineError",
    "EngineGone",
    "EngineOptions",
    "EngineProcess",
    "NetworkSettings",
    "NotConnected",
    "NotLinked",
    "NotRunning",
    "Refused",
    "StaleEpoch",
    "StoreMissing",
    "UnknownOutcome",
]
