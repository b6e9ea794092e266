"""Claims: rows of the outbox taken for a while, with all that performing them needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.dml import ReturningUpdate

from bot.domain.delivery import Purpose
from bot.domain.payment import Customer, Link, Payment
from bot.store import attempts, links, payments, people
from bot.store.attempts import Attempt, attempt_of
from bot.store.engine import Tx
from bot.store.links import link_of
from bot.store.listed import among
from bot.store.outbox import CREATE_LINK, SEND
from bot.store.payments import payment_of
from bot.store.people import customer_of
from bot.store.rows import bound, labelled, reader
from bot.store.schema import address, customer, link, link_attempt, outbox, payment
from channels.base import Address, ChannelName


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A claimed row with all that performing it needs: money, names, link, address, language."""

    id: int
    kind: str
    lane: str
    key: str
    purpose: Purpose | None
    channel: ChannelName | None
    address: str | None
    route_left: tuple[str, ...]
    payload: Mapping[str, object]
    attempts: int
    tries: int
    uncertain_count: int
    looks_left: int
    token: str
    created_at: datetime
    not_before: datetime
    give_up_at: datetime
    payment: Payment | None
    customer: Customer | None
    link: Link | None
    attempt: Attempt | None
    last_inbound_at: datetime | None
    reach: str
    is_opted_out: bool = False
    """The customer wants no messages on any channel."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is known of a claimed row without reading what it is about."""

    id: int
    tries: int
    last_error: str | None
    payment_id: str | None
    attempt_id: int | None
    customer_id: int | None
    purpose: str | None


def take(
    tx: Tx, *, lane: str, limit: int, lease: timedelta, token: str, worker: str
) -> list[OutboxItem]:
    """Mark the oldest due rows of a lane as `sending` and read all that they need."""
    return read_taken(tx, mark(tx, lane=lane, limit=limit, lease=lease, token=token, worker=worker))


def read_taken(tx: Tx, taken: Sequence[Taken]) -> list[OutboxItem]:
    """Read all that claimed rows need, reminders under their customers' locks.

    What is read of a reminder then holds until the transaction ends, and need not be read again.
    """
    owners = [each.customer_id for each in taken if each.purpose == Purpose.REMINDER.value]
    if owners:
        people.lock_reminded(tx, [owner for owner in owners if owner is not None])
    return _these(tx, [each.id for each in taken])


def mark(
    tx: Tx, *, lane: str, limit: int, lease: timedelta, token: str, worker: str
) -> list[Taken]:
    """Mark the oldest due rows of a lane as `sending`.

    The try is counted before the work, so that a row that kills its worker is counted too.
    """
    told = {
        "b_lane": lane,
        "b_limit": limit,
        "b_token": token,
        "b_worker": worker,
        "b_until": tx.lease_now + lease,
        "b_now": tx.now,
    }
    taken = tx.run(_MARK if tx.is_sqlite else _MARK_THERE, told)
    return [Taken(*row) for row in map(tuple, taken.all())]


def _marking(due: "sa.Select[tuple[int]]") -> ReturningUpdate[Any]:
    # Built once: to build it takes longer than to run it.
    return (
        outbox.update()
        .where(outbox.c.id.in_(due))
        .values(
            status="sending",
            token=bound(outbox.c.token),
            claimed_by=bound(outbox.c.claimed_by, "worker"),
            lease_until=bound(outbox.c.lease_until, "until"),
            attempts=outbox.c.attempts + 1,
            tries=outbox.c.tries + 1,
            updated_at=_NOW,
        )
        .returning(
            outbox.c.id,
            outbox.c.tries,
            outbox.c.last_error,
            outbox.c.payment_id,
            outbox.c.attempt_id,
            outbox.c.customer_id,
            outbox.c.purpose,
        )
    )


_NOW = bound(outbox.c.updated_at, "now")
_due = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.status == "pending",
        outbox.c.lane == bound(outbox.c.lane),
        outbox.c.not_before <= _NOW,
    )
    .order_by(outbox.c.not_before, outbox.c.id)
    .limit(sa.bindparam("b_limit", type_=sa.Integer))
)
_MARK, _MARK_THERE = _marking(_due), _marking(_due.with_for_update(skip_locked=True))


# No more than is read: each value of each row is paid for.
_COLUMNS = tuple(
    outbox.c[name]
    for name in (
        "id",
        "kind",
        "lane",
        "key",
        "purpose",
        "channel",
        "route_left",
        "payload",
        "attempts",
        "tries",
        "uncertain_count",
        "looks_left",
        "token",
        "created_at",
        "not_before",
        "give_up_at",
    )
)


