"""The accounts room."""
