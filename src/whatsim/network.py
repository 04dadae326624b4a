"""The simulated WhatsApp network as one object: opened on a directory, talked to by clients over TLS and by its owner here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from whatsim.model import (
    Behaviour,
    DeviceView,
    FaultSpec,
    FaultView,
    MessageView,
    NetworkEvent,
    NetworkStats,
    OutgoingContent,
    PhoneView,
)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Where the network keeps its state and listens. Port 0 picks a free one."""

    state_dir: Path
    host: str = "127.0.0.1"
    wire_port: int = 7071


class Network:
    """A running simulated network. Use one instance per state directory, on one event loop."""

    wire_address: str
    network_id: str
    ca_path: Path
    root_key_path: Path

    @classmethod
    async def open(cls, config: NetworkConfig) -> Network:
        """Open or create the state in `config.state_dir` and start listening.

        Raises OSError when the port or the directory cannot be used, or another process has the state open.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections and commit everything."""
        raise NotImplementedError

    async def create_phone(
        self, number: str | None = None, name: str | None = None
    ) -> PhoneView:
        """Create a phone and return it. Without `number` the next free fictional one is taken.

        Raises InvalidNumber or PhoneExists.
        """
        raise NotImplementedError

    def list_phones(self) -> list[PhoneView]:
        """Return all phones in the order of their creation."""
        raise NotImplementedError

    def get_phone(self, number: str) -> PhoneView:
        """Return one phone. Raises PhoneNotFound (as does every function below that takes a number)."""
        raise NotImplementedError

    async def link_qr(self, number: str, qr: str) -> DeviceView:
        """Scan a QR code's text with this phone; returns once the client has confirmed. Raises LinkRefused."""
        raise NotImplementedError

    async def link_code(self, number: str, code: str) -> DeviceView:
        """Type the 8-character code on this phone; returns once the client has confirmed. Raises LinkRefused."""
        raise NotImplementedError

    async def unlink(self, number: str, device: int) -> None:
        """Remove a linked device; its open connection ends at once, later logins are refused (401). Raises DeviceNotFound."""
        raise NotImplementedError

    async def send_message(
        self, number: str, to: str, content: OutgoingContent
    ) -> MessageView:
        """Send from this phone to the number `to` and return the stored message once it is durable.

        Raises PhoneNotFound (also for `to`) and InvalidContent.
        """
        raise NotImplementedError

    def messages(
        self, number: str, after: int = 0, limit: int = 200
    ) -> list[MessageView]:
        """Return the phone's messages with `id` above `after`, ascending, at most `limit` (1 to 1,000)."""
        raise NotImplementedError

    def media(self, number: str, message_id: str) -> tuple[bytes, str]:
        """Return a message's decrypted media and its MIME type. Raises MessageNotFound."""
        raise NotImplementedError

    async def mark_read(self, number: str, chat: str, up_to: int | None = None) -> int:
        """Send read receipts for the chat's unread messages with `id` up to `up_to` (None: all); returns how many."""
        raise NotImplementedError

    async def typing(self, number: str, to: str, composing: bool) -> None:
        """Show `to`'s linked devices that this phone types (or has stopped)."""
        raise NotImplementedError

    async def set_behaviour(self, number: str, behaviour: Behaviour) -> None:
        """Set how the phone answers; durable."""
        raise NotImplementedError

    async def set_online(self, number: str, online: bool) -> None:
        """Switch the phone's own connection; while offline it receives and answers nothing. Durable."""
        raise NotImplementedError

    def add_fault(self, fault: FaultSpec) -> FaultView:
        """Add a disturbance (kept in memory only). Raises InvalidFault."""
        raise NotImplementedError

    def list_faults(self) -> list[FaultView]:
        """Return the active faults, oldest first."""
        raise NotImplementedError

    def clear_faults(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all; returns how many were removed."""
        raise NotImplementedError

    def stats(self) -> NetworkStats:
        """Return the counters."""
        raise NotImplementedError

    def subscribe(self) -> AsyncIterator[NetworkEvent]:
        """Return a stream of changes from now on; a reader that falls 1,000 events behind is ended."""
        raise NotImplementedError
