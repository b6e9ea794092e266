"""Facts received, byte for byte, before anything is made of them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from bot.store.engine import Store, Tx
from bot.store.rows import bound
from bot.store.schema import inbox, to_microseconds

TOPIC = "inbox"

_PATIENCE_S = 10.0
"""How long a request may wait for its commit; who sent it repeats it then."""

MAX_DEATHS = 8
"""After so many deaths of its worker an item is taken for the cause; that takes two minutes."""


class Source(StrEnum):
    """Who sent it; each has one reader in intake."""

    MIGO = "migo"
    """A payment callback."""
    TWILIO_STATUS = "twilio_status"
    """A delivery report for WhatsApp or SMS."""
    TWILIO_INBOUND = "twilio_inbound"
    """A person wrote over WhatsApp or SMS."""
    TELEGRAM = "telegram"
    """A Telegram update."""


@dataclass(frozen=True, slots=True)
class Received:
    """A verified request as it came; `event_id` names the event where the provider does not.

    `received_at` is None for now; what waited elsewhere says since when.
    """

    source: Source
    event_id: str | None
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A claimed inbox row."""

    id: int
    source: Source
    event_id: str | None
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    attempts: int
    token: str


def record(tx: Tx, received: Sequence[Received]) -> None:
    """Store a batch in one statement; a repeat only counts up `seen_count`. Safe to repeat."""
    firsts: dict[tuple[str, str | None], list[Any]] = {}
    at = to_microseconds(tx.now)
    for number, item in enumerate(received):
        key = (item.source.value, item.event_id or f"\0{number}")
        if key in firsts:
            firsts[key][-1] += 1
            continue
        headers = _written(tuple(item.headers.items()))
        came = at if item.received_at is None else to_microseconds(item.received_at)
        row = [item.source.value, item.event_id, item.url, headers, item.body, came, at, 1]
        firsts[key] = row
    if firsts:
        # In one order for all, so that two doors with the same events cannot lock each other out;
        # the length first keeps Telegram's rising numbers in theirs.
        rows = sorted(firsts.values(), key=lambda row: (row[0], len(row[1] or ""), row[1] or ""))
        mark = "?" if tx.is_sqlite else "%s"
        parameters = tuple(value for row in rows for value in row)
        tx.conn.exec_driver_sql(_insert_sql(len(rows), mark), parameters)
    tx.wake(TOPIC)


@lru_cache(maxsize=512)
def _written(headers: tuple[tuple[str, str], ...]) -> str:
    """Headers as they are stored; a provider sends the same ones with each request."""
    return json.dumps(dict(headers))


@lru_cache(maxsize=512)
def _insert_sql(rows: int, mark: str) -> str:
    """One INSERT for so many rows.

    Written out rather than built: executing it row by row would hand the interpreter to the event
    loop and back once a row, and SQLAlchemy would compile each size anew.
    """
    names = "source, event_id, url, headers, body, received_at, not_before, seen_count"
    marks = ", ".join([mark] * 8)
    values = ", ".join([f"({marks})"] * rows)
    return (
        f"INSERT INTO inbox ({names}) VALUES {values} "  # noqa: S608 - marks only, no values
        "ON CONFLICT (source, event_id) DO UPDATE SET "
        "seen_count = inbox.seen_count + excluded.seen_count"
    )


_COLUMNS = (
    inbox.c.id,
    inbox.c.source,
    inbox.c.event_id,
    inbox.c.url,
    inbox.c.headers,
    inbox.c.body,
    inbox.c.received_at,
    inbox.c.attempts,
    inbox.c.deaths,
)


def claim(tx: Tx, *, limit: int, lease: timedelta, token: str) -> list[InboxItem]:
    """Take the oldest due items for `lease`; the try is counted before the work.

    One that a worker died over is taken alone, so that no other is blamed for the next death.
    """
    told = {
        "b_limit": limit,
        "b_token": token,
        "b_until": tx.lease_now + lease,
        "b_now": tx.now,
    }
    rows = _isolate(tx, tx.run(_CLAIM if tx.is_sqlite else _CLAIM_THERE, told).all())
    items = [
        InboxItem(
            id=row.id,
            source=Source(row.source),
            event_id=row.event_id,
            url=row.url,
            headers=row.headers,
            body=row.body,
            received_at=row.received_at,
            attempts=row.attempts,
            token=token,
        )
        for row in rows
    ]
    return sorted(items, key=lambda item: item.id)


def _claiming(due: "sa.Select[tuple[int]]") -> ReturningUpdate[Any]:
    return (
        inbox.update()
        .where(inbox.c.id.in_(due))
        .values(
            status="claimed",
            token=bound(inbox.c.token),
            lease_until=bound(inbox.c.lease_until, "until"),
            attempts=inbox.c.attempts + 1,
        )
        .returning(*_COLUMNS)
    )


_due = (
    sa.select(inbox.c.id)
    .where(inbox.c.status == "new", inbox.c.not_before <= bound(inbox.c.not_before, "now"))
    .order_by(inbox.c.not_before, inbox.c.id)
    .limit(sa.bindparam("b_limit", type_=sa.Integer))
)
_CLAIM, _CLAIM_THERE = _claiming(_due), _claiming(_due.with_for_update(skip_locked=True))


