"""Leases: kept while a call is under way, and told by the server's clock."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bot.domain.payment import FactStatus
from bot.handlers import outgoing
from bot.holding import LEASE
from bot.store import inbox, leases
from bot.store.claims import OutboxItem
from bot.store.engine import Store
from bot.store.server_time import machine_time
from tests.contract.world import Clock, World

AHEAD = timedelta(minutes=2)


async def lapsed(world: World) -> int:
    return await world.run(lambda tx: outgoing.give_back_lapsed(tx, world.rules))


def ahead(clock: Callable[[], datetime]) -> Callable[[], datetime]:
    return lambda: clock() + AHEAD


@pytest.mark.postgres
async def test_a_clock_that_is_ahead_takes_nothing_from_the_living(empty_postgres_url: str) -> None:
    world = World(empty_postgres_url)
    hasty = World(empty_postgres_url)
    hasty.store = Store(empty_postgres_url, clock=ahead(world.clock), machine=ahead(machine_time))
    world.store.open()
    hasty.store.open()
    await world.create(("email",))
    await world.make_link("u1")
    await world.claim_one("email")
    await world.callback("u1", FactStatus.APPROVED)
    await world.run(lambda tx: inbox.claim(tx, limit=1, lease=LEASE, token="t"))
    assert await lapsed(hasty) == 0
    assert await hasty.run(inbox.release_lapsed) == (0, [])
    world.clock.advance(seconds=LEASE.total_seconds() + 2)
    assert await lapsed(hasty) == 1
    assert await hasty.run(inbox.release_lapsed) == (1, [])
    await world.store.close()
    await hasty.store.close()


@pytest.mark.postgres
async def test_a_machine_whose_clock_was_set_is_measured_again(empty_postgres_url: str) -> None:
    machine = Clock()
    machine.now = machine_time()
    world = World(empty_postgres_url)
    world.store = Store(empty_postgres_url, clock=world.clock, machine=machine)
    world.store.open()
    before = await world.run(lambda tx: tx.lease_now)
    for clock in (machine, world.clock):
        clock.advance(hours=1)
    after = await world.run(lambda tx: tx.lease_now)
    assert abs(after - before) < timedelta(minutes=1)
    await world.store.close()


async def claimed(world: World) -> OutboxItem:
    await world.create(("email",))
    await world.make_link("u1")
    item = await world.claim_one("email")
    world.clock.advance(seconds=LEASE.total_seconds() - 1)
    return item


async def test_a_lease_that_is_renewed_does_not_lapse(world: World) -> None:
    item = await claimed(world)
    await world.run(lambda tx: leases.renew(tx, {item.id: item.token}, lease=LEASE))
    world.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert await lapsed(world) == 0
    world.clock.advance(seconds=2)
    assert await lapsed(world) == 1


async def test_nobody_renews_the_lease_of_another(world: World) -> None:
    item = await claimed(world)
    await world.run(lambda tx: leases.renew(tx, {item.id: "another"}, lease=LEASE))
    world.clock.advance(seconds=2)
    assert await lapsed(world) == 1
    await world.run(lambda tx: leases.renew(tx, {item.id: item.token}, lease=LEASE))
    assert await world.select("select lease_until from outbox where status = 'sending'") == []
