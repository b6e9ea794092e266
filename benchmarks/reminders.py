"""A million reminders that wait: ours on both engines, beside a scheduler with a job for each.

Ours is a row with its customer, payment and link; the peers hold fewer jobs, as said in their
heads, since adding each of them takes a transaction of its own.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import uvloop

from benchmarks import rows
from benchmarks.jobs import Peer, with_jobs
from benchmarks.servers import RULES
from bot.handlers import outgoing, series
from bot.memory import spare_what_stays
from bot.relay import GATHER_S
from bot.store import outbox, payments
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from channels.base import ChannelName
from tests.services import fresh_database, started_postgres, started_redis

ROWS, JOBS, DUE = 1_000_000, 20_000, 5_000
TICKS, ADDED = 500, 200
ASKED_TICK_MS, ASKED_DUE_S, ASKED_ROWS = 1.0, 0.5, 1
MEMORY_MB = 16.0
"""What a process may grow by and still be called flat: a connection's statement cache and pages."""

_CHUNK = 100_000
_BATCH = 160
"""As many as a lane of the relay takes at once."""
_LANE = rows.LANES[0]
_LEASE = timedelta(seconds=90)
_PAUSE_S = 0.005
_RULES = replace(RULES, couriers=frozenset(map(ChannelName, rows.LANES)))
_PATIENCE = timedelta(seconds=60)


