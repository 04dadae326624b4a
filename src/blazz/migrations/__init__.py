"""The migrations room."""
