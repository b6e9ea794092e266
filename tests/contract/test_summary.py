"""The day in numbers: once a local date, at the merchant's hour, whoever asks."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest

from bot.domain.payment import FactStatus
from bot.handlers import summary
from bot.store import claims
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from tests.contract.world import World

ZONE = "America/Guatemala"


@pytest.fixture
def world(world: World) -> World:
    world.set_rules(summary_at=time(18), time_zone=ZONE)
    world.clock.now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    return world


async def ticks(world: World) -> int:
    return await world.run(lambda tx: summary.tell_day(tx, world.rules))


async def told(world: World) -> list[OutboxItem]:
    rows = await world.select("select id from outbox where key like 'summary:%' order by id")

    def read(tx: Tx) -> list[OutboxItem]:
        found = [claims.read(tx, int(str(row[0]))) for row in rows]
        return [item for item in found if item is not None]

    return await world.run(read)


async def test_it_is_told_once_a_date_whoever_asks(world: World) -> None:
    made = await asyncio.gather(*(ticks(world) for _ in range(4)))
    assert sum(made) == 1
    assert [item.key for item in await told(world)] == ["summary:2026-01-01"]


async def test_it_waits_for_its_hour_and_never_catches_up(world: World) -> None:
    world.clock.now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    assert await ticks(world) == 0
    world.clock.advance(minutes=1)
    assert await ticks(world) == 1
    world.clock.advance(days=3, hours=-1)
    assert await ticks(world) == 0
    world.clock.advance(hours=1)
    assert await ticks(world) == 1
    assert [item.key for item in await told(world)] == ["summary:2026-01-01", "summary:2026-01-04"]


@pytest.mark.parametrize(
    "changes", [{"staff": None}, {"summary_at": None}, {"couriers": frozenset()}]
)
async def test_nobody_is_told_where_nobody_wants_it(
    world: World, changes: dict[str, object]
) -> None:
    world.set_rules(**changes)
    assert await ticks(world) == 0


async def test_its_numbers_are_those_of_the_local_day(world: World) -> None:
    world.clock.now = datetime(2026, 1, 1, 5, 59, tzinfo=UTC)
    await world.linked("u1")
    world.clock.advance(hours=2)
    await world.linked("u2")
    await world.linked("u3")
    await world.callback("u1", FactStatus.APPROVED)
    await world.callback("u2", FactStatus.APPROVED)
    world.clock.now = datetime(2026, 1, 2, 0, 30, tzinfo=UTC)
    assert await ticks(world) == 1
    [item] = await told(world)
    values, chart = item.payload["values"], item.payload["chart"]
    assert values == {
        "day": {"date": "2026-01-01"},
        "sent": 2,
        "paid": 2,
        "income": [{"amount": {"minor": 30000, "currency": "GTQ"}}],
        "open": 1,
        "owed": [{"amount": {"minor": 15000, "currency": "GTQ"}}],
        "held": 0,
        "failed": 0,
        "reminders": 0,
        "dropped": 0,
        "alerts": 0,
    }
    assert isinstance(chart, dict)
    assert chart["days"][-2:] == ["2025-12-31", "2026-01-01"]
    assert chart["sent"][-3:] == [0, 1, 2]
    assert chart["paid"][-3:] == [0, 0, 2]
    assert len(chart["days"]) == len(chart["sent"]) == len(chart["paid"]) == summary.DAYS_SHOWN


async def test_a_year_has_one_a_date_through_clock_changes(world: World) -> None:
    world.set_rules(time_zone="America/Santiago", summary_at=time(0, 30))
    world.clock.now = datetime(2026, 1, 1, 6, tzinfo=UTC)
    for _ in range(365 * 4):
        await ticks(world)
        world.clock.advance(hours=6)
    keys = [item.key for item in await told(world)]
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(365)]
    assert keys == [f"summary:{day.date().isoformat()}" for day in days]
