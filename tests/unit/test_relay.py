"""The loops that drain the outbox: pace, width, lanes, outcomes that must be written, stopping."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.coordination.local import LocalCoordination
from bot.domain.delivery import Done, Outcome, Purpose, RetryLater, Sent
from bot.domain.payment import Alert
from bot.handlers import outgoing
from bot.holding import LEASE
from bot.relay import Lane, Relay
from bot.store import claims, outbox
from bot.store.engine import Tx
from bot.store.schema import metadata, to_microseconds
from bot.telemetry.metrics import Metrics
from channels.base import ChannelName
from tests.contract.world import World
from tests.services import eventually

_MOST_OF_A_LEASE_S = LEASE.total_seconds() * 2 / 3


class Performer:
    """Stands in for the dispatcher: each call waits at a gate, which is open unless closed."""

    def __init__(self) -> None:
        self.closed: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []
        self.under_way = 0
        self.most = 0
        self.error: Exception | None = None

    def close(self, lane: str) -> asyncio.Event:
        return self.closed.setdefault(lane, asyncio.Event())

    async def perform(self, item: claims.OutboxItem) -> Outcome:
        self.begun.append(item.key)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if item.lane in self.closed:
                await self.closed[item.lane].wait()
            if self.error is not None:
                raise self.error
        finally:
            self.under_way -= 1
        return Done(Sent(f"id {item.key}", item.created_at))


class Time:
    """What the pace is kept by; stands still until it is moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Pace(LocalCoordination):
    """Counts how often a lane asked and was given nothing."""

    refusals = 0

    async def take(self, key: str, rate_per_s: float, wanted: int) -> int:
        granted = await super().take(key, rate_per_s, wanted)
        self.refusals += not granted
        return granted


