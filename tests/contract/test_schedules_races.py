"""Two and four schedulers fire the same slots at the same moment: never twice, never not at all.

SQLite has one writer, so that none of this can happen there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.handlers import firing, schedules
from bot.store import schedules as schedule_store
from bot.store.engine import Tx
from tests.contract.schedules import ASK, RACES, added, firing_together, read, states
from tests.contract.world import World

pytestmark = pytest.mark.postgres

PROCESSES = 4
TOGETHER = 10
"""Schedules that are due at once, some of the same customer."""


@pytest.fixture
async def worlds(empty_postgres_url: str) -> AsyncIterator[list[World]]:
    """So many processes' worth of connections to the same books, with one clock and rule book."""
    first = World(empty_postgres_url)
    found = [first]
    for _ in range(PROCESSES - 1):
        found.append(World(empty_postgres_url, clock=first.clock, rules=first.rules))
    async with AsyncExitStack() as stack:
        for each in found:
            each.store.open()
            stack.push_async_callback(each.store.close)
        yield found


async def together(worlds: list[World], number: int) -> list[object]:
    """Fire in so many processes at once; give how each ended."""
    works = firing_together(worlds[0], number)
    pairs = zip(worlds, works, strict=False)
    return await asyncio.gather(*(each.run(work) for each, work in pairs), return_exceptions=True)


@pytest.mark.parametrize("number", [2, 4])
async def test_a_slot_fires_once_however_many_fire_it(worlds: list[World], number: int) -> None:
    world = worlds[0]
    made = await added(world, "daily 09:00")
    for _ in range(RACES):
        found = await read(world, made.id)
        assert found.next is not None
        world.clock.now = found.next.at
        ends = await together(worlds, number)
        assert all(isinstance(end, int) for end in ends), ends
    assert await world.select("select count(*) from payment") == [(RACES,)]
    assert await world.select("select count(*) from outbox") == [(RACES,)]
    counts = "select state, count(*), count(distinct payment_id) from schedule_run group by state"
    assert await world.select(counts) == [("made", RACES, RACES)]


async def test_many_at_once_are_shared_and_block_nobody(worlds: list[World]) -> None:
    world, rounds = worlds[0], max(1, RACES // TOGETHER)
    for number in range(TOGETHER):
        phone = f"+5025555{number % 3:04}"
        await added(world, "daily 09:00", ask=replace(ASK, phone=phone))
    for number in range(rounds):
        world.clock.now = datetime.fromisoformat("2026-01-01T15:00Z") + timedelta(days=number)
        while True:
            ends = await together(worlds, PROCESSES)
            assert all(isinstance(end, int) for end in ends), ends
            if not any(ends):
                break
    made = "select count(*), count(distinct payment_id) from schedule_run where state = 'made'"
    assert await world.select(made) == [(TOGETHER * rounds, TOGETHER * rounds)]
    assert await world.select("select count(*) from payment") == [(TOGETHER * rounds,)]


async def test_without_its_hold_the_unique_period_still_lets_only_one_through(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line of defence: what the first would have to let through."""
    world, rounds = worlds[0], 20
    monkeypatch.setattr(schedule_store, "_DUE_LOCKED", schedule_store._DUE)
    made = await added(world, "daily 09:00")
    looked = 0
    for _ in range(rounds):
        found = await read(world, made.id)
        assert found.next is not None
        world.clock.now = found.next.at
        ends = await together(worlds, 4)
        looked += sum(end for end in ends if isinstance(end, int))
    assert looked > rounds
    assert await world.select("select count(*) from payment") == [(rounds,)]


async def test_a_pause_and_a_slot_at_the_same_moment(worlds: list[World]) -> None:
    world = worlds[0]
    for _ in range(min(RACES, 200)):
        made = await added(world, "daily 09:00")
        assert made.next is not None
        world.clock.now = made.next.at

        def pause(tx: Tx, schedule_id: str = made.id) -> str:
            return schedules.pause(tx, schedule_id, by="ana").status.value

        def fire(tx: Tx) -> int:
            return firing.fire(tx, world.rules)

        ends = await asyncio.gather(worlds[1].run(fire), worlds[0].run(pause))
        assert ends[1] == "paused"
        assert (await read(world, made.id)).next is None
        assert len(await states(world, made.id)) <= 1