class Clock:
    """Goes on from `rows.START`; `late_by` moves it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.late_by = timedelta(0)

    def __call__(self) -> datetime:
        return rows.START + timedelta(seconds=time.monotonic() - self._began) + self.late_by


class Ours:
    """The outbox of one engine with all its reminders."""

    def __init__(self, url: str) -> None:
        self._clock = Clock()
        self._store = Store(url, clock=self._clock)
        self._tokens = iter(range(10**9))

    async def measure(self, count: int) -> "Figures":
        """Fill the tables, then look, add and claim."""
        self._store.open()
        rows.create(self._store)
        await self._fill(1, min(_CHUNK, count))
        rows.settle(self._store)
        # What a first claim brings in, as a year's holidays, is no part of what many rows take.
        await self._due(range(2 * DUE + ADDED + 1, 3 * DUE + ADDED + 1), within=timedelta(0))
        await self._ticks(TICKS)
        spare_what_stays()
        before = _memory_mb()
        for first in range(_CHUNK + 1, count + 1, _CHUNK):
            await self._fill(first, min(first + _CHUNK - 1, count))
        rows.settle(self._store)
        look_ms, look_cpu_ms = await self._looks(TICKS)
        tick_ms = await self._ticks(TICKS)
        grown = _memory_mb() - before
        add_ms, added = await self._add(ADDED)
        spread = await self._due(range(1, DUE + 1), within=timedelta(seconds=1))
        others = range(DUE + ADDED + 1, 2 * DUE + ADDED + 1)
        at_once = await self._due(others, within=timedelta(0))
        grown = max(grown, _memory_mb() - before)
        await self._store.close()
        return Figures(look_ms, look_cpu_ms, tick_ms, grown, add_ms, added, spread, at_once)

    async def _fill(self, first: int, last: int) -> None:
        await self._store.transact(lambda tx: rows.fill(tx, first=first, last=last))

    async def _ticks(self, count: int) -> float:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            claimed = await self._claim(_BATCH)
            await self._look()
            took.append(time.perf_counter() - began)
            if claimed:
                raise RuntimeError("nothing was due")
        return statistics.median(took) * 1000

    async def _look(self) -> None:
        await self._store.transact(lambda tx: outbox.next_due(tx, _LANE), is_single=True)

    async def _looks(self, count: int) -> tuple[float, float]:
        """Milliseconds of a round of the relay where nothing is due, and its CPU."""
        took, cpu_began = [], time.process_time()
        for _ in range(count):
            began = time.perf_counter()
            await self._look()
            took.append(time.perf_counter() - began)
        cpu_ms = (time.process_time() - cpu_began) / count * 1000
        return statistics.median(took) * 1000, cpu_ms

    async def _claim(self, limit: int, lane: str = _LANE) -> list[OutboxItem]:
        told = {"lane": lane, "lease": _LEASE, "token": f"token{next(self._tokens)}"}
        return await self._store.transact(
            lambda tx: outgoing.claim(tx, _RULES, limit=limit, worker="bench", **told)  # type: ignore[arg-type]
        )

    async def _add(self, count: int) -> tuple[float, float]:
        """Milliseconds of planning a payment's next reminder, and the rows that this writes."""
        numbers = range(DUE + 1, DUE + count + 1)
        await self._store.transact(lambda tx: rows.let_go(tx, numbers))
        before = await self._store.transact(rows.written)
        took = []
        for number in numbers:
            began = time.perf_counter()
            await self._store.transact(partial(_plan, payment_id=rows.payment_id(number)))
            took.append(time.perf_counter() - began)
        after = await self._store.transact(rows.written)
        return statistics.median(took) * 1000, (after - before) / count

    async def _due(self, numbers: range, *, within: timedelta) -> "Due":
        """Claim very many that fall due one after the other, as the relay's lanes do."""
        at = self._clock()
        await self._store.transact(lambda tx: rows.make_due(tx, numbers, at=at, within=within))
        # Writing that many rows took a while, by which all are late before the first claim.
        self._clock.late_by -= self._clock() - at
        drained = await asyncio.gather(
            *(self._drain(lane, len(numbers) // len(rows.LANES), since=at) for lane in rows.LANES)
        )
        claimed, latest = sum(each for each, _ in drained), max(late for _, late in drained)
        return Due(claimed, latest.total_seconds(), (self._clock() - at).total_seconds())

    async def _drain(self, lane: str, count: int, *, since: datetime) -> tuple[int, timedelta]:
        """Claim what falls due in a lane; each has a loop of its own, as in the relay."""
        claimed, latest = 0, timedelta(0)
        while claimed < count and self._clock() - since < _PATIENCE:
            items = await self._claim(_BATCH, lane)
            claimed += len(items)
            if items:
                late = self._clock() - min(item.not_before for item in items)
                latest = max(latest, late)
            if len(items) < _BATCH:
                await asyncio.sleep(GATHER_S if items else _PAUSE_S)
        return claimed, latest


def _plan(tx: Tx, payment_id: str) -> None:
    """What is done once a payment's link was made."""
    payment = payments.read(tx, payment_id)
    if payment is None:
        raise RuntimeError("a payment is gone")
    series.begin(tx, _RULES, payment)


@dataclass(frozen=True, slots=True)
class Due:
    """How many were claimed, how late the latest was, and how long all took, in seconds."""

    claimed: int
    latest_s: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of ours on one engine."""

    look_ms: float
    look_cpu_ms: float
    tick_ms: float
    grown_mb: float
    add_ms: float
    rows_added: float
    spread: Due
    at_once: Due

    def lines(self) -> Iterator[tuple[str, str, bool]]:
        """What is asked, what was reached, and whether that is enough."""
        yield (
            f"idle tick {self.look_ms:8.3f} ms, CPU {self.look_cpu_ms:.3f} ms",
            f"{ASKED_TICK_MS:.0f} ms",
            self.look_ms < ASKED_TICK_MS,
        )
        yield (
            f"and with a claim {self.tick_ms:.3f} ms",
            f"{ASKED_TICK_MS:.0f} ms",
            self.tick_ms < ASKED_TICK_MS,
        )
        yield f"memory grew {self.grown_mb:6.1f} MB", "flat", self.grown_mb <= MEMORY_MB
        yield (
            f"adding one {self.add_ms:7.3f} ms, {self.rows_added:g} row",
            "1 row",
            self.rows_added == ASKED_ROWS,
        )
        yield (
            f"{self.spread.claimed:,} due in a second, each within {self.spread.latest_s:.3f} s",
            f"{ASKED_DUE_S} s, all",
            self.spread.latest_s <= ASKED_DUE_S and self.spread.claimed == DUE,
        )
        yield (
            f"{self.at_once.claimed:,} due at one moment, in {self.at_once.took_s:.3f} s",
            f"{ASKED_DUE_S} s, all",
            self.at_once.took_s <= ASKED_DUE_S and self.at_once.claimed == DUE,
        )


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not say")


@contextmanager
def _databases() -> Iterator[Iterator[tuple[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="paybot-bench-") as folder:
        path = Path(folder)
        path.chmod(0o711)
        with started_postgres(path) as server:
            yield _urls(path, server)


def _urls(folder: Path, server: str | None) -> Iterator[tuple[str, str]]:
    yield "SQLite", f"sqlite:///{folder}/reminders.db"
    if server is None:
        print("  PostgreSQL is not installed: left out")
        return
    with fresh_database(server) as url:
        yield "PostgreSQL", url


def _show_ours(name: str, figures: Figures) -> bool:
    print(f"  paybot on {name}, {ROWS:,} waiting")
    reached = True
    for text, asked, is_enough in figures.lines():
        word = "reached" if is_enough else "MISSED"
        print(f"    {text:<44} asked: {asked:<12} {word}")
        reached &= is_enough
    return reached


def _show_peer(peer: Peer, ours: Figures) -> None:
    print(f"  APScheduler 3, {peer.name}, a job for each of {peer.jobs:,}")
    print(f"    idle tick {peer.tick_ms:8.3f} ms   {peer.tick_ms / ours.look_ms:6.1f} times ours")
    print(f"    adding one {peer.add_ms:7.3f} ms   {peer.add_ms / ours.add_ms:6.1f} times ours")
    print(
        f"    {DUE:,} due: {peer.ran:,} ran, {peer.missed:,} missed in {peer.due_s:.1f} s"
        f"   {peer.due_s / ours.at_once.took_s:.1f} times ours"
    )


def main() -> bool:
    """Run ours on both engines and the peers; True if all that is asked for is reached."""
    print(f"reminders: {ROWS:,} waiting, {DUE:,} due in one second, one process")
    reached, measured = True, []
    with _databases() as databases:
        for name, url in databases:
            figures = uvloop.run(Ours(url).measure(ROWS))
            reached &= _show_ours(name, figures)
            measured.append(figures)
    with tempfile.TemporaryDirectory() as folder, started_redis(Path(folder)) as redis_url:
        for peer in with_jobs(Path(folder), redis_url, jobs=JOBS, due=DUE):
            _show_peer(peer, measured[0])
    return reached
