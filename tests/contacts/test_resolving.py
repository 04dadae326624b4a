"""Who somebody is: numbers and hidden identities learned in any order end as one contact with all its addresses."""

from __future__ import annotations

import uuid
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazz.contacts import service
from blazz.contacts.resolve import Peer, Resolution, finish_merges, resolve
from blazz.kit.db import Database, Tx, Workspace, Workspaces
from tests.support.databases import migrated, open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def learn(database: Database, *peers: Peer) -> Resolution:
    """Resolve a batch and finish its merges, as storing messages does."""

    def work(tx: Tx) -> Resolution:
        resolution = resolve(tx, peers)
        finish_merges(tx, resolution.merges)
        return resolution

    return await database.write(Workspaces.of({peer.workspace_id for peer in peers}), work)


async def everybody(database: Database, workspace_id: uuid.UUID) -> set[tuple[str | None, str | None]]:
    def work(tx: Tx) -> set[tuple[str | None, str | None]]:
        people = service.page(tx, None, None, 1000)
        return {service.addresses_of(tx, workspace_id, person.id) for person in people}

    return await database.read(Workspace(workspace_id), work)


async def test_two_contacts_that_prove_to_be_one_are_merged(database_url: str) -> None:
    async with open_database(database_url) as database:
        (home,) = await make_workspaces(database, 1)
        by_phone, by_lid = Peer(home, "+628110000101", None), Peer(home, None, "100")
        before = await learn(database, by_phone, by_lid)
        assert before.contact_ids[by_phone] != before.contact_ids[by_lid]
        both = Peer(home, "+628110000101", "100")
        after = await learn(database, both)
        assert after.contact_ids[both] == before.contact_ids[by_phone]
        assert [(merge.winner, merge.loser) for merge in after.merges] == [
            (before.contact_ids[by_phone], before.contact_ids[by_lid])
        ]
        assert after.learned_lids == [(home, before.contact_ids[by_phone], "+628110000101", "100")]
        assert await everybody(database, home) == {("+628110000101", "100")}
        assert (await learn(database, both)).merges == []


async def test_a_number_that_changes_hands_belongs_to_who_uses_it_now_and_joins_nobody(database_url: str) -> None:
    async with open_database(database_url) as database:
        (home,) = await make_workspaces(database, 1)
        await learn(database, Peer(home, "+628110000101", "100"))
        after = await learn(database, Peer(home, "+628110000101", "200"))
        assert after.merges == []
        assert await everybody(database, home) == {(None, "100"), ("+628110000101", "200")}


people = st.integers(0, 5)
sightings = st.tuples(people, st.sampled_from(["phone", "lid", "both"]), st.integers(0, 1))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(sightings, min_size=1, max_size=6), min_size=1, max_size=6))
async def test_whatever_the_order_of_sightings_each_person_is_one_contact_in_each_workspace(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, str, int]]]
) -> None:
    database = Database.open(migrated(tmp_path_factory.mktemp("resolve") / "blazz.db"))
    try:
        workspaces = await make_workspaces(database, 2)
        known: dict[tuple[int, int], set[str]] = defaultdict(set)
        joined = set()
        for batch in batches:
            peers = []
            for person, form, place in batch:
                phone, lid = f"+62811000010{person}", f"10000000{person}"
                peers.append(
                    Peer(
                        workspaces[place],
                        phone if form in ("phone", "both") else None,
                        lid if form in ("lid", "both") else None,
                    )
                )
                known[place, person] |= {"phone", "lid"} if form == "both" else {form}
                if form == "both":
                    joined.add((place, person))
            await learn(database, *peers)
        for place, workspace_id in enumerate(workspaces):
            expected: set[tuple[str | None, str | None]] = set()
            for (where, person), kinds in known.items():
                if where != place:
                    continue
                phone, lid = f"+62811000010{person}", f"10000000{person}"
                if (place, person) in joined:
                    expected.add((phone, lid))
                else:
                    expected |= {(phone, None)} if "phone" in kinds else set()
                    expected |= {(None, lid)} if "lid" in kinds else set()
            assert await everybody(database, workspace_id) == expected
    finally:
        await database.close()