_bound = (
    sa.select(address.c.value)
    .where(address.c.customer_id == outbox.c.customer_id, address.c.channel == outbox.c.channel)
    .order_by(address.c.last_inbound_at.desc().nulls_last(), address.c.id.desc())
    .limit(1)
    .correlate(outbox)
    .scalar_subquery()
)
target = sa.case(
    (outbox.c.address.is_not(None), outbox.c.address),
    (outbox.c.channel == ChannelName.EMAIL.value, customer.c.email),
    (outbox.c.channel == ChannelName.TELEGRAM.value, _bound),
    else_=customer.c.phone,
)
_ENRICHED = (
    sa.select(
        *labelled(_COLUMNS, "o_"),
        *labelled(payments.COLUMNS, "p_"),
        *labelled(people.COLUMNS, "c_"),
        *labelled(links.LINK_COLUMNS, "l_"),
        *labelled(attempts.ATTEMPT_COLUMNS, "a_"),
        target.label("target"),
        address.c.last_inbound_at.label("last_inbound_at"),
        address.c.reach.label("reach"),
        customer.c.is_opted_out.label("is_opted_out"),
    )
    .select_from(outbox)
    .outerjoin(payment, payment.c.id == outbox.c.payment_id)
    .outerjoin(customer, customer.c.id == outbox.c.customer_id)
    .outerjoin(link, link.c.id == outbox.c.link_id)
    .outerjoin(link_attempt, link_attempt.c.id == outbox.c.attempt_id)
    .outerjoin(address, (address.c.channel == outbox.c.channel) & (address.c.value == target))
    .order_by(outbox.c.not_before, outbox.c.id)
)


# Built once, so that it is also compiled once.
_THESE = _ENRICHED.where(among(outbox.c.id, "b_ids"))


def _these(tx: Tx, ids: Sequence[int]) -> list[OutboxItem]:
    if not ids:
        return []
    return [_item_of(row) for row in tx.run(_THESE, {"b_ids": list(ids)}).mappings().all()]


def read(tx: Tx, item_id: int) -> OutboxItem | None:
    """One row with all that belongs to it."""
    items = _these(tx, [item_id])
    return items[0] if items else None


_values = reader(_COLUMNS)


def _item_of(row: RowMapping) -> OutboxItem:
    (
        item_id,
        kind,
        lane,
        key,
        purpose,
        channel,
        route_left,
        payload,
        *counts,
        token,
        made,
        at,
        end,
    ) = _values("o_")(row)
    attempts, tries, uncertain_count, looks_left = counts
    return OutboxItem(
        id=item_id,
        kind=kind,
        lane=lane,
        key=key,
        purpose=None if purpose is None else Purpose(purpose),
        channel=None if channel is None else ChannelName(channel),
        address=row["target"],
        route_left=tuple(route_left),
        payload=payload,
        attempts=attempts,
        tries=tries,
        uncertain_count=uncertain_count,
        looks_left=looks_left,
        token=token or "",
        created_at=made,
        not_before=at,
        give_up_at=end,
        payment=None if row["p_id"] is None else payment_of(row, "p_"),
        customer=None if row["c_id"] is None else customer_of(row, "c_"),
        link=None if row["l_id"] is None else link_of(row, "l_"),
        attempt=None if row["a_id"] is None else attempt_of(row, "a_"),
        last_inbound_at=row["last_inbound_at"],
        reach=row["reach"] or "ok",
        is_opted_out=bool(row["is_opted_out"]),
    )


def still_mine(tx: Tx, items: Sequence[OutboxItem]) -> set[int]:
    """Which of these rows are still claimed by their token; a late worker's results change nothing.

    The rows stay locked until the transaction ends.
    """
    tokens = {item.id: item.token for item in items}
    statement = _CLAIMED if tx.is_sqlite else _CLAIMED.with_for_update()
    rows = tx.run(statement, {"b_ids": list(tokens)})
    return {item_id for item_id, token in map(tuple, rows) if tokens[item_id] == token}


_CLAIMED = sa.select(outbox.c.id, outbox.c.token).where(
    among(outbox.c.id, "b_ids"), outbox.c.status == "sending"
)


def lapsed(tx: Tx, *, all_claims: bool = False, limit: int = 100) -> list[OutboxItem]:
    """Rows whose worker died in mid-call: nobody knows what became of them.

    Args:
        tx: the transaction.
        all_claims: every claim is stale, as when this process is the only one on the file.
        limit: how many at most; what follows from each takes a dozen statements, and who reports
            money for one of them waits for all.
    """
    which = outbox.c.status == "sending"
    if not all_claims:
        which &= outbox.c.lease_until < tx.lease_now
    ids = sa.select(outbox.c.id).where(which).order_by(outbox.c.id).limit(limit)
    if not tx.is_sqlite:
        ids = ids.with_for_update(skip_locked=True)
    found = list(tx.run(ids).scalars())
    return _these(tx, found)


def owed(tx: Tx) -> list[OutboxItem]:
    """Links to be made and messages to be sent by now, claimed ones too."""
    which = sa.select(outbox.c.id).where(
        outbox.c.status.in_(("pending", "sending")),
        outbox.c.kind.in_((CREATE_LINK, SEND)),
        outbox.c.not_before <= tx.now,
    )
    return [item for ids in tx.run(which).scalars().partitions(500) for item in _these(tx, ids)]


def overdue(tx: Tx, *, limit: int = 500) -> list[OutboxItem]:
    """Accepted messages without a delivered report in their time."""
    ids = (
        sa.select(outbox.c.id)
        .where(outbox.c.deliver_by <= tx.now, outbox.c.status == "done")
        .order_by(outbox.c.deliver_by)
        .limit(limit)
    )
    if not tx.is_sqlite:
        ids = ids.with_for_update(skip_locked=True)
    found = list(tx.run(ids).scalars())
    return _these(tx, found)


def resolve(item: OutboxItem) -> Address | None:
    """Where this row goes, if anywhere."""
    if item.channel is None or not item.address:
        return None
    return Address(item.channel, item.address)
