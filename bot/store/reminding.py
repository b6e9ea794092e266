"""What reminders are decided from, read for many customers at once, and their slots."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.delivery import ASKING, Purpose
from bot.domain.payment import UNPAID, Link, Payment
from bot.domain.reminder_book import Coming
from bot.domain.reminding import LOOK_BACK, Ask
from bot.store import links, payments
from bot.store.engine import Tx
from bot.store.links import link_of
from bot.store.listed import among, given
from bot.store.outbox import CREATE_LINK, MIGO_LANE
from bot.store.payments import payment_of
from bot.store.rows import bound, labelled
from bot.store.schedules import PAYMENT_PREFIX
from bot.store.schema import (
    address,
    conversation,
    customer,
    delivery,
    link,
    outbox,
    payment,
    reminder_slot,
)
from channels.base import ChannelName, DeliveryState

_MAYBE_LEFT = ["sending", "done", "uncertain"]
_ARRIVED = frozenset({DeliveryState.DELIVERED.value, DeliveryState.READ.value})
_LOST = frozenset({DeliveryState.FAILED.value, DeliveryState.UNDELIVERED.value})


@dataclass(frozen=True, slots=True)
class Reminded:
    """A customer as reminders see them."""

    id: int
    phone: str
    name: str | None
    time_zone: str | None
    is_opted_out: bool
    wants_reminders: bool
    paused_until: datetime | None
    barred_why: str | None
    human_since: datetime | None
    closed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """A payment with what its reminders depend on, and its link while that is the current one."""

    payment: Payment
    reminders: object
    disputed_at: datetime | None
    link: Link | None
    linked_at: datetime | None
    sent_again: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A pending reminder."""

    outbox_id: int
    customer_id: int
    payment_id: str
    channel: str
    payload: Mapping[str, object]
    not_before: datetime
    tries: int
    route_left: tuple[str, ...]
    last_error: str | None


def customers(tx: Tx, ids: Sequence[int]) -> list[Reminded]:
    """The wishes and states of these customers."""
    return [
        Reminded(
            id=row["id"],
            phone=row["phone"],
            name=row["name"],
            time_zone=row["time_zone"],
            is_opted_out=bool(row["is_opted_out"]),
            wants_reminders=bool(row["wants_reminders"]),
            paused_until=row["reminders_paused_until"],
            barred_why=row["barred_why"] if row["barred_at"] is not None else None,
            human_since=row["human_since"],
            closed=_closed(row),
        )
        for row in tx.run(_CUSTOMERS, {"b_ids": list(ids)}).mappings()
    ]


_REACH = tuple((channel, f"reach_{channel.value}", channel.value) for channel in ChannelName)


def _closed(row: RowMapping) -> dict[str, str]:
    """The channels over which nothing can be asked of a customer, each with why."""
    found = {}
    for channel, label, name in _REACH:
        reach = row[label]
        if reach == "ok":
            continue
        is_missing = channel is ChannelName.TELEGRAM and reach is None
        if is_missing or (channel is ChannelName.EMAIL and row["email"] is None):
            found[name] = f"no {name} address is known"
        elif reach is not None:
            found[name] = f"the customer said stop on {name}"
    return found


def _reach(channel: ChannelName) -> "sa.Label[str | None]":
    """Of the address to which a message over this channel would go, as `claims.target` says."""
    known = sa.select(address.c.reach).where(address.c.channel == channel.value)
    if channel is ChannelName.TELEGRAM:
        newest = (address.c.last_inbound_at.desc().nulls_last(), address.c.id.desc())
        known = known.where(address.c.customer_id == customer.c.id).order_by(*newest).limit(1)
    elif channel is ChannelName.EMAIL:
        known = known.where(address.c.value == customer.c.email)
    else:
        known = known.where(address.c.value == customer.c.phone)
    return known.correlate(customer).scalar_subquery().label(f"reach_{channel.value}")


