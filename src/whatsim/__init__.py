"""A simulated WhatsApp network: real sockets, real encryption, no phone needed."""
