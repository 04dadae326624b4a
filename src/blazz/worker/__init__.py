"""The worker role: work that no request waits for."""
