"""Tests of roles in processes of their own."""
