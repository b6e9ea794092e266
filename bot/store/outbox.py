"""Effects owed: the table is the queue. A row is one thing to do, found once by its key."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.dml import ReturningUpdate

from bot.domain.delivery import Purpose
from bot.domain.payment import Customer, Link, Payment
from bot.store import links, payments, people
from bot.store.engine import Tx
from bot.store.links import Attempt, attempt_of, link_of
from bot.store.listed import among
from bot.store.payments import payment_of
from bot.store.people import customer_of
from bot.store.rows import bound, labelled, reader
from bot.store.schema import address, customer, link, link_attempt, outbox, payment
from channels.base import Address, ChannelName

MIGO_LANE = "migo"
LANES = (MIGO_LANE, *(channel.value for channel in ChannelName))


def topic(lane: str) -> str:
    """What the loop of a lane waits for."""
    return f"outbox.{lane}"


CREATE_LINK = "create_link"
SEND = "send"
SET_COMMANDS = "set_commands"
FETCH_FILE = "fetch_file"
ASK = "ask"


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something to do; `key` makes it happen once however often it is planned."""

    kind: str
    lane: str
    key: str
    not_before: datetime
    give_up_at: datetime
    purpose: Purpose | None = None
    payment_id: str | None = None
    link_id: int | None = None
    attempt_id: int | None = None
    customer_id: int | None = None
    channel: ChannelName | None = None
    address: str | None = None
    route_left: tuple[str, ...] = ()
    payload: Mapping[str, object] = field(default_factory=dict)


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


def add(tx: Tx, items: Sequence[NewItem]) -> list[int]:
    """Plan things to do; those whose key is known are left as they are. Safe to repeat."""
    rows: list[dict[str, object]] = [
        {
            "kind": item.kind,
            "lane": item.lane,
            "key": item.key,
            "purpose": None if item.purpose is None else item.purpose.value,
            "payment_id": item.payment_id,
            "link_id": item.link_id,
            "attempt_id": item.attempt_id,
            "customer_id": item.customer_id,
            "channel": None if item.channel is None else item.channel.value,
            "address": item.address,
            "route_left": list(item.route_left),
            "payload": dict(item.payload),
            "not_before": item.not_before,
            "give_up_at": item.give_up_at,
            "created_at": tx.now,
            "updated_at": tx.now,
        }
        for item in items
    ]
    made = tx.insert_ignoring(outbox, rows, conflict=["key"])
    if made:
        for lane in {item.lane for item in items}:
            tx.wake(topic(lane))
    return made


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
        *labelled(links.ATTEMPT_COLUMNS, "a_"),
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


def end(tx: Tx, item_id: int, status: str, *, error: str | None = None) -> None:
    """End a row as `done`, `uncertain`, `dead` or `cancelled`."""
    told = {"b_id": item_id, "b_status": status, "b_last_error": error, "b_now": tx.now}
    tx.run(_END, told)


_it = outbox.c.id == bound(outbox.c.id)
_END = (
    outbox.update()
    .where(_it)
    .values(
        status=bound(outbox.c.status),
        last_error=bound(outbox.c.last_error),
        lease_until=None,
        deliver_by=None,
        updated_at=_NOW,
    )
)


def again(
    tx: Tx, item_id: int, *, at: datetime, error: str | None, uncertain_looks: int | None = None
) -> None:
    """Put a row back on the same channel, not before `at`.

    One that may have left is looked for `uncertain_looks` times before it is sent again.
    """
    told = {"b_id": item_id, "b_not_before": at, "b_last_error": error, "b_now": tx.now}
    if uncertain_looks is None:
        lane = tx.run(_AGAIN, told).scalar()
    else:
        lane = tx.run(_UNCERTAIN_AGAIN, told | {"b_looks_left": uncertain_looks}).scalar()
    if lane is not None:
        tx.wake(topic(lane))


_AGAIN = (
    outbox.update()
    .where(_it)
    .values(
        status="pending",
        not_before=bound(outbox.c.not_before),
        last_error=bound(outbox.c.last_error),
        lease_until=None,
        deliver_by=None,
        updated_at=_NOW,
    )
    .returning(outbox.c.lane)
)
_UNCERTAIN_AGAIN = _AGAIN.values(
    uncertain_count=outbox.c.uncertain_count + 1, looks_left=bound(outbox.c.looks_left)
)


