"""Tests of the instance role."""
