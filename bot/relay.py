"""Drains the outbox.

Claims due rows, lets the dispatcher perform them, and writes the outcomes. Never talks to a
provider itself and never decides wording.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bot.coordination import Coordination
from bot.domain.breaker import Breaker, Change
from bot.domain.delivery import (
    Done,
    Found,
    Outcome,
    Refused,
    RetryLater,
    Uncertain,
    Unfound,
)
from bot.handlers import admission, outages, outgoing
from bot.handlers.rules import Rules
from bot.holding import LEASE, Holding
from bot.pacing import Pacing
from bot.store import outbox
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from bot.telemetry.metrics import Metrics
from channels.base import Refusal

_log = logging.getLogger(__name__)

CALL_S = 900.0
"""Longer than the longest provider call: SMTP's last reply may take 10 minutes."""

_UNSETTLED_AFTER = timedelta(seconds=60)
GATHER_S = 0.02
"""What falls due by and by is gathered for so long, for a claim costs most of what a batch does.
What is newly owed is not kept waiting: it wakes the lane."""
_PATIENCE_S = 30.0
_POLL_S = 1.0
_BEAT_S = 5.0
_PAUSE_S = 0.05
_FIRST_ROOM = 4
"""What a process holds when it dies counts as perhaps sent. One that dies soon after each start
claims little before it has shown that it lives, so that it does not use up the tries of much."""
_WIDENS_BY = 8
"""Rows more for each that ends: a full lane is reached after two calls in a row, fast or slow."""


_Ended = tuple[OutboxItem, Outcome]
_ENDS: dict[type[Outcome], str] = {
    Done: "done",
    RetryLater: "retry_later",
    Refused: "refused",
    Uncertain: "uncertain",
    Unfound: "unfound",
    Found: "found",
}
"""What they are called in the metrics."""


class Performs(Protocol):
    """What the relay needs of the dispatcher."""

    async def perform(self, item: OutboxItem) -> Outcome:
        """Do one thing, once; never raises but for cancellation."""


@dataclass(slots=True)
class Lane:
    """One provider's queue: its pace and how much of it may be under way at once.

    A few rows more than there are calls are claimed, so that no call waits for the next claim:
    they are `ready`, each with the monotonic time of its claim.
    """

    name: str
    rate_per_s: float | None
    width: int
    ready: "deque[tuple[OutboxItem, float]]" = field(default_factory=deque)
    calls: int = 0
    under_way: int = 0
    """Rows that are claimed and have not ended: those ready and the calls."""
    is_idle: bool = False
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    breaker: Breaker = field(default_factory=Breaker)
    room: int = _FIRST_ROOM
    """Rows that may be claimed by now: it grows by each one that ends."""

    @property
    def ahead(self) -> int:
        """Rows claimed beyond the calls that may be under way."""
        return self.width // 4

    @property
    def free(self) -> int:
        """Rows that may be claimed beside those under way."""
        return min(self.room, self.width + self.ahead) - self.under_way

    def widen(self, ended: int) -> None:
        """Make room, since so many more have ended well and been written."""
        self.room = min(self.room + _WIDENS_BY * ended, self.width + self.ahead)
        self.freed.set()