def look_again(tx: Tx, item_id: int, *, at: datetime) -> None:
    """Put back a row that was looked for in vain; nothing was sent, so it counts as no attempt."""
    lane = tx.run(
        outbox.update()
        .where(outbox.c.id == item_id)
        .values(
            status="pending",
            not_before=at,
            looks_left=outbox.c.looks_left - 1,
            attempts=outbox.c.attempts - 1,
            lease_until=None,
            updated_at=tx.now,
        )
        .returning(outbox.c.lane)
    ).scalar_one()
    tx.wake(topic(lane))


def put_back(tx: Tx, when: Mapping[int, datetime], *, counting: Collection[int] = ()) -> None:
    """Put back claimed rows of which nothing was tried, each until its time.

    Their tries are not counted, but for those that are `counting`.
    """
    rows: list[dict[str, object]] = [
        {"b_id": each, "b_at": at, "b_tries": int(each not in counting), "b_now": tx.now}
        for each, at in when.items()
    ]
    tx.run_many(_PUT_BACK, rows)


_PUT_BACK = (
    outbox.update()
    .where(outbox.c.id == sa.bindparam("b_id"), outbox.c.status == "sending")
    .values(
        status="pending",
        not_before=sa.bindparam("b_at", type_=outbox.c.not_before.type),
        attempts=outbox.c.attempts - 1,
        tries=outbox.c.tries - sa.bindparam("b_tries"),
        lease_until=None,
        updated_at=_NOW,
    )
)


def uncount_try(tx: Tx, item_id: int) -> None:
    """Take back the try that a claim counted, where nothing was tried after all."""
    tx.run(_UNCOUNT, {"b_id": item_id})


_UNCOUNT = (
    outbox.update().where(_it).values(attempts=outbox.c.attempts - 1, tries=outbox.c.tries - 1)
)


def reroute(
    tx: Tx, item_id: int, *, channel: ChannelName, route_left: Sequence[str], why: str
) -> None:
    """Aim a row at its next channel, at once and with a fresh count of tries."""
    tx.run(
        outbox.update()
        .where(outbox.c.id == item_id)
        .values(
            status="pending",
            lane=channel.value,
            channel=channel.value,
            address=None,
            route_left=list(route_left),
            attempts=0,
            uncertain_count=0,
            looks_left=0,
            not_before=tx.now,
            last_error=why,
            lease_until=None,
            deliver_by=None,
            updated_at=tx.now,
        )
    )
    tx.wake(topic(channel.value))


def is_current(tx: Tx, item_id: int, *, provider_id: str | None) -> bool:
    """Whether a row stands as accepted under just this provider's id."""
    return tx.run(_CURRENT, {"b_id": item_id, "b_provider_id": provider_id}).first() is not None


_is_under = outbox.c.provider_id == bound(outbox.c.provider_id)
_CURRENT = sa.select(outbox.c.id).where(_it, _is_under, outbox.c.status == "done")


def recall(tx: Tx, item_id: int, *, provider_id: str | None, channel: str) -> str | None:
    """Take back a row that waits for another channel, since an earlier one delivered it.

    Returns:
        The payment that the row is about; None if it has none, or nothing was waiting.
    """
    told: dict[str, object] = {"b_id": item_id, "b_provider_id": provider_id}
    return tx.run(_RECALL, told | {"b_channel": channel, "b_now": tx.now}).scalar()


_RECALL = (
    outbox.update()
    .where(_it, _is_under, outbox.c.status == "pending")
    .values(
        status="done",
        channel=bound(outbox.c.channel),
        lane=bound(outbox.c.channel),
        updated_at=_NOW,
    )
    .returning(outbox.c.payment_id)
)


def revive(tx: Tx, *, customer_id: int, channel: ChannelName) -> int:
    """Send what was given up for want of an address on this channel, now that there is one."""
    result = tx.run(
        outbox.update()
        .where(
            outbox.c.customer_id == customer_id,
            outbox.c.channel == channel.value,
            outbox.c.status == "dead",
            outbox.c.tries == 0,
            outbox.c.give_up_at > tx.now,
        )
        .values(status="pending", not_before=tx.now, updated_at=tx.now)
    )
    if result.rowcount:
        tx.wake(topic(channel.value))
    return result.rowcount


