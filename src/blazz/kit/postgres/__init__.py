"""A private PostgreSQL server for `blazz up` with several processes, and for tests."""

from blazz.kit.postgres.server import PrivatePostgres

__all__ = ["PrivatePostgres"]
