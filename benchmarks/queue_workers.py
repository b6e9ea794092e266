"""The workers that `benchmarks.queue` compares: fill a queue, say so, and empty it when told to.

Prints seconds and CPU seconds from the start of the work to its last item's end.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import uvloop

from benchmarks.servers import RULES, now
from bot.coordination import open_coordination
from bot.domain.delivery import Done, Outcome, Purpose, Sent
from bot.memory import spare_what_stays
from bot.relay import Relay
from bot.store import outbox
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from bot.store.outbox import NewItem
from bot.store.schema import metadata
from bot.telemetry.metrics import Metrics
from channels.base import ChannelName

_LOOK_S = 0.05
Work = Callable[[], Awaitable[None]]


async def _timed(work: Work) -> None:
    """Wait for the word, then tell how long the work took."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, cpu_began = time.perf_counter(), time.process_time()
    await work()
    print(time.perf_counter() - began, time.process_time() - cpu_began, flush=True)


class Accepts:
    """A dispatcher whose provider takes everything at once."""

    async def perform(self, item: OutboxItem) -> Outcome:
        return Done(Sent(f"SM{item.id}", now()))


def _message(number: int) -> NewItem:
    return NewItem(
        kind=outbox.SEND,
        lane=ChannelName.SMS.value,
        key=f"bench:{number}",
        not_before=now(),
        give_up_at=now() + timedelta(hours=1),
        purpose=Purpose.REPLY,
        channel=ChannelName.SMS,
        address=f"+502{50000000 + number}",
        payload={"text": "Hola"},
    )


def _fill(tx: Tx, count: int) -> None:
    outbox.add(tx, [_message(number) for number in range(count)])


async def ours(url: str, count: int) -> None:
    """Our relay, over a dispatcher that calls nobody."""
    coordination = open_coordination(None, process="benchmark")
    store = Store(url, clock=now, on_wake=coordination.wake)
    store.open()
    metadata.drop_all(store.engine)
    metadata.create_all(store.engine)
    await store.transact(lambda tx: _fill(tx, count))
    _analyze(store)
    tokens = iter(range(10**9))
    relay = Relay(
        store,
        RULES,
        Accepts(),
        coordination,
        rates={},
        worker="benchmark",
        new_token=lambda: f"token{next(tokens)}",
        clock=now,
        metrics=Metrics(),
    )

    spare_what_stays()

    async def work() -> None:
        running.append(asyncio.create_task(relay.run()))
        while await store.transact(_waits):
            await asyncio.sleep(_LOOK_S)

    running: list[asyncio.Task[None]] = []
    await _timed(work)
    relay.stop()
    await asyncio.gather(*running)
    await store.close()


def _analyze(store: Store) -> None:
    import sqlalchemy as sa

    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze"))


def _waits(tx: Tx) -> bool:
    import sqlalchemy as sa

    from bot.store.schema import outbox as table

    waiting = sa.select(table.c.id).where(table.c.status == "pending").limit(1)
    going = sa.select(table.c.id).where(table.c.status == "sending").limit(1)
    return tx.run(waiting).first() is not None or tx.run(going).first() is not None


async def pgqueuer(url: str, count: int, batch: int) -> None:
    """Its documented consumer over psycopg, until its queue is empty."""
    import psycopg
    from pgqueuer import PgQueuer
    from pgqueuer.models import Job
    from pgqueuer.queries import Queries

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    queue = PgQueuer.from_psycopg_connection(connection)

    @queue.entrypoint("send")
    async def send(job: Job) -> None:
        pass

    queries = Queries.from_psycopg_connection(connection)
    if not await queries.schema_is_installed():
        await queries.install()
    for first in range(0, count, 1000):
        size = min(1000, count - first)
        await queries.enqueue(["send"] * size, [b'{"text": "Hola"}'] * size, [0] * size)
    await connection.execute("vacuum analyze")

    # Its own connection, and as seldom as ours is asked.
    watch = await psycopg.AsyncConnection.connect(url, autocommit=True)

    async def waits() -> bool:
        return await (await watch.execute("select 1 from pgqueuer limit 1")).fetchone() is not None

    async def work() -> None:
        # A shorter wait than its own, which only makes it end sooner when it is told to.
        wait = timedelta(seconds=1)
        running.append(asyncio.create_task(queue.run(batch_size=batch, dequeue_timeout=wait)))
        while await waits():
            await asyncio.sleep(_LOOK_S)

    running: list[asyncio.Task[None]] = []
    await _timed(work)
    queue.shutdown.set()
    await asyncio.gather(*running)
    await watch.close()
    await connection.close()


async def taskiq(url: str, count: int) -> None:
    """Its receiver over Redis, a list as its queue."""
    from taskiq.api import run_receiver_task
    from taskiq_redis import ListQueueBroker

    broker = ListQueueBroker(url)
    left, is_done = count, asyncio.Event()

    @broker.task
    async def send(text: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            is_done.set()

    await broker.startup()
    for _ in range(count):
        await send.kiq("Hola")

    async def work() -> None:
        receiver = asyncio.create_task(run_receiver_task(broker))
        await is_done.wait()
        receiver.cancel()
        await asyncio.gather(receiver, return_exceptions=True)

    await _timed(work)
    await broker.shutdown()


def main(kind: str, url: str, count: int, *extra: str) -> None:
    """Run one kind of worker."""
    logging.disable(logging.CRITICAL)
    if kind == "ours":
        uvloop.run(ours(url, count))
    elif kind == "pgqueuer":
        uvloop.run(pgqueuer(url, count, int(extra[0])))
    else:
        uvloop.run(taskiq(url, count))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
