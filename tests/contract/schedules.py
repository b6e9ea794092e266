"""Schedules for the suites over the books: asked for in one line, fired by several at once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from bot.domain.money import Money
from bot.domain.recurring_words import read_rule
from bot.domain.schedule import Ask, Run, Schedule
from bot.handlers import firing, schedules
from bot.handlers.schedules import Added, ScheduleRequest
from bot.store import schedules as schedule_store
from bot.store.engine import Tx
from tests.contract.world import PHONE, World

ASK = Ask(PHONE, Money(15000, "GTQ"), ("whatsapp", "sms"), name="Ana", concept="Mensualidad")
RACES = 500
"""Rounds of schedulers that fire one slot at the same moment; the torture sets more."""
WAIT_S = 20.0


async def add(world: World, rule: str = "monthly 31 09:00", **details: object) -> Added:
    """Add a schedule whose dates are Guatemala's."""
    request = ScheduleRequest(
        ask=ASK,
        rule=read_rule(rule),
        created_by="api",
        request_hash="h",
        time_zone="America/Guatemala",
    )
    request = replace(request, **details)  # type: ignore[arg-type]
    return await world.run(lambda tx: schedules.add(tx, world.rules, request))


async def added(world: World, rule: str = "monthly 31 09:00", **details: object) -> Schedule:
    return (await add(world, rule, **details)).schedule


async def read(world: World, schedule_id: str) -> Schedule:
    return await world.run(lambda tx: schedules.must_read(tx, schedule_id))


async def fire(world: World) -> int:
    return await world.run(lambda tx: firing.fire(tx, world.rules))


async def runs(world: World, schedule_id: str) -> list[Run]:
    """What became of each period, oldest first."""
    found = await world.run(lambda tx: schedule_store.runs(tx, schedule_id, limit=2000))
    return found[::-1]


async def states(world: World, schedule_id: str) -> list[tuple[str, str]]:
    return [(each.day.isoformat(), each.state.value) for each in await runs(world, schedule_id)]


async def coming(world: World, schedule_id: str) -> list[date]:
    found = await read(world, schedule_id)
    slots = await world.run(lambda tx: schedules.upcoming(tx, world.rules, found))
    return [slot.day for slot in slots]


def firing_together(world: World, number: int) -> list[Callable[[Tx], int]]:
    """So many transactions that begin to fire at the same moment."""
    barrier = threading.Barrier(number)

    def work(tx: Tx) -> int:
        barrier.wait(WAIT_S)
        return firing.fire(tx, world.rules)

    return [work] * number
