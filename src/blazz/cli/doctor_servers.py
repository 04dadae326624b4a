"""`blazz doctor` on the servers that several processes share: the database server and Redis or Valkey."""

from __future__ import annotations

import asyncio
import time

from redis.asyncio import Redis
from redis.exceptions import RedisError

from blazz import migrations
from blazz.cli.doctor_findings import Finding, Level
from blazz.events import service as events
from blazz.kit.db import Database
from blazz.kit.db.options import ServerOptions
from blazz.kit.db.server import examine_server
from blazz.kit.settings import Settings

_ANSWER_S = 5.0
_SLOW_MS = 20.0  # a round trip; each message costs a few


def check_database_server(settings: Settings) -> Finding:
    """Ask what the server is and whether it could lose commits, compare the schema, time a round trip.

    Raises BlazzError with what is wrong.
    """
    assert settings.database_url is not None
    version, unsafe = asyncio.run(examine_server(settings.database_url, ServerOptions.of(settings)))
    if unsafe:
        level: Level = "warn" if settings.allow_unsafe_durability else "fail"
        risks = "; ".join(map(str, unsafe))
        return Finding(level, "database", f"{version} may lose commits in a power cut: {risks}")
    median = asyncio.run(_round_trips(settings))
    differences = migrations.check(settings.database_url)
    if differences:
        return Finding("fail", "database", f"schema differs ({differences[0]}, ...); run: blazz db upgrade")
    level = "warn" if median > _SLOW_MS else "ok"
    return Finding(level, "database", f"{version}, schema ok, durable, a round trip takes {median:.1f} ms")


def check_redis(settings: Settings) -> Finding:
    """Ask the server of the hints for an answer; without one polling does the work."""
    if settings.redis_url is None:
        if settings.database_url is None:
            return Finding("ok", "redis", "a private Valkey is started with blazz up")
        detail = "BLAZZ_REDIS_URL is not set: news is found by polling and sign-ins are throttled per gateway"
        return Finding("warn", "redis", detail)
    try:
        took = asyncio.run(_ping(settings.redis_url))
    except (RedisError, OSError, ValueError) as error:
        return Finding("fail", "redis", f"BLAZZ_REDIS_URL does not answer ({type(error).__name__})")
    return Finding("ok", "redis", f"answers in {took:.1f} ms")


async def _round_trips(settings: Settings) -> float:
    database = await Database.from_settings(settings)
    samples = []
    try:
        for _ in range(10):
            began = time.perf_counter()
            await events.count(database)
            samples.append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    return sorted(samples)[len(samples) // 2]


async def _ping(url: str) -> float:
    client = Redis.from_url(url, socket_connect_timeout=_ANSWER_S, socket_timeout=_ANSWER_S)
    try:
        await client.ping()
        began = time.perf_counter()
        await client.ping()
        return (time.perf_counter() - began) * 1000
    finally:
        await client.aclose()
