"""The demo: Blazz and a simulated WhatsApp network side by side on one machine."""