_last_word = sa.case(
    (conversation.c.mode_since > conversation.c.last_inbound_at, conversation.c.mode_since),
    else_=conversation.c.last_inbound_at,
)
_CUSTOMERS = sa.select(
    customer,
    sa.select(sa.func.max(_last_word))
    .where(conversation.c.customer_id == customer.c.id, conversation.c.mode == "human")
    .correlate(customer)
    .scalar_subquery()
    .label("human_since"),
    *(_reach(channel) for channel in ChannelName),
).where(among(customer.c.id, "b_ids"))


def asks_of(
    tx: Tx,
    customer_ids: Sequence[int],
    *,
    reports: Set[str],
    but: Set[int] = frozenset(),
) -> dict[int, list[Ask]]:
    """The messages that asked these customers for money lately and may have reached them.

    Args:
        tx: the transaction.
        customer_ids: whose.
        reports: the channels of which we are told whether a message arrived; over others what was
            taken and not given back counts as delivered.
        but: without these.
    """
    found: dict[int, list[Ask]] = {}
    since = tx.now - LOOK_BACK
    for row in tx.run(_ASKS, {"b_ids": list(customer_ids), "b_since": since}):
        at = row.at or row.updated_at
        # A clock that was ahead and came back has left messages in what is the future now.
        if row.delivery in _LOST or row.id in but or at > tx.now:
            continue
        is_taken = row.channel not in reports and row.status == "done"
        found.setdefault(row.customer_id, []).append(
            Ask(
                outbox_id=row.id,
                payment_id=row.payment_id,
                is_reminder=row.purpose == Purpose.REMINDER.value
                or row.is_scheduled
                or row.is_again,
                channel=row.channel,
                at=at,
                is_delivered=row.delivery in _ARRIVED or is_taken,
            )
        )
    return found


_is_again = outbox.c.key.like("link:%:again:%")
_is_scheduled = payment.c.created_by.startswith(PAYMENT_PREFIX)
_ASKS = (
    sa.select(
        outbox.c.id,
        outbox.c.customer_id,
        outbox.c.payment_id,
        outbox.c.purpose,
        outbox.c.channel,
        outbox.c.status,
        outbox.c.delivery,
        outbox.c.updated_at,
        _is_again.label("is_again"),
        delivery.c.at,
        _is_scheduled.label("is_scheduled"),
    )
    .join(payment, payment.c.id == outbox.c.payment_id)
    .outerjoin(
        delivery, (delivery.c.outbox_id == outbox.c.id) & (delivery.c.try_no == outbox.c.tries)
    )
    .where(
        among(outbox.c.customer_id, "b_ids"),
        outbox.c.purpose.in_(sorted(purpose.value for purpose in ASKING)),
        outbox.c.status.in_(_MAYBE_LEFT),
        outbox.c.updated_at >= sa.bindparam("b_since", type_=outbox.c.updated_at.type),
    )
    .order_by(outbox.c.id)
)


def waiting_of(tx: Tx, customer_ids: Sequence[int], *, lock: bool = False) -> list[WaitingRow]:
    """The pending reminders of these customers; with `lock` without those another worker holds."""
    statement = (
        _WAITING.with_for_update(skip_locked=True) if lock and not tx.is_sqlite else _WAITING
    )
    return [_waiting_of(row) for row in tx.run(statement, {"b_ids": list(customer_ids)})]


def count_waiting(tx: Tx, customer_ids: Sequence[int]) -> dict[int, int]:
    """How many reminders these customers have pending, whoever holds them."""
    return {row.customer_id: row.number for row in tx.run(_COUNT, {"b_ids": list(customer_ids)})}


def _waiting_of(row: "sa.Row[Any]") -> WaitingRow:
    return WaitingRow(
        row.id,
        row.customer_id,
        row.payment_id,
        row.channel,
        row.payload,
        row.not_before,
        row.tries,
        tuple(row.route_left),
        row.last_error,
    )


