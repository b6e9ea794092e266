"""Makes the payments of schedules whose slot has come, each slot once, whoever fires it.

The period, its payment and the next slot are written in one transaction. After downtime only the
newest slot is made up for; what is older is written down as missed and told to staff.
"""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile

from bot.domain.calendars import instant
from bot.domain.payment import Alert
from bot.domain.planned import Planned
from bot.domain.recurring import Slot, days_of, write_rule
from bot.domain.schedule import RunState, Schedule
from bot.handlers.leaving import Leaving, leaving
from bot.handlers.payment import PaymentRequest, RequestError, create_payment
from bot.handlers.planning import tell_staff
from bot.handlers.rules import Rules
from bot.handlers.schedules import check_ask, free_slots, go_on, route_on, slots_after
from bot.store import ledger, people, schedules
from bot.store.engine import Tx
from bot.store.payments import request_hash

AT_ONCE = 50
"""Schedules a transaction: callbacks wait for the same writer."""

LATE = timedelta(days=7)
"""How long a slot may be made up for; what is older would surprise whoever has to pay."""

_MOST_PASSED = 400
_MOST_PLANNED = 1000
_A_DAY = timedelta(days=1)
_END_OF_DAY = time(23, 59)


def fire(tx: Tx, rules: Rules, *, limit: int = AT_ONCE) -> int:
    """Make what is due, of `limit` schedules at most; give how many were looked at.

    Harmless when doubled: each schedule is held by one transaction, and a slot is written once.
    """
    due = schedules.due(tx, limit=limit)
    # Customers are locked in one order by all, so that two schedulers never wait in a circle.
    for schedule in sorted(due, key=lambda each: (each.ask.phone, each.id)):
        _fire(tx, rules, schedule)
    return len(due)


def _fire(tx: Tx, rules: Rules, schedule: Schedule) -> None:
    if schedule.next is None:
        return
    before = schedule.next.day - _A_DAY
    passed = _passed(rules, schedule, before, tx.now)
    taken = schedules.taken_days(tx, schedule.id, before)
    free = [slot for slot in passed if slot.day not in taken]
    is_in_time = free and tx.now - free[-1].at <= LATE and len(passed) < _MOST_PASSED
    _miss(tx, rules, schedule, free[:-1] if is_in_time else free)
    if is_in_time:
        _make(tx, rules, schedule, free[-1])
    # Nothing has come where a country moved its clocks since: the same slot is waited for again.
    go_on(tx, rules, schedule, after=passed[-1].day if passed else before)


def _passed(rules: Rules, schedule: Schedule, before: date, now: datetime) -> list[Slot]:
    """The slots after a date that have come; after years of downtime only so many at once."""
    coming = slots_after(rules, schedule, before)
    return list(islice(takewhile(lambda slot: slot.at <= now, coming), _MOST_PASSED))


def _miss(tx: Tx, rules: Rules, schedule: Schedule, slots: list[Slot]) -> None:
    if not slots:
        return
    why = "the service was not running in time"
    schedules.record(tx, schedule.id, days_of(slots), RunState.MISSED, why=why)
    _tell(tx, rules, schedule, Alert.SCHEDULE_MISSED, slots, why)


def _tell(
    tx: Tx, rules: Rules, schedule: Schedule, kind: Alert, slots: list[Slot], why: str
) -> None:
    """Open an alert, and tell staff and whoever made the schedule, once."""
    key = f"{schedule.id}:{slots[-1].day}"
    detail = f"schedule {schedule.id} made no payment for {_named(slots)}: {why}"
    if ledger.raise_alert(tx, kind, key=key, detail=detail):
        told = f"{kind.value}:{key}"
        tell_staff(tx, rules, None, "held", key=told, detail=detail, notify=schedule.notify)


def _named(slots: list[Slot]) -> str:
    """The dates, or how many there are."""
    if len(slots) <= 3:
        return ", ".join(day.isoformat() for day in days_of(slots))
    return f"{len(slots)} dates from {slots[0].day} to {slots[-1].day}"


def _make(tx: Tx, rules: Rules, schedule: Schedule, slot: Slot) -> None:
    if not schedules.record(tx, schedule.id, [slot.day], RunState.MADE):
        return
    phone = schedule.ask.phone
    try:
        check_ask(rules, schedule.ask)
        going = leaving(rules, phone, people.zones_told(tx, [phone]).get(phone), tx.now)
        created = create_payment(tx, rules, _request(rules, schedule, slot, going))
    except RequestError as error:
        _fail(tx, rules, schedule, slot, str(error))
        return
    schedules.note_payment(tx, schedule.id, slot.day, created.payment.id)
    if going.what is not None:
        ledger.decide(tx, created.payment.id, going.what, going.why, next_at=going.at)


