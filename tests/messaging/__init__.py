"""Tests of chats and messages."""
