"""APScheduler 3 with one job a reminder, in the stores that its guide names."""

import asyncio
import logging
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from apscheduler.jobstores.redis import RedisJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

TICKS, ADDED = 200, 100
_WAIT_S = 90.0


@dataclass(frozen=True, slots=True)
class Peer:
    """What was measured of one job store."""

    name: str
    jobs: int
    tick_ms: float
    add_ms: float
    ran: int
    missed: int
    due_s: float


async def remind(number: int) -> None:
    """What a job does: nothing."""


def with_jobs(folder: Path, redis_url: str | None, *, jobs: int, due: int) -> Iterator[Peer]:
    """Measure the stores one after the other; Redis where it is installed."""
    # It says a line for each job that it misses; they are counted.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    engine = _durable(folder / "jobs.db")
    yield asyncio.run(
        _measure("SQLAlchemy on SQLite", SQLAlchemyJobStore(engine=engine), jobs, due)
    )
    engine.dispose()
    if redis_url is None:
        print("  Redis is not installed: left out")
        return
    host, _, port = redis_url.removeprefix("redis://").partition("/")[0].partition(":")
    in_memory = RedisJobStore(host=host, port=int(port))
    yield asyncio.run(_measure("Redis", in_memory, jobs, due))


def _durable(path: Path) -> sa.Engine:
    """A file as ours is opened: WAL and synchronous FULL."""
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


async def _measure(name: str, store: Any, jobs: int, due: int) -> Peer:
    scheduler = AsyncIOScheduler(jobstores={"default": store}, timezone="UTC")
    # Paused: jobs go straight to the store, and nothing runs before it is told to.
    scheduler.start(paused=True)
    later = datetime.now(UTC) + timedelta(days=1)
    for number in range(jobs - ADDED):
        _add(scheduler, number, later + timedelta(seconds=number))
    took = []
    for number in range(jobs - ADDED, jobs):
        began = time.perf_counter()
        _add(scheduler, number, later + timedelta(seconds=number))
        took.append(time.perf_counter() - began)
    scheduler.resume()
    tick_ms = _ticks(scheduler)
    add_s = statistics.median(took)
    ran, missed, due_s = await _due(scheduler, due, add_s)
    scheduler.shutdown(wait=False)
    return Peer(name, jobs, tick_ms, add_s * 1000, ran, missed, due_s)


def _add(scheduler: AsyncIOScheduler, number: int, at: datetime) -> None:
    scheduler.add_job(remind, "date", run_date=at, args=[number], id=str(number))


def _ticks(scheduler: AsyncIOScheduler) -> float:
    took = []
    for _ in range(TICKS):
        began = time.perf_counter()
        scheduler._process_jobs()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


async def _due(scheduler: AsyncIOScheduler, due: int, add_s: float) -> tuple[int, int, float]:
    """Have jobs fall due at one moment; how many ran, and were missed by the default grace."""
    ran, missed = 0, 0

    def note(event: Any) -> None:
        nonlocal ran, missed
        if event.code == EVENT_JOB_MISSED:
            missed += 1
        else:
            ran += 1

    scheduler.add_listener(note, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
    scheduler.pause()
    # Long enough away that all of them are set before it comes.
    at = datetime.now(UTC) + timedelta(seconds=1 + 2 * add_s * due)
    for number in range(due):
        scheduler.reschedule_job(str(number), trigger="date", run_date=at)
    await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds() - 0.5))
    began = time.perf_counter() + max(0.0, (at - datetime.now(UTC)).total_seconds())
    scheduler.resume()
    deadline = time.perf_counter() + _WAIT_S
    while ran + missed < due and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    return ran, missed, time.perf_counter() - began
