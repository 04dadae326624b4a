"""Tests of sessions: the real engine host against the simulated network."""