class Relay:
    """One loop a lane, one writer of outcomes for all of them."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        dispatcher: Performs,
        coordination: Coordination,
        *,
        rates: Mapping[str, float],
        customer_rates: Mapping[str, float] | None = None,
        worker: str,
        new_token: Callable[[], str],
        clock: Callable[[], datetime],
        metrics: Metrics,
        beat: Callable[[str], None] = lambda name: None,
        width: int = 128,
        poll_s: float | None = None,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            store: where the outbox is.
            rules: passed to the handlers.
            dispatcher: performs one row.
            coordination: shared rate limits and wake-ups.
            rates: messages a second for each lane that has a limit.
            customer_rates: messages a second to one address, for each lane that has a limit.
            worker: this process's name in the claims.
            new_token: a fresh random token for each claim.
            clock: the present time.
            metrics: counts how calls end.
            beat: told each time a loop of this name goes round.
            width: calls under way at once in each lane.
            poll_s: longest wait without a wake-up; a second unless wake-ups are sure to be heard.
        """
        self._store = store
        self._rules = rules
        self._dispatcher = dispatcher
        self._coordination = coordination
        self._worker = worker
        self._new_token = new_token
        self._clock = clock
        self._metrics = metrics
        # Finding a counter by its labels costs as much as counting: each is looked up once.
        self._count_outcome = functools.cache(metrics.outcomes.labels)
        self._time_call = functools.cache(metrics.call_seconds.labels)
        self._beat = beat
        self._poll_s = _POLL_S if poll_s is None else poll_s
        self._lanes = [Lane(name, rates.get(name), width) for name in outbox.LANES]
        self._holding = Holding(store)
        self._pacing = {
            name: Pacing(coordination, name, rate) for name, rate in (customer_rates or {}).items()
        }
        self._ended: list[_Ended] = []
        self._changes: list[tuple[Lane, Change, str]] = []
        self._unsettled: dict[int, datetime] = {}
        self._unwritten = 0
        """Calls whose end is in no book yet: each is in doubt if the process dies, so they are few
        however slow the database is."""
        self._has_ended = asyncio.Event()
        self._calls: dict[asyncio.Task[None], float] = {}
        """When the calls under way began."""
        self._overlong: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._is_drained = False

    async def run(self) -> None:
        """Work until `stop`; then finish what is under way and write its outcome."""
        settler = asyncio.create_task(self._settle_forever())
        keeper = asyncio.create_task(self._holding.keep())
        try:
            await asyncio.gather(*(self._drain(lane) for lane in self._lanes))
            while self._calls:
                await asyncio.wait(set(self._calls))
            self._is_drained = True
            self._has_ended.set()
            await settler
        finally:
            settler.cancel()
            keeper.cancel()

    def stop(self) -> None:
        """Claim nothing more."""
        self._is_stopping = True
        for lane in self._lanes:
            lane.freed.set()
            self._coordination.wake(outbox.topic(lane.name))

    async def _drain(self, lane: Lane) -> None:
        while not self._is_stopping:
            self._beat(f"relay.{lane.name}")
            try:
                wait_s = await self._claim_some(lane)
            except Exception:
                _log.exception("cannot claim in lane %s", lane.name)
                wait_s = _POLL_S
            if wait_s > 0 and not self._is_stopping:
                await self._coordination.wait(outbox.topic(lane.name), wait_s)

    async def _claim_some(self, lane: Lane) -> float:
        """Start what is due and allowed; give the seconds to wait before looking again."""
        free = lane.free
        is_behind = self._unwritten > 2 * (lane.width + lane.ahead)
        if lane.under_way > lane.width + lane.ahead // 2 or free <= 0 or is_behind:
            lane.freed.clear()
            await _within(lane.freed, _POLL_S)
            return 0.0
        now = self._clock()
        wanted = lane.breaker.allowed(free, under_way=lane.under_way, now=now)
        if wanted == 0:
            return _POLL_S
        if lane.rate_per_s is not None or lane.is_idle:
            # A look writes nothing: where nothing was found, it is cheaper than another claim.
            due_at = await self._next_due(lane)
            if due_at is None or due_at > self._clock():
                return self._until(due_at)
        if lane.rate_per_s is not None:
            wanted = await self._coordination.take(f"send:{lane.name}", lane.rate_per_s, wanted)
            if wanted == 0:
                await asyncio.sleep(_PAUSE_S)
                return 0.0
        items = await self._paced(lane, await self._claim(lane.name, wanted))
        if lane.rate_per_s is not None and len(items) < wanted:
            unused = wanted - len(items)
            await self._coordination.give_back(f"send:{lane.name}", lane.rate_per_s, unused)
        self._holding.take(items)
        for item in items:
            self._start(lane, item)
        lane.is_idle = not items
        return GATHER_S if 0 < len(items) < wanted else 0.0

    async def _paced(self, lane: Lane, items: list[OutboxItem]) -> list[OutboxItem]:
        """Those that their customers may get now; the others go back, none counts as tried."""
        pacing = self._pacing.get(lane.name)
        if pacing is None or not items:
            return items
        going, waits = await pacing.admit(items)
        if waits:
            await self._store.transact(lambda tx: outgoing.put_back(tx, waits))
        return going

    async def _claim(self, lane: str, limit: int) -> list[OutboxItem]:
        """Claim a batch, or row by row if one of them cannot be claimed."""
        try:
            return await self._claim_by(outgoing.claim, lane, limit)
        except Exception:
            _log.exception("cannot claim %d rows of lane %s at once", limit, lane)
        return await self._claim_by(admission.claim_each, lane, limit)

    async def _claim_by(
        self, claim: Callable[..., list[OutboxItem]], lane: str, limit: int
    ) -> list[OutboxItem]:
        told = {"lease": LEASE, "token": self._new_token(), "worker": self._worker}
        return await self._store.transact(
            lambda tx: claim(tx, self._rules, lane=lane, limit=limit, **told)
        )

    async def _next_due(self, lane: Lane) -> datetime | None:
        return await self._store.transact(lambda tx: outbox.next_due(tx, lane.name), is_single=True)

    def _until(self, due_at: datetime | None) -> float:
        if due_at is None:
            return self._poll_s
        return min(max((due_at - self._clock()).total_seconds(), 0.0), self._poll_s)

    def _start(self, lane: Lane, item: OutboxItem) -> None:
        lane.under_way += 1
        lane.ready.append((item, time.monotonic()))
        self._begin_ready(lane)

    def _begin_ready(self, lane: Lane) -> None:
        """Begin as many calls as are free."""
        while lane.ready and lane.calls < lane.width:
            lane.calls += 1
            task = asyncio.create_task(self._perform(lane, *lane.ready.popleft()))
            self._calls[task] = time.monotonic()
            task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._calls[task]
        self._overlong.discard(task)

    async def _perform(self, lane: Lane, item: OutboxItem, claimed_s: float) -> None:
        outcome: Outcome = Uncertain("cancelled in mid-call")
        try:
            outcome = await self._call(lane, item, claimed_s)
        except Exception as error:
            _log.exception("performing outbox item %d failed", item.id)
            outcome = Uncertain(f"{type(error).__name__} in mid-call")
        finally:
            lane.calls -= 1
            lane.under_way -= 1
            lane.freed.set()
            self._begin_ready(lane)
            self._note(lane, outcome)
            self._ended.append((item, outcome))
            self._unwritten += 1
            self._has_ended.set()

    async def _call(self, lane: Lane, item: OutboxItem, claimed_s: float) -> Outcome:
        """Perform a row, if a call was free soon; not for ever once it began."""
        began_s = time.monotonic()
        if began_s - claimed_s > _PATIENCE_S:
            return RetryLater("no call was free in time")
        try:
            return await self._dispatcher.perform(item)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task not in self._overlong:
                raise
            task.uncancel()
            return Uncertain("no end of the call in its time")
        finally:
            self._time_call(lane.name).observe(time.monotonic() - began_s)

    def _note(self, lane: Lane, outcome: Outcome) -> None:
        """Remember whether this call got through."""
        match outcome:
            case RetryLater() | Uncertain():
                change = lane.breaker.note_failure(self._clock())
            case Refused(refusal=Refusal.CONFIG) if lane.name == outbox.MIGO_LANE:
                change = lane.breaker.note_failure(self._clock(), is_last=True)
            case _:
                change = lane.breaker.note_through()
        if change is not Change.NOTHING:
            self._metrics.breaker_open.labels(lane.name).set(lane.breaker.is_open)
            reason = "" if isinstance(outcome, Done) else outcome.reason
            self._changes.append((lane, change, reason))

    async def _settle_forever(self) -> None:
        """Write outcomes until no call is left that could bring another."""
        # While staff are told of a change the last call may end: it is written all the same.
        while self._ended or not self._is_drained:
            await _within(self._has_ended, _BEAT_S)
            self._end_overlong()
            self._has_ended.clear()
            await self._settle_rest()

    def _end_overlong(self) -> None:
        """End calls that take too long; looking now and then is cheaper than a timer for each."""
        now_s = time.monotonic()
        for task, began_s in self._calls.items():
            if now_s - began_s > CALL_S and task not in self._overlong:
                self._overlong.add(task)
                task.cancel()

    async def _settle_rest(self) -> None:
        """Write all outcomes known so far; what is not written is kept and tried again."""
        self._beat("relay.settle")
        while self._ended:
            # Calls go on ending meanwhile: under load this takes longer than a loop may stay away.
            self._beat("relay.settle")
            batch, self._ended = self._ended, []
            left = await self._settle(batch)
            if left:
                self._ended = left + self._ended
                await asyncio.sleep(_POLL_S)
        await self._tell_changes()

    async def _tell_changes(self) -> None:
        changes, self._changes = self._changes, []
        for lane, change, why in changes:
            if change is Change.OPENED:
                _log.warning("nothing gets through to %s: %s", lane.name, why)
            await self._tell(
                functools.partial(
                    outages.on_change, rules=self._rules, lane=lane.name, change=change, why=why
                )
            )

    async def _tell(self, news: Callable[[Tx], None]) -> None:
        try:
            await self._store.transact(news)
        except Exception:
            _log.exception("staff could not be told")

    async def _settle(self, batch: list[_Ended]) -> list[_Ended]:
        """Write a batch, or row by row if one of them cannot be written; give what is left."""
        try:
            await self._store.transact(lambda tx: outgoing.settle(tx, self._rules, batch))
        except Exception:
            _log.exception("cannot settle %d outbox items", len(batch))
            if len(batch) == 1:
                await self._note_unsettled(batch[0][0])
                return batch
            return [left for ended in batch for left in await self._settle([ended])]
        self._unwritten -= len(batch)
        self._count(batch)
        for item, _ in batch:
            self._unsettled.pop(item.id, None)
        self._holding.let_go(item for item, _ in batch)
        ended = Counter(item.lane for item, _ in batch)
        for lane in self._lanes:
            lane.widen(ended[lane.name])
        return []

    def _count(self, batch: list[_Ended]) -> None:
        kinds = Counter((item.lane, item.purpose or item.kind, type(end)) for item, end in batch)
        for (lane, what, end), count in kinds.items():
            self._count_outcome(lane, what, _ENDS[end]).inc(count)

    async def _note_unsettled(self, item: OutboxItem) -> None:
        """Tell a person of an outcome that cannot be written for long."""
        since = self._unsettled.setdefault(item.id, self._clock())
        if self._clock() - since >= _UNSETTLED_AFTER:
            await self._tell(lambda tx: outages.tell_unsettled(tx, self._rules, item))


async def _within(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event, but not for long: who waits beats in between."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
