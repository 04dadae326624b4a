"""The workspaces room."""