def _fail(tx: Tx, rules: Rules, schedule: Schedule, slot: Slot, why: str) -> None:
    schedules.note_failure(tx, schedule.id, slot.day, why)
    _tell(tx, rules, schedule, Alert.SCHEDULE_FAILED, [slot], why)


def _request(rules: Rules, schedule: Schedule, slot: Slot, going: Leaving) -> PaymentRequest:
    ask, key = schedule.ask, f"schedule:{schedule.id}:{slot.day}"
    return PaymentRequest(
        phone=ask.phone,
        money=ask.money,
        route=route_on(rules, ask.route),
        created_by=f"{schedules.PAYMENT_PREFIX}{schedule.id}",
        request_hash=request_hash({"key": key, **ask.document()}),
        name=ask.name,
        email=ask.email,
        locale=ask.locale,
        telegram_chat_id=ask.telegram_chat_id,
        concept=ask.concept,
        idempotency_key=key,
        notify=schedule.notify,
        reminders=ask.reminders,
        send_at=None if going.what is None else going.at,
        due_at=_due_at(schedule, slot.day),
    )


def _due_at(schedule: Schedule, day: date) -> datetime | None:
    """The end of the day on which the money is due."""
    if schedule.ask.due_after_days is None:
        return None
    due = day + timedelta(days=schedule.ask.due_after_days)
    return instant(due, _END_OF_DAY, schedule.zone)


def planned(tx: Tx, rules: Rules, until: datetime) -> list[Planned]:
    """The payments of schedules whose link will leave until then, in order; nothing is written."""
    found = [_planned(rules, each, going) for each, _, going in _coming(tx, rules, until)]
    soon = [each for each in found if each.at <= until]
    return sorted(soon, key=lambda each: (each.at, each.schedule_id or ""))


def make_ahead(tx: Tx, rules: Rules, until: datetime, *, limit: int) -> dict[str, str]:
    """Make the payments that schedules will have made by then; for a part that is rolled back.

    Returns:
        The schedule of each payment made, `limit` of them at most.
    """
    made: dict[str, str] = {}
    for schedule, slot, going in _coming(tx, rules, until)[:limit]:
        then = replace(tx, now=max(slot.at, tx.now), wakes=set())
        try:
            created = create_payment(then, rules, _request(rules, schedule, slot, going))
        except RequestError:
            continue
        made[created.payment.id] = schedule.id
    return made


def _coming(tx: Tx, rules: Rules, until: datetime) -> list[tuple[Schedule, Slot, Leaving]]:
    """What schedules will make until then, and when its link leaves, in the order of firing."""
    due = [
        each
        for each in schedules.due_until(tx, until, limit=_MOST_PLANNED)
        if _can_be_made(rules, each)
    ]
    told = people.zones_told(tx, {each.ask.phone for each in due})
    found = [
        (each, slot, leaving(rules, phone, told.get(phone), max(slot.at, tx.now)))
        for each in due
        for phone in [each.ask.phone]
        for slot in _until(tx, rules, each, until)
    ]
    return sorted(found, key=lambda each: (each[1].at, each[0].ask.phone, each[0].id))


def _planned(rules: Rules, schedule: Schedule, going: Leaving) -> Planned:
    return Planned(
        at=going.at,
        what="payment",
        phone=schedule.ask.phone,
        name=schedule.ask.name,
        channel=route_on(rules, schedule.ask.route)[0],
        money=schedule.ask.money,
        concept=schedule.ask.concept,
        rule=write_rule(schedule.rule),
        schedule_id=schedule.id,
    )


def _can_be_made(rules: Rules, schedule: Schedule) -> bool:
    try:
        check_ask(rules, schedule.ask)
    except RequestError:
        return False
    return True


def _until(tx: Tx, rules: Rules, schedule: Schedule, until: datetime) -> list[Slot]:
    """The slots that will be made until then; of those that have passed at most the newest."""
    after = (schedule.next.day if schedule.next else schedule.starts_on) - _A_DAY
    free = free_slots(tx, rules, schedule, after)
    slots = list(takewhile(lambda slot: slot.at <= until, free))
    passed = [slot for slot in slots if slot.at <= tx.now]
    made_up = [slot for slot in passed[-1:] if tx.now - slot.at <= LATE]
    return made_up + slots[len(passed) :]
