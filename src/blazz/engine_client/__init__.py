"""The engine_client room."""