def _isolate(tx: Tx, rows: "Sequence[sa.Row[Any]]") -> "Sequence[sa.Row[Any]]":
    suspects = [row for row in rows if row.deaths]
    if not suspects or len(rows) == 1:
        return rows
    others = [row.id for row in rows if row.id != suspects[0].id]
    tx.run(
        inbox.update()
        .where(inbox.c.id.in_(others))
        .values(status="new", attempts=inbox.c.attempts - 1, lease_until=None)
    )
    return suspects[:1]


def finish(tx: Tx, item: InboxItem, *, status: str = "done", error: str | None = None) -> bool:
    """End an item as `done`, `held` or `dead`; False if another worker owns it by now."""
    result = tx.run(
        _FINISH,
        {
            "b_id": item.id,
            "b_token": item.token,
            "b_status": status,
            "b_now": tx.now,
            "b_error": error,
        },
    )
    return result.rowcount == 1


_FINISH = (
    inbox.update()
    .where(
        inbox.c.id == sa.bindparam("b_id"),
        inbox.c.token == sa.bindparam("b_token"),
        inbox.c.status == "claimed",
    )
    .values(
        status=sa.bindparam("b_status"),
        ended_at=sa.bindparam("b_now", type_=inbox.c.ended_at.type),
        last_error=sa.bindparam("b_error"),
        lease_until=None,
    )
)


def forget_body(tx: Tx, item_id: int) -> None:
    """Keep nothing of what an item said, to be called by the transaction that ends it.

    Until that is committed the bytes stay, so that a death before it loses nothing; a repeat of the
    event only counts up, and brings them back no more.
    """
    tx.run(inbox.update().where(inbox.c.id == item_id).values(body=b""))


def postpone(tx: Tx, item: InboxItem, *, delay: timedelta, error: str) -> None:
    """Give an item back, to be taken again after `delay`; nothing if it is no longer held."""
    tx.run(
        inbox.update()
        .where(inbox.c.id == item.id, inbox.c.token == item.token, inbox.c.status == "claimed")
        .values(status="new", not_before=tx.now + delay, last_error=error, lease_until=None)
    )


def release_lapsed(tx: Tx, *, all_claims: bool = False) -> tuple[int, list[int]]:
    """Give back what dead workers hold; handling has no outside effect, so this is always safe.

    At once, but what a worker died over before waits: 2 s, then twice as long each time, so that
    what comes after it is handled even if each start dies of it.

    Args:
        tx: the transaction.
        all_claims: every claim is stale, as when this process is the only one on the file.

    Returns:
        How many were given back, and the ids of those set aside as dead.
    """
    lapsed = inbox.c.status == "claimed"
    if not all_claims:
        lapsed &= inbox.c.lease_until < tx.lease_now
    is_fatal = inbox.c.deaths + 1 >= MAX_DEATHS
    wait = sa.literal(1_000_000, sa.BigInteger).bitwise_lshift(inbox.c.deaths)
    again_at = sa.literal(to_microseconds(tx.now), sa.BigInteger) + wait
    released = tx.run(
        inbox.update()
        .where(lapsed)
        .values(
            status=sa.case((is_fatal, "dead"), else_="new"),
            ended_at=sa.case((is_fatal, sa.literal(tx.now, type_=inbox.c.ended_at.type))),
            deaths=inbox.c.deaths + 1,
            not_before=sa.case((inbox.c.deaths > 0, again_at), else_=inbox.c.not_before),
            lease_until=None,
        )
        .returning(inbox.c.id, inbox.c.status)
    ).all()
    set_aside = [row.id for row in released if row.status == "dead"]
    if len(released) > len(set_aside):
        tx.wake(TOPIC)
    return len(released) - len(set_aside), set_aside


def next_due(tx: Tx) -> datetime | None:
    """When the next waiting item may be taken."""
    return tx.run(_NEXT_DUE).scalar()


_NEXT_DUE = (
    sa.select(inbox.c.not_before)
    .where(inbox.c.status == "new")
    .order_by(inbox.c.not_before, inbox.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much was received and is not handled yet, and since when."""

    due: int
    oldest_at: datetime | None


def waiting(tx: Tx) -> Waiting:
    """What is not handled yet, for metrics."""
    row = tx.run(
        sa.select(
            sa.func.count().label("number"), sa.func.min(inbox.c.received_at).label("oldest_at")
        ).where(inbox.c.status == "new", inbox.c.not_before <= tx.now)
    ).one()
    return Waiting(row.number, row.oldest_at)


class Door:
    """Stores requests in shared commits: all that arrive while one is in flight share the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Received, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, item: Received) -> None:
        """Return once `item` is durable.

        Raises:
            TimeoutError: the database did not answer; it may be stored all the same.
            Exception: the database refused the batch; nothing of it is stored.
        """
        async with asyncio.timeout(_PATIENCE_S):
            await self.offer(item)

    def offer(self, item: Received) -> asyncio.Future[None]:
        """As `put`, for a caller with a limit to its patience.

        Returns:
            What ends when `item` is durable or refused. One that was ended by its caller before its
            commit began is left out; after that it may be stored all the same.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = [each for each in self._waiting if not each[1].done()]
                self._waiting = []
                await self._commit(batch)
        finally:
            self._flushing = None

    async def _commit(self, batch: list[tuple[Received, asyncio.Future[None]]]) -> None:
        items = [item for item, _ in batch]
        error: Exception | None = None
        try:
            await self._store.transact(lambda tx: record(tx, items), is_single=True)
        except Exception as failure:  # noqa: BLE001 - each waiting request is told
            error = failure
        for _, future in batch:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