_is_waiting = sa.and_(
    among(outbox.c.customer_id, "b_ids"),
    outbox.c.purpose == Purpose.REMINDER.value,
    outbox.c.status == "pending",
)
_COUNT = (
    sa.select(outbox.c.customer_id, sa.func.count().label("number"))
    .where(_is_waiting)
    .group_by(outbox.c.customer_id)
)
_WAITING = (
    sa.select(
        outbox.c.id,
        outbox.c.customer_id,
        outbox.c.payment_id,
        outbox.c.channel,
        outbox.c.payload,
        outbox.c.not_before,
        outbox.c.tries,
        outbox.c.route_left,
        outbox.c.last_error,
    )
    .where(_is_waiting)
    .order_by(outbox.c.not_before, outbox.c.id)
)


def customers_reminded_before(tx: Tx, until: datetime, *, limit: int) -> list[int]:
    """Whose reminders wait for a time before `until`, those first whose time comes first."""
    statement = (
        sa.select(outbox.c.customer_id)
        .where(
            outbox.c.purpose == Purpose.REMINDER.value,
            outbox.c.status == "pending",
            outbox.c.not_before < until,
        )
        .group_by(outbox.c.customer_id)
        .order_by(sa.func.min(outbox.c.not_before), outbox.c.customer_id)
        .limit(limit)
    )
    return list(tx.run(statement).scalars())


def links_coming_before(tx: Tx, until: datetime, *, limit: int) -> dict[int, list[Coming]]:
    """Links that are owed at a time before `until`, by whose they are; `limit` at most."""
    statement = (
        sa.select(
            outbox.c.customer_id,
            outbox.c.payment_id,
            outbox.c.not_before,
            _is_scheduled.label("is_scheduled"),
        )
        .join(payment, payment.c.id == outbox.c.payment_id)
        .where(
            outbox.c.kind == CREATE_LINK,
            outbox.c.lane == MIGO_LANE,
            outbox.c.status == "pending",
            outbox.c.not_before < until,
        )
        .order_by(outbox.c.not_before, outbox.c.id)
        .limit(limit)
    )
    found: dict[int, list[Coming]] = {}
    for row in tx.run(statement):
        coming = Coming(row.not_before, row.payment_id, row.is_scheduled)
        found.setdefault(row.customer_id, []).append(coming)
    return found


def series_of(tx: Tx, payment_ids: Sequence[str]) -> list[Series]:
    """These payments with what their reminders depend on."""
    if not payment_ids:
        return []
    return [
        Series(
            payment=payment_of(row, "p_"),
            reminders=row["p_reminders"],
            disputed_at=row["p_disputed_at"],
            link=None if row["l_id"] is None else link_of(row, "l_"),
            linked_at=row["linked_at"],
            sent_again=row["sent_again"],
        )
        for row in tx.run(_SERIES, {"b_ids": list(payment_ids)}).mappings().all()
    ]


def series_beside(tx: Tx, known: Mapping[str, tuple[Payment, Link]]) -> list[Series]:
    """As `series_of`, for payments that this transaction has read already with their own links."""
    if not known:
        return []
    return [
        Series(
            payment=known[row.id][0],
            reminders=row.reminders,
            disputed_at=row.disputed_at,
            link=known[row.id][1],
            linked_at=row.linked_at,
            sent_again=row.sent_again,
        )
        for row in tx.run(_BESIDE, {"b_ids": list(known)}).all()
    ]


