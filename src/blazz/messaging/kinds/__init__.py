"""The messaging/kinds room."""