class Outbox:
    """An outbox on SQLite with a relay over it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.performer = Performer()
        self.time = Time()
        self.pace = Pace(self.time)
        self.beats: list[str] = []
        self.metrics = Metrics()
        self._numbers = itertools.count(1)

    async def owe(self, lane: ChannelName, count: int = 1, to: str = "someone") -> None:
        now = self.world.clock.now
        items = [
            outbox.NewItem(
                kind=outbox.SEND,
                lane=lane.value,
                key=f"{lane.value} {next(self._numbers)}",
                purpose=Purpose.REPLY,
                channel=lane,
                address=to,
                not_before=now,
                give_up_at=now + timedelta(hours=1),
            )
            for _ in range(count)
        ]
        await self.world.run(lambda tx: outbox.add(tx, items))

    async def count(self, status: str) -> int:
        rows = await self.world.select("select count(*) from outbox where status = :s", s=status)
        return int(str(rows[0][0]))

    async def until(self, status: str, count: int) -> None:
        async def is_so() -> bool:
            return await self.count(status) == count

        await eventually(is_so, 20)

    def relay(
        self,
        width: int = 128,
        rates: Mapping[str, float] | None = None,
        customer_rates: Mapping[str, float] | None = None,
    ) -> Relay:
        return Relay(
            self.world.store,
            self.world.rules,
            self.performer,
            self.pace,
            rates=rates or {},
            customer_rates=customer_rates,
            worker="w",
            new_token=lambda: f"token{next(self._numbers)}",
            clock=self.world.clock,
            metrics=self.metrics,
            beat=self.beats.append,
            width=width,
        )

    @asynccontextmanager
    async def relaying(self, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
        relay = self.relay(**options)
        task = asyncio.create_task(relay.run())
        try:
            yield task
        finally:
            relay.stop()
            async with asyncio.timeout(10):
                await task


@pytest.fixture
async def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    monkeypatch.setattr("bot.relay._POLL_S", 0.02)
    world = World(f"sqlite:///{tmp_path}/paybot.db")
    world.store.open()
    metadata.create_all(world.store.engine)
    yield Outbox(world)
    await world.store.close()


async def test_what_is_owed_is_performed_once_and_settled(box: Outbox) -> None:
    await box.owe(ChannelName.SMS, 3)
    async with box.relaying():
        await box.until("done", 3)
        await box.owe(ChannelName.EMAIL, 2)
        await box.until("done", 5)
    assert len(box.performer.begun) == len(set(box.performer.begun)) == 5


async def test_each_end_is_counted_by_its_kind_once_it_is_written(box: Outbox) -> None:
    ends: list[Outcome] = [Done(Sent("id", box.world.clock.now)), RetryLater("busy")]
    outcomes = itertools.cycle(ends)

    async def perform(item: claims.OutboxItem) -> Outcome:
        return next(outcomes)

    box.performer.perform = perform  # type: ignore[method-assign]
    await box.owe(ChannelName.SMS, 4)
    async with box.relaying():
        await box.until("done", 2)
        await box.until("pending", 2)
    labels = {"lane": "sms", "purpose": "reply"}
    counted = [
        box.metrics.registry.get_sample_value("paybot_outcomes_total", {**labels, "outcome": each})
        for each in ("done", "retry_later", "refused")
    ]
    assert counted == [2, 2, None]


async def test_a_call_that_ends_while_staff_are_told_is_written_before_the_end(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, is_telling, may_go_on = box.performer.close("email"), asyncio.Event(), asyncio.Event()

    async def tell(news: Callable[[Tx], None]) -> None:
        is_telling.set()
        await may_go_on.wait()

    relay = box.relay()
    monkeypatch.setattr(relay, "_tell", tell)
    await box.owe(ChannelName.SMS)
    await box.owe(ChannelName.EMAIL)
    run = asyncio.create_task(relay.run())
    # The first call to get through in a lane is news.
    await is_telling.wait()
    await eventually(lambda: box.performer.under_way == 1)
    relay.stop()
    gate.set()
    await eventually(lambda: relay._is_drained)
    may_go_on.set()
    await run
    assert await box.count("done") == 2


async def test_a_lane_that_hangs_holds_up_no_other(box: Outbox) -> None:
    gate = box.performer.close("sms")
    await box.owe(ChannelName.SMS, 5)
    await box.owe(ChannelName.EMAIL, 5)
    async with box.relaying(width=2):
        await box.until("done", 5)
        assert await box.count("sending") == 2
        gate.set()
        await box.until("done", 10)


async def test_no_more_than_its_width_is_under_way_in_a_lane(box: Outbox) -> None:
    gate = box.performer.close("sms")
    await box.owe(ChannelName.SMS, 10)
    async with box.relaying(width=3):
        await eventually(lambda: box.performer.under_way == 3)
        assert await box.count("pending") == 7
        gate.set()
        await box.until("done", 10)
    assert box.performer.most == 3


async def test_a_lane_keeps_its_pace(box: Outbox) -> None:
    await box.owe(ChannelName.SMS, 12)
    async with box.relaying(rates={"sms": 5.0}):
        await box.until("done", 5)
        refusals = box.pace.refusals
        await eventually(lambda: box.pace.refusals >= refusals + 3)
        assert len(box.performer.begun) == 5
        box.time.now_s += 1.0
        await box.until("done", 10)
        box.time.now_s += 1.0
        await box.until("done", 12)


async def test_a_lane_with_a_pace_is_not_asked_for_while_nothing_is_due(box: Outbox) -> None:
    async with box.relaying(rates={"sms": 1.0}):
        await box.owe(ChannelName.SMS)
        await box.until("done", 1)
        assert box.pace.refusals == 0
        box.time.now_s += 1.0
        await box.owe(ChannelName.SMS)
        await box.until("done", 2)


def _failing(times: int, *, only: str = "") -> Callable[..., None]:
    """`outgoing.settle`, which fails at first, or always where a row of this key is among them."""
    settle, left = outgoing.settle, itertools.count(times, -1)

    def failing(tx: Any, rules: Any, ended: Any) -> None:
        is_hit = any(item.key == only for item, _ in ended) if only else next(left) > 0
        if is_hit:
            raise OSError("no room")
        settle(tx, rules, ended)

    return failing


async def test_an_outcome_that_cannot_be_written_is_kept_until_it_can(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "settle", _failing(5))
    await box.owe(ChannelName.SMS)
    async with box.relaying():
        await box.until("done", 1)
    assert len(box.performer.begun) == 1


async def test_a_settler_that_always_has_more_to_write_beats_all_the_same(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a load above what can be written, or for as long as the database is away."""
    failing = _failing(50)
    beats_before: list[int] = []

    def settle(tx: object, *rest: object) -> None:
        beats_before.append(box.beats.count("relay.settle"))
        failing(tx, *rest)

    monkeypatch.setattr(outgoing, "settle", settle)
    await box.owe(ChannelName.SMS)
    async with box.relaying():
        await box.until("done", 1)
    assert beats_before[-1] - beats_before[0] > 10


