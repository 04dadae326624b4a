"""Tests of the engine contract with the real engine host."""
