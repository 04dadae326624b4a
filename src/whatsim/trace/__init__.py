"""The trace of a network: every stanza that passes over its connections, as text that a person reads."""

from whatsim.trace.file import TraceFile
from whatsim.trace.tap import Tap, Watch

__all__ = ["Tap", "TraceFile", "Watch"]
