"""Tests that cut the program at every step and look for loss and doubling."""
