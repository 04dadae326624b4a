"""WhatsApp groups: who is in them, what they allow, and what happens there."""

from blazz.groups import admins, rekeying

__all__ = ["admins", "rekeying"]