_sent_again = (
    sa.select(sa.func.count())
    .where(
        outbox.c.payment_id == payment.c.id,
        outbox.c.purpose == Purpose.LINK.value,
        _is_again,
        outbox.c.status.in_(_MAYBE_LEFT),
    )
    .correlate(payment)
    .scalar_subquery()
)
_first_link = link.alias()
_linked_at = (
    sa.select(sa.func.min(_first_link.c.created_at))
    .where(_first_link.c.payment_id == payment.c.id)
    .correlate(payment)
    .scalar_subquery()
)
_BESIDE = sa.select(
    payment.c.id,
    payment.c.reminders,
    payment.c.disputed_at,
    _linked_at.label("linked_at"),
    _sent_again.label("sent_again"),
).where(among(payment.c.id, "b_ids"))
_SERIES = (
    sa.select(
        *labelled(payments.COLUMNS, "p_"),
        *labelled((payment.c.reminders, payment.c.disputed_at), "p_"),
        *labelled(links.LINK_COLUMNS, "l_"),
        _linked_at.label("linked_at"),
        _sent_again.label("sent_again"),
    )
    .outerjoin(link, (link.c.payment_id == payment.c.id) & link.c.superseded_at.is_(None))
    .where(among(payment.c.id, "b_ids"))
)


def slots_of(tx: Tx, payment_ids: Sequence[str]) -> dict[tuple[str, date], int]:
    """The dates on which these payments were reminded of, with the row that did it."""
    ids = list(payment_ids)
    if tx.is_sqlite:
        rows = tx.run(_SLOTS, {"b_ids": ids})
    else:
        rows = tx.run(_SLOTS_THERE, {"b_payment_id": ids})
    return {(row.payment_id, date.fromisoformat(row.local_date)): row.outbox_id for row in rows}


_SLOTS = sa.select(reminder_slot).where(among(reminder_slot.c.payment_id, "b_ids"))
# On a server this table is empty at first and grows in bursts. Until the server has counted it
# anew, it would compare an array with each row, or read them all; id by id it takes the index.
_wanted = given("wanted", reminder_slot.c.payment_id)
_of_one = (
    sa.select(reminder_slot)
    .where(reminder_slot.c.payment_id == _wanted.c.payment_id)
    .offset(sa.literal_column("0"))
    .lateral("of_one")
)
_SLOTS_THERE = sa.select(_of_one).select_from(_wanted.join(_of_one, sa.true()))


@dataclass(frozen=True, slots=True)
class Slot:
    """A payment's only reminder of a local date, and the row that is it."""

    payment_id: str
    day: date
    outbox_id: int


def take_slots(tx: Tx, wanted: Sequence[Slot]) -> set[str]:
    """Claim slots; give the payments whose slot another row has already. Safe to repeat."""
    rows: list[dict[str, object]] = [
        {
            "payment_id": slot.payment_id,
            "local_date": slot.day.isoformat(),
            "outbox_id": slot.outbox_id,
        }
        for slot in wanted
    ]
    if tx.insert_many(reminder_slot, rows, is_ignoring=True) == len(rows):
        return set()
    holders = slots_of(tx, [slot.payment_id for slot in wanted])
    return {
        slot.payment_id for slot in wanted if holders[slot.payment_id, slot.day] != slot.outbox_id
    }


def bar(tx: Tx, customer_id: int, why: str) -> None:
    """Keep that Migo refuses this customer, so that they are not reminded."""
    mine = customer.c.id == customer_id
    tx.run(customer.update().where(mine).values(barred_at=tx.now, barred_why=why))


def unbar(tx: Tx, customer_id: int) -> bool:
    """Forget that Migo refused this customer, since it made them a link; False if it did not."""
    return tx.run(_UNBAR, {"b_id": customer_id}).rowcount == 1


_UNBAR = (
    customer.update()
    .where(customer.c.id == bound(customer.c.id), customer.c.barred_at.is_not(None))
    .values(barred_at=None, barred_why=None)
)


def asked_of(tx: Tx, customer_id: int) -> list[str]:
    """The payments that this customer is asked for now, oldest first."""
    is_linked = sa.exists().where(link.c.payment_id == payment.c.id, link.c.superseded_at.is_(None))
    statement = (
        sa.select(payment.c.id)
        .where(
            payment.c.customer_id == customer_id,
            payment.c.status.in_(sorted(status.value for status in UNPAID)),
            is_linked,
        )
        .order_by(payment.c.created_at, payment.c.id)
    )
    return list(tx.run(statement).scalars())
