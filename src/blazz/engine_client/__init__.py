"""The engine contract in Python: the child process, typed calls with deadlines, the stream of events."""

import os

# Children are started while gRPC's threads run; its handlers around fork() would only complain.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

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
