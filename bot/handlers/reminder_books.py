"""Reads what reminders are decided from into one book a customer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from bot.domain import identity
from bot.domain.calendars import pack_of, zone_of
from bot.domain.payment import Link, Payment
from bot.domain.reminder_book import Coming
from bot.domain.reminders import (
    DEFAULT_PLAN,
    Plan,
    PlanError,
    Planned,
    Times,
    Tone,
    dates_of,
    plan_of,
)
from bot.domain.reminding import Ask, Book, Owed, Waiting
from bot.domain.zone_defaults import ZONE_DEFAULTS
from bot.handlers.handoff import IDLE
from bot.handlers.rules import Rules
from bot.store import reminding
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.reminding import Reminded, Series, WaitingRow


@lru_cache(maxsize=65_536)
def _zone_told(phone: str) -> str | None:
    """The time zone that a number tells; reading it is slow."""
    return identity.time_zone(phone)


@dataclass(slots=True)
class Shelf:
    """The books of some customers, and their payments as they are in the database."""

    books: dict[int, Book]
    people: dict[int, Reminded]
    series: dict[str, Series]
    held_elsewhere: frozenset[int] = frozenset()
    """Customers of whom another transaction holds a reminder, which is in no book here."""


def shelf_of(
    tx: Tx,
    rules: Rules,
    customer_ids: Sequence[int],
    *,
    claimed: Sequence[OutboxItem] = (),
    coming: Mapping[int, Sequence[Coming]] = MappingProxyType({}),
    lock: bool = False,
) -> Shelf:
    """Read all that reminders of these customers depend on, in as many statements as for one.

    Args:
        tx: the transaction.
        rules: the rules of this installation.
        customer_ids: whose.
        claimed: reminders that are being decided on, which have not asked anybody yet; in the
            books they wait behind the others, in this order.
        coming: links that will be made, by whose they are.
        lock: take what waits for them until the transaction ends; they are locked already, since
            before the claimed were read.
    """
    waiting = reminding.waiting_of(tx, customer_ids, lock=lock)
    ids = {row.payment_id for row in waiting}
    ids |= {item.payment.id for item in claimed if item.payment is not None}
    ids |= {each.payment_id for customer_id in customer_ids for each in coming.get(customer_id, ())}
    known = _known(claimed)
    found = [
        *reminding.series_beside(tx, known),
        *reminding.series_of(tx, sorted(ids - known.keys())),
    ]
    series: dict[str, Series] = {each.payment.id: each for each in found}
    slots: dict[str, dict[tuple[str, date], int]] = {}
    for (payment_id, day), holder in reminding.slots_of(tx, sorted(ids)).items():
        slots.setdefault(payment_id, {})[payment_id, day] = holder
    owned: dict[int, list[Series]] = {}
    for each in series.values():
        owned.setdefault(each.payment.customer_id, []).append(each)
    queued: dict[int, list[Waiting]] = {}
    for row in waiting:
        if (planned := planned_of(row.payload)) is not None:
            queued.setdefault(row.customer_id, []).append(_waiting(row, planned))
    for item in claimed:
        queued.setdefault(owner_of(item), []).append(_claimed(item))
    undecided = {item.id for item in claimed}
    reports = {name.value for name in rules.reports}
    asks = reminding.asks_of(tx, customer_ids, reports=reports, but=undecided)
    people = {each.id: each for each in reminding.customers(tx, customer_ids)}
    books = {
        customer_id: _book(
            rules,
            customer,
            owned.get(customer_id, ()),
            tuple(asks.get(customer_id, ())),
            slots,
            tuple(queued.get(customer_id, ())),
            tuple(coming.get(customer_id, ())),
        )
        for customer_id, customer in people.items()
    }
    return Shelf(
        books, people, series, _held_elsewhere(tx, customer_ids, waiting) if lock else frozenset()
    )


def _known(claimed: Sequence[OutboxItem]) -> dict[str, tuple[Payment, Link]]:
    """The payments of claimed reminders whose own link is the current one."""
    return {
        item.payment.id: (item.payment, item.link)
        for item in claimed
        if item.payment is not None and item.link is not None and item.link.superseded_at is None
    }


def _held_elsewhere(
    tx: Tx, customer_ids: Sequence[int], seen: Sequence[WaitingRow]
) -> frozenset[int]:
    if tx.is_sqlite:
        return frozenset()
    counts = Counter(row.customer_id for row in seen)
    there = reminding.count_waiting(tx, customer_ids)
    return frozenset(each for each, count in there.items() if count > counts[each])


def _book(
    rules: Rules,
    customer: Reminded,
    series: Sequence[Series],
    asks: tuple[Ask, ...],
    slots: Mapping[str, Mapping[tuple[str, date], int]],
    waiting: tuple[Waiting, ...],
    coming: tuple[Coming, ...],
) -> Book:
    region, zone = home_of(rules, customer.phone, customer.time_zone)
    return Book(
        customer_id=customer.id,
        zone=zone,
        window=rules.reminding.window(region),
        reminding=rules.reminding,
        couriers=rules.courier_names,
        closed=customer.closed,
        is_opted_out=customer.is_opted_out,
        wants_reminders=customer.wants_reminders,
        paused_until=customer.paused_until,
        barred_why=customer.barred_why,
        human_until=None if customer.human_since is None else customer.human_since + IDLE,
        asks=asks,
        slots={
            key: holder for each in series for key, holder in slots.get(each.payment.id, {}).items()
        },
        owed={each.payment.id: owed_of(rules, each, zone) for each in series},
        waiting=waiting,
        coming=coming,
    )


def home_of(rules: Rules, phone: str, own_zone: str | None) -> tuple[str | None, ZoneInfo]:
    """The country of a customer's number, and the zone where they are taken to be.

    That is the one on their record, else what their number tells where their country has several
    zones or no row, else the one taken for that country, else the merchant's.
    """
    region = identity.region(phone)
    packs = rules.reminding.packs
    pack = pack_of(packs, region)
    told = own_zone
    if told is None and (pack.zone is None or pack.has_several_zones):
        told = _zone_told(phone)
    if told is None and pack.zone is None:
        told = ZONE_DEFAULTS.get(region or "")
    return region, zone_of(override=told, region=region, packs=packs, default=rules.time_zone)


def owed_of(rules: Rules, series: Series, zone: ZoneInfo) -> Owed:
    """A payment as reminders see it, with the dates of its series."""
    return Owed(
        payment_id=series.payment.id,
        status=series.payment.status,
        expires_at=series.payment.expires_at,
        is_disputed=series.disputed_at is not None,
        is_exposed=series.link is not None and series.link.exposed_at is not None,
        series=_dates(rules, series, zone),
        sent_again=series.sent_again,
        route=series.payment.route,
        made=(series.payment.created_by, series.payment.created_at),
    )


def _dates(rules: Rules, series: Series, zone: ZoneInfo) -> tuple[Planned, ...]:
    payment = series.payment
    plan = _plan(rules, series.reminders)
    if plan is None:
        return ()
    start = max(payment.send_at or payment.created_at, payment.created_at)
    own_expiry = payment.expires_at != rules.default_expiry(start, payment.due_at)
    return dates_of(
        plan,
        Times(
            # A series that waited for a second person, or for Migo, begins with its link.
            created=max(start, series.linked_at or start).astimezone(zone).date(),
            due=_local_date(payment.due_at, zone),
            expires=_local_date(payment.expires_at, zone),
            has_own_expiry=own_expiry,
        ),
    )


def _plan(rules: Rules, wanted: object) -> Plan | None:
    try:
        return plan_of(wanted, rules.plans)
    except PlanError:
        # It was there when the payment was made; the merchant has renamed or removed it since.
        return DEFAULT_PLAN


def _local_date(at: datetime | None, zone: ZoneInfo) -> date | None:
    return None if at is None else at.astimezone(zone).date()


def planned_of(payload: Mapping[str, object]) -> Planned | None:
    """The step of its series that a row was written for; None where it does not say."""
    try:
        return Planned(Tone(str(payload["tone"])), date.fromisoformat(str(payload["day"])))
    except (KeyError, ValueError):
        return None


def owner_of(item: OutboxItem) -> int:
    """Whose reminder a claimed row is."""
    if item.customer is None or item.payment is None:
        raise TypeError("a reminder belongs to a payment and its customer")
    return item.customer.id


def _claimed(item: OutboxItem) -> Waiting:
    planned = planned_of(item.payload)
    if item.payment is None or item.channel is None or planned is None:
        raise TypeError("a reminder belongs to a step of a payment's series and has a channel")
    return Waiting(
        outbox_id=item.id,
        payment_id=item.payment.id,
        day=planned.day,
        tone=planned.tone,
        channel=item.channel.value,
        not_before=item.not_before,
        is_fresh=item.tries == 1,
        route_left=item.route_left,
    )


def _waiting(row: WaitingRow, planned: Planned) -> Waiting:
    return Waiting(
        outbox_id=row.outbox_id,
        payment_id=row.payment_id,
        day=planned.day,
        tone=planned.tone,
        channel=row.channel,
        not_before=row.not_before,
        is_fresh=row.tries == 0,
        route_left=row.route_left,
        put_off_why=row.last_error,
    )
