"""Tests of what session stores live on."""
