"""WhatsApp groups: who is in them, what they allow, and what happens there."""
