"""Tests of instances and ownership."""
