"""What the sweeps find, and that one that fails takes nothing with it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.domain.payment import FactStatus, PaymentStatus
from bot.handlers import payment as payment_handler
from bot.holding import LEASE
from bot.scheduler import PARKED_AFTER, Scheduler
from bot.store import claims, inbox
from bot.store.engine import Tx
from bot.store.schema import metadata
from tests.contract.schedules import added, states
from tests.contract.world import World
from tests.services import eventually

Tick = Callable[[], Awaitable[None]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(f"sqlite:///{tmp_path}/paybot.db")
    world.store.open()
    metadata.create_all(world.store.engine)
    yield world
    await world.store.close()


@pytest.fixture
async def ticks(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Tick]]:
    """Every sweep that the started scheduler would run, by name, to be run by hand."""
    found: dict[str, Tick] = {}
    add_job: Callable[..., Any] = AsyncIOScheduler.add_job

    def spied(self: Any, function: Any, *args: Any, **options: Any) -> Any:
        found[options["id"]] = lambda: function(*options["args"])
        return add_job(self, function, *args, **options)

    monkeypatch.setattr(AsyncIOScheduler, "add_job", spied)
    scheduler = Scheduler(world.store, world.rules)
    scheduler.start()
    yield found
    await scheduler.aclose()


async def test_claims_of_the_dead_are_given_back(world: World, ticks: dict[str, Tick]) -> None:
    payment = await world.linked()
    await world.run(
        lambda tx: inbox.record(tx, [inbox.Received(inbox.Source.MIGO, "h", "/", {}, b"{}")])
    )
    await world.callback("u1", FactStatus.APPROVED)
    await world.run(lambda tx: inbox.claim(tx, limit=9, lease=LEASE, token="dead"))
    await world.claim_one("whatsapp")
    await ticks["lapsed claims"]()
    assert ("claimed",) in await world.select("select status from inbox")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    await ticks["lapsed claims"]()
    assert await world.select("select count(*) from inbox where status = 'claimed'") == [(0,)]
    [receipt] = await world.outbox(payment.id, "receipt")
    assert (receipt.status, receipt.tries) == ("pending", 1)
    marks = "select uncertain_count from outbox where purpose = 'receipt'"
    assert await world.select(marks) == [(1,)]


async def test_what_many_dead_left_is_given_back_batch_by_batch_without_a_pause(
    world: World, ticks: dict[str, Tick], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "lapsed", partial(claims.lapsed, limit=1))
    for uid in ("u1", "u2", "u3"):
        await world.create(("email",))
        await world.make_link(uid)
    assert len(await world.claim("email")) == 3
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    await ticks["lapsed claims"]()
    held = "select count(*) from outbox where status = 'sending'"
    assert await world.select(held) == [(2,)]

    async def is_given_back() -> bool:
        return await world.select(held) == [(0,)]

    # Long before the sweep's own turns, ten seconds apart, would have done it.
    await eventually(is_given_back, 8.0)


async def test_after_an_outage_workers_that_live_may_renew_first(world: World) -> None:
    await world.linked(route=("email",))
    await world.callback("u1", FactStatus.APPROVED)
    await world.claim_one("email")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    now_s = 0.0
    scheduler = Scheduler(world.store, world.rules, uptime_s=lambda: now_s)
    for passed_s, status in ((60.0, "sending"), (70.0, "sending"), (80.0, "pending")):
        now_s = passed_s
        await world.run(scheduler.release_lapsed)
        receipts = "select status from outbox where purpose = 'receipt'"
        assert await world.select(receipts) == [(status,)]


async def test_silence_on_one_channel_brings_the_next(world: World, ticks: dict[str, Tick]) -> None:
    payment = await world.linked()
    await ticks["overdue deliveries"]()
    [before] = await world.outbox(payment.id, "link")
    world.clock.advance(minutes=11)
    await ticks["overdue deliveries"]()
    [after] = await world.outbox(payment.id, "link")
    assert (before.channel, after.channel) == ("whatsapp", "sms")


async def test_news_of_a_stranger_is_told_once(world: World, ticks: dict[str, Tick]) -> None:
    await world.callback("u-stranger", FactStatus.APPROVED)
    await ticks["parked facts"]()
    assert await world.alerts() == []
    world.clock.advance(seconds=PARKED_AFTER.total_seconds() + 1)
    for _ in range(3):
        await ticks["parked facts"]()
    assert [kind.value for kind in await world.alerts()] == ["unknown_uid"]


async def test_what_has_run_out_of_time_expires(world: World, ticks: dict[str, Tick]) -> None:
    expires_at = world.clock.now + timedelta(hours=1)
    payment = await world.create(expires_at=expires_at)
    await ticks["expired payments"]()
    assert await world.status(payment.id) is PaymentStatus.REQUESTED
    world.clock.advance(hours=2)
    await ticks["expired payments"]()
    assert await world.status(payment.id) is PaymentStatus.EXPIRED


async def test_schedules_that_have_come_make_their_payments(
    world: World, ticks: dict[str, Tick]
) -> None:
    made = await added(world, "daily 09:00")
    await ticks["due schedules"]()
    assert await states(world, made.id) == []
    world.clock.advance(hours=3)
    for _ in range(2):
        await ticks["due schedules"]()
    assert await states(world, made.id) == [("2026-01-01", "made")]


async def test_a_sweep_that_fails_is_logged_and_comes_again(
    world: World, ticks: dict[str, Tick], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    for name in ticks:
        with monkeypatch.context() as patch:
            patch.setattr(world.store, "transact", _away)
            await ticks[name]()
        assert f"the sweep of {name} failed" in caplog.text
        await ticks[name]()


async def _away(work: object) -> None:
    raise OSError("the database is away")


async def test_ending_waits_for_a_sweep_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A sweep cut off by the library would be an error in the log of every ordinary stop."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(tx: Tx) -> int:
        begun.set()
        may_end.wait(10)
        return 0

    monkeypatch.setattr(payment_handler, "expire_payments", slow)
    scheduler = Scheduler(world.store, world.rules)
    _hurry(monkeypatch)
    scheduler.start()
    await eventually(begun.is_set)
    closing = asyncio.create_task(scheduler.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    may_end.set()
    async with asyncio.timeout(10):
        await closing
    assert "CancelledError" not in caplog.text
    scheduler.stop()


def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the metronome tick as fast as it can, whatever was asked for."""
    add_job: Callable[..., Any] = AsyncIOScheduler.add_job

    def hurried(self: Any, function: Any, *args: Any, **options: Any) -> Any:
        return add_job(self, function, *args, **{**options, "seconds": 0.01})

    monkeypatch.setattr(AsyncIOScheduler, "add_job", hurried)


async def test_the_metronome_ticks_by_itself_and_ends_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hurry(monkeypatch)
    beats: list[str] = []
    scheduler = Scheduler(world.store, world.rules, beat=beats.append)
    scheduler.start()
    await eventually(lambda: len(beats) >= 20)
    await scheduler.aclose()
    await scheduler.aclose()
    assert set(beats) == {"scheduler"}


async def test_each_sweep_ticks_soon_after_the_start(world: World) -> None:
    """One that is killed more often than it sweeps would else never sweep."""
    scheduler = Scheduler(world.store, world.rules)
    scheduler.start()
    soon = datetime.now(UTC) + timedelta(seconds=4)
    first = {job.id: job.next_run_time for job in scheduler._metronome.get_jobs()}
    await scheduler.aclose()
    assert first.keys() == scheduler.sweeps.keys()
    assert max(first.values()) < soon
