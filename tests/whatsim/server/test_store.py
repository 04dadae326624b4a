"""The store promises only what is on disk, and outlasts a disk that is full or a file that is locked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whatsim.server import store as store_module
from whatsim.server.store import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(store_module, "RETRY_S", 0.02)
    opened = Store(tmp_path / "store.db")
    yield opened
    await opened.close()


def names(store: Store) -> list[str]:
    return [row[0] for row in store.read("SELECT name FROM meta ORDER BY name")]


async def test_what_follows_a_commit_comes_after_it_and_in_order(store: Store) -> None:
    seen: list[tuple[int, list[str]]] = []
    for number in range(5):
        store.put("meta", f"n{number}", (f"n{number}", b""))
        store.on_commit(lambda number=number: seen.append((number, names(store))))  # type: ignore[misc]
    assert seen == []
    await store.durable()
    assert [number for number, _ in seen] == list(range(5))
    assert all(f"n{number}" in rows for number, rows in seen)


async def test_nothing_to_store_means_no_wait(store: Store) -> None:
    called = []
    store.on_commit(lambda: called.append(True))
    assert called == [True]


async def test_the_last_change_of_a_row_counts(store: Store) -> None:
    store.put("meta", "a", ("a", b"1"))
    store.put("meta", "a", ("a", b"2"))
    store.put("meta", "b", ("b", b"1"))
    store.delete("meta", "b")
    await store.durable()
    assert store.read("SELECT * FROM meta") == [("a", b"2")]
    store.delete("meta", "a")
    store.put("meta", "a", ("a", b"3"))
    await store.durable()
    assert store.read("SELECT * FROM meta") == [("a", b"3")]


async def test_a_full_disk_delays_promises_and_loses_nothing(store: Store) -> None:
    await store.durable()
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    promised = asyncio.Event()
    store.put("meta", "big", ("big", bytes(100_000)))
    store.put("meta", "kept", ("kept", b"old"))
    store.on_commit(promised.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await promised.wait()
    store.put("meta", "kept", ("kept", b"new"))
    store.delete("meta", "big")
    store._writer.execute("PRAGMA max_page_count = 1000000")
    async with asyncio.timeout(5):
        await promised.wait()
        await store.durable()
    assert store.read("SELECT * FROM meta") == [("kept", b"new")]


async def test_a_locked_file_delays_promises_and_loses_nothing(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put("meta", "a", ("a", b"1"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await store.durable()
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(5):
        await store.durable()
    assert names(store) == ["a"]