def cancel_waiting(
    tx: Tx, *, purposes: Collection[Purpose], why: str, payment_id: str, with_create: bool = False
) -> list[int]:
    """Cancel what has not left yet; rows being sent right now are past recall.

    What was accepted of these purposes is no longer watched for a delivered report.

    Args:
        tx: the transaction.
        purposes: messages of these.
        why: kept in the rows.
        payment_id: of this payment only.
        with_create: links not yet asked for too.
    """
    values: dict[str, object] = {
        "b_payment": payment_id,
        "b_purposes": [purpose.value for purpose in purposes],
        "b_kind": CREATE_LINK if with_create else None,
        "b_why": why,
        "b_now": tx.now,
    }
    tx.run(_UNWATCH, {name: values[name] for name in ("b_payment", "b_purposes")})
    return list(tx.run(_CANCEL, values).scalars())


_of_payment = outbox.c.payment_id == sa.bindparam("b_payment")
_of_purpose = outbox.c.purpose.in_(sa.bindparam("b_purposes", expanding=True))
_UNWATCH = (
    outbox.update()
    .where(_of_payment, outbox.c.deliver_by.is_not(None), _of_purpose)
    .values(deliver_by=None)
)
_CANCEL = (
    outbox.update()
    .where(
        _of_payment,
        outbox.c.status == "pending",
        _of_purpose | (outbox.c.kind == sa.bindparam("b_kind")),
    )
    .values(
        status="cancelled",
        last_error=sa.bindparam("b_why"),
        updated_at=_NOW,
    )
    .returning(outbox.c.id)
)


def with_link(link_id: int) -> sa.ColumnElement[bool]:
    """Rows of a link; each has its payment as well, by which they are found in a large table."""
    owner = sa.select(link.c.payment_id).where(link.c.id == link_id).scalar_subquery()
    return (outbox.c.payment_id == owner) & (outbox.c.link_id == link_id)


def cancel_of_link(tx: Tx, link_id: int, *, why: str) -> None:
    """Cancel what has not left yet of a link that goes out of use, and watch for no more reports.

    Reminders wait on: they go with the link that takes its place.
    """
    of_link = with_link(link_id)
    tx.run(outbox.update().where(of_link, outbox.c.deliver_by.is_not(None)).values(deliver_by=None))
    tx.run(
        outbox.update()
        .where(
            of_link,
            outbox.c.status == "pending",
            outbox.c.purpose != Purpose.REMINDER.value,
        )
        .values(status="cancelled", last_error=why, updated_at=tx.now)
    )


def aim_reminders(tx: Tx, payment_id: str, link_id: int) -> None:
    """Have the reminder of a payment that waits carry this link."""
    tx.run(_AIM, {"b_payment": payment_id, "b_link_id": link_id, "b_now": tx.now})


_AIM = (
    outbox.update()
    .where(
        _of_payment,
        outbox.c.status == "pending",
        outbox.c.purpose == Purpose.REMINDER.value,
    )
    .values(link_id=bound(outbox.c.link_id), updated_at=_NOW)
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


def next_due(tx: Tx, lane: str) -> datetime | None:
    """When the next waiting row of a lane may be taken."""
    return tx.run(_NEXT_DUE, {"b_lane": lane}).scalar()


_NEXT_DUE = (
    sa.select(outbox.c.not_before)
    .where(outbox.c.status == "pending", outbox.c.lane == bound(outbox.c.lane))
    .order_by(outbox.c.lane, outbox.c.not_before, outbox.c.id)
    .limit(1)
)


def others_with_link(tx: Tx, link_id: int, *, but: int) -> int:
    """How many other rows with this link's URL were ever claimed or still wait.

    Reminders that wait do not count: they go out of use with the link.
    """
    is_foreseen = (outbox.c.purpose == Purpose.REMINDER.value) & (outbox.c.tries == 0)
    statement = sa.select(sa.func.count()).where(
        with_link(link_id),
        outbox.c.id != but,
        outbox.c.status != "cancelled",
        ~((outbox.c.status == "pending") & sa.func.coalesce(is_foreseen, sa.false())),
    )
    return int(tx.run(statement).scalar_one())


def resolve(item: OutboxItem) -> Address | None:
    """Where this row goes, if anywhere."""
    if item.channel is None or not item.address:
        return None
    return Address(item.channel, item.address)
