"""Claims: rows of the outbox taken for a while, with all that performing them needs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
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
from bot.store.rows import bound, labelled
from bot.store.schema import address, customer, link, link_attempt, outbox, payment
from channels.base import Address, ChannelName


class OutboxItem(NamedTuple):
    """A claimed row with all that performing it needs: money, names, link, address, language."""

    id: int
    kind: str
    lane: str
    key: str
    purpose: Purpose | None
    channel: ChannelName | None
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
    address: str | None
    last_inbound_at: datetime | None
    reach: str
    is_opted_out: bool
    """The customer wants no messages on any channel."""
    payment: Payment | None
    customer: Customer | None
    link: Link | None
    attempt: Attempt | None


class Taken(NamedTuple):
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
    return [Taken._make(row) for row in taken.all()]


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
        .returning(*(outbox.c[name] for name in Taken._fields))
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
_OWN = tuple(
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
_BASE = (
    *labelled(_OWN, "o_"),
    target.label("target"),
    address.c.last_inbound_at.label("last_inbound_at"),
    address.c.reach.label("reach"),
    customer.c.is_opted_out.label("is_opted_out"),
)
_ENRICHED = (
    sa.select(
        *_BASE,
        *labelled(payments.COLUMNS, "p_"),
        *labelled(people.COLUMNS, "c_"),
        *labelled(links.LINK_COLUMNS, "l_"),
        *labelled(attempts.ATTEMPT_COLUMNS, "a_"),
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
    return [_item_of(row) for row in tx.run(_THESE, {"b_ids": list(ids)}).all()]


def read(tx: Tx, item_id: int) -> OutboxItem | None:
    """One row with all that belongs to it."""
    items = _these(tx, [item_id])
    return items[0] if items else None


_PURPOSES: dict[str | None, Purpose | None] = {None: None, **{each.value: each for each in Purpose}}
_CHANNELS: dict[str | None, ChannelName | None] = {
    None: None,
    **{each.value: each for each in ChannelName},
}


def _item_of(row: "sa.Row[Any]") -> OutboxItem:
    # By position, and what it belongs to only where it does: this is paid for by every message.
    item_id, kind, lane, key, purpose, channel, route_left, payload, *rest = row[: len(_BASE)]
    tried, tries, uncertain_count, looks_left, token, created_at, not_before, give_up_at = rest[:-4]
    to, last_inbound_at, reach, is_opted_out = rest[-4:]
    told = row._mapping
    return OutboxItem(
        item_id,
        kind,
        lane,
        key,
        _PURPOSES[purpose],
        _CHANNELS[channel],
        tuple(route_left),
        payload,
        tried,
        tries,
        uncertain_count,
        looks_left,
        token or "",
        created_at,
        not_before,
        give_up_at,
        to,
        last_inbound_at,
        reach or "ok",
        bool(is_opted_out),
        None if told["p_id"] is None else payment_of(told, "p_"),
        None if told["c_id"] is None else customer_of(told, "c_"),
        None if told["l_id"] is None else link_of(told, "l_"),
        None if told["a_id"] is None else attempt_of(told, "a_"),
    )


def still_mine(tx: Tx, items: Sequence[OutboxItem]) -> set[int]:
    """Which of these rows are still claimed by their token; a late worker's results change nothing.

    The rows stay locked until the transaction ends.
    """
    if not items:
        return set()
    tokens = {item.id: item.token for item in items}
    rows = tx.run(_CLAIMED if tx.is_sqlite else _CLAIMED_LOCKED, {"b_ids": list(tokens)})
    return {item_id for item_id, token in map(tuple, rows) if tokens[item_id] == token}


_CLAIMED = sa.select(outbox.c.id, outbox.c.token).where(
    among(outbox.c.id, "b_ids"), outbox.c.status == "sending"
)
_CLAIMED_LOCKED = _CLAIMED.with_for_update()


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