async def test_little_is_begun_while_no_end_can_be_written(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call whose end is in no book is in doubt if the process dies."""
    with monkeypatch.context() as patch:
        patch.setattr(outgoing, "settle", _failing(10**9))
        patch.setattr("bot.relay._FIRST_ROOM", 10)
        await box.owe(ChannelName.SMS, 60)
        async with box.relaying(width=8):
            await eventually(lambda: len(box.performer.begun) > 20)
            await box.until("pending", 60 - len(box.performer.begun))
            assert len(box.performer.begun) <= 30
            patch.undo()
            await box.until("done", 60)


async def test_one_row_that_cannot_be_settled_holds_up_no_other(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(outgoing, "settle", _failing(0, only="sms 1"))
        await box.owe(ChannelName.SMS, 4)
        async with box.relaying():
            await box.until("done", 3)
            assert await box.count("sending") == 1
            patch.undo()
            await box.until("done", 4)


async def _sweep(box: Outbox) -> int:
    return await box.world.run(lambda tx: outgoing.give_back_lapsed(tx, box.world.rules))


async def _until_renewed(box: Outbox) -> None:
    until = to_microseconds(box.world.clock.now + LEASE)

    async def is_renewed() -> bool:
        return await box.world.select("select lease_until from outbox") == [(until,)]

    await eventually(is_renewed)


async def test_a_call_that_outlasts_its_lease_is_not_taken_for_dead(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.holding._EVERY_S", 0.02)
    gate = box.performer.close("email")
    await box.owe(ChannelName.EMAIL)
    async with box.relaying():
        await eventually(lambda: box.performer.under_way == 1)
        for _ in range(3):
            box.world.clock.advance(seconds=_MOST_OF_A_LEASE_S)
            await _until_renewed(box)
            assert await _sweep(box) == 0
        gate.set()
        await box.until("done", 1)
    assert box.performer.begun == ["email 1"]


async def test_an_end_that_cannot_be_written_keeps_its_lease(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.holding._EVERY_S", 0.02)
    box.world.set_rules(staff=None)
    with monkeypatch.context() as patch:
        patch.setattr(outgoing, "settle", _failing(0, only="sms 1"))
        await box.owe(ChannelName.SMS)
        async with box.relaying():
            await eventually(lambda: len(box.performer.begun) == 1)
            for _ in range(2):
                box.world.clock.advance(seconds=_MOST_OF_A_LEASE_S)
                await _until_renewed(box)
            patch.undo()
            assert await _sweep(box) == 0
            await box.until("done", 1)


async def test_a_call_without_an_end_is_uncertain(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.relay.CALL_S", 0.02)
    monkeypatch.setattr("bot.relay._BEAT_S", 0.02)
    box.performer.close("sms")
    await box.owe(ChannelName.SMS)
    async with box.relaying():

        async def is_marked() -> bool:
            marks = "select status, uncertain_count, last_error from outbox"
            return await box.world.select(marks) == [
                ("pending", 1, "no end of the call in its time")
            ]

        await eventually(is_marked)


async def test_a_call_that_raises_is_uncertain(box: Outbox) -> None:
    box.performer.error = RuntimeError("a bug")
    await box.owe(ChannelName.SMS)
    async with box.relaying():
        await box.until("pending", 1)
        await eventually(lambda: len(box.performer.begun) == 1)

        async def is_marked() -> bool:
            return await box.world.select("select uncertain_count from outbox") == [(1,)]

        await eventually(is_marked)


async def test_stopping_finishes_what_is_under_way_and_begins_nothing(box: Outbox) -> None:
    gate = box.performer.close("sms")
    await box.owe(ChannelName.SMS, 3)
    relay = box.relay(width=2)
    task = asyncio.create_task(relay.run())
    await eventually(lambda: box.performer.under_way == 2)
    relay.stop()
    await box.owe(ChannelName.EMAIL)
    assert not task.done()
    gate.set()
    async with asyncio.timeout(10):
        await task
    assert (await box.count("done"), await box.count("sending")) == (2, 0)
    assert await box.count("pending") == 2


async def test_stopping_waits_for_the_last_outcome_to_be_written(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "settle", _failing(3))
    gate = box.performer.close("sms")
    await box.owe(ChannelName.SMS, 2)
    relay = box.relay()
    task = asyncio.create_task(relay.run())
    await eventually(lambda: box.performer.under_way == 2)
    relay.stop()
    gate.set()
    async with asyncio.timeout(10):
        await task
    assert (await box.count("done"), await box.count("sending")) == (2, 0)


async def test_a_provider_that_is_out_is_left_alone_and_tried_one_by_one(box: Outbox) -> None:
    box.world.set_rules(staff=None)
    box.performer.error = RuntimeError("out")
    await box.owe(ChannelName.SMS, 30)
    async with box.relaying(width=5):
        await box.until("pending", 30)
        await eventually(lambda: len(box.performer.begun) >= 10, 20)
        assert len(box.performer.begun) <= 15

        async def is_told() -> bool:
            return await box.world.alerts() == [Alert.PROVIDER_OUT]

        await eventually(is_told, 20)
        begun = len(box.performer.begun)
        box.performer.close("sms")
        box.world.clock.advance(seconds=31)
        await eventually(lambda: len(box.performer.begun) == begun + 1, 20)
        box.performer.error = None
        box.performer.closed.pop("sms").set()
        await box.until("done", 30)
    assert await box.world.alerts() == []


async def test_an_outcome_that_is_not_written_for_a_minute_is_told(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "settle", _failing(0, only="sms 1"))
    await box.owe(ChannelName.SMS)
    async with box.relaying():
        await box.until("sending", 1)
        await eventually(lambda: len(box.performer.begun) == 1)
        assert await box.world.alerts() == []

        async def is_told() -> bool:
            box.world.clock.advance(seconds=31)
            return await box.world.alerts() == [Alert.UNSETTLED]

        await eventually(is_told)
        monkeypatch.undo()


async def _spoil(box: Outbox, key: str) -> None:
    """Make a row one that nobody can read."""
    await box.world.run(
        lambda tx: tx.run(
            sa.text("update outbox set purpose = 'reminder', payload = '{}' where key = :key"),
            {"key": key},
        )
    )


async def test_one_row_that_cannot_be_claimed_holds_up_no_other_and_ends_with_a_person(
    box: Outbox,
) -> None:
    box.world.set_rules(staff=None)
    await box.owe(ChannelName.SMS, 4)
    await _spoil(box, "sms 1")
    async with box.relaying():
        await box.until("done", 3)
        assert await box.count("pending") == 1

        async def is_set_aside() -> bool:
            box.world.clock.advance(seconds=5)
            return await box.count("dead") == 1

        await eventually(is_set_aside)
        assert await box.world.select("select tries from outbox where status = 'dead'") == [(3,)]
        assert await box.world.alerts() == [Alert.UNDELIVERABLE]
        await box.owe(ChannelName.SMS)
        await box.until("done", 4)
    assert "sms 1" not in box.performer.begun


async def test_a_passing_error_of_a_claim_sets_nothing_aside(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit, left = outgoing.admit, itertools.count(4, -1)

    def failing(tx: Any, rules: Any, taken: Any) -> Any:
        if next(left) > 0:
            raise OSError("not now")
        return admit(tx, rules, taken)

    monkeypatch.setattr(outgoing, "admit", failing)
    await box.owe(ChannelName.SMS)
    async with box.relaying():

        async def is_done() -> bool:
            box.world.clock.advance(seconds=5)
            return await box.count("done") == 1

        await eventually(is_done)
    assert await box.world.alerts() == []


async def test_one_customer_is_written_to_no_faster_than_allowed(box: Outbox) -> None:
    await box.owe(ChannelName.WHATSAPP, 3, to="+50255550101")
    await box.owe(ChannelName.WHATSAPP, 1, to="+50255550102")
    await box.owe(ChannelName.SMS, 2, to="+50255550101")
    await box.world.select("update outbox set purpose = 'receipt' returning id")
    async with box.relaying(customer_rates={"whatsapp": 1 / 6}):
        await box.until("done", 4)
        assert sorted(box.performer.begun) == ["sms 5", "sms 6", "whatsapp 1", "whatsapp 4"]
        waiting = "select not_before, attempts, tries from outbox where status = 'pending'"
        await box.until("pending", 2)
        start = to_microseconds(box.world.clock.now)
        rows = await box.world.select(f"{waiting} order by id")
        assert rows == [(start + 6_000_000, 0, 0), (start + 12_000_000, 0, 0)]
        for number in (5, 6):
            box.world.clock.advance(seconds=6)
            box.time.now_s += 6
            box.pace.wake(outbox.topic("whatsapp"))
            await box.until("done", number)
    assert box.performer.begun[-2:] == ["whatsapp 2", "whatsapp 3"]


async def test_whoever_writes_is_answered_at_once(box: Outbox) -> None:
    await box.owe(ChannelName.WHATSAPP, 5, to="+50255550101")
    async with box.relaying(customer_rates={"whatsapp": 1 / 6}):
        await box.until("done", 5)


async def test_a_reminder_that_is_put_back_stays_admitted(box: Outbox) -> None:
    await box.owe(ChannelName.TELEGRAM, 2)
    await box.world.select("update outbox set purpose = 'reminder' returning id")

    def work(tx: Tx) -> list[tuple[int, int]]:
        items = claims.take(
            tx, lane="telegram", limit=9, lease=timedelta(seconds=9), token="t", worker="w"
        )
        outgoing.put_back(tx, [(item, timedelta(seconds=1)) for item in items])
        return [(row.attempts, row.tries) for row in tx.run(sa.text("select * from outbox"))]

    assert await box.world.run(work) == [(0, 1), (0, 1)]


async def test_a_fresh_process_claims_little_before_it_has_shown_that_it_lives(
    box: Outbox,
) -> None:
    await box.owe(ChannelName.SMS, 80)
    gate = box.performer.close("sms")
    async with box.relaying():
        await box.until("sending", 4)
        gate.set()
        await box.until("done", 80)


def test_each_call_that_ends_makes_room_for_more() -> None:
    lane = Lane("sms", None, 128)
    lane.widen(4)
    assert lane.free == 36
    lane.widen(36)
    assert lane.free == 128 + lane.ahead
