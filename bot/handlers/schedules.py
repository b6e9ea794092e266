"""What is asked of a schedule: make it, pause it, resume it, leave a period out, end it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from bot.domain.recurring import Rule, RuleError, Slot, anchored
from bot.domain.schedule import Ask, RunState, Schedule, ScheduleStatus, may_move
from bot.handlers.payment import ConflictError, RequestError, check_currency
from bot.handlers.rules import Rules
from bot.store import schedules
from bot.store import staff as staff_store
from bot.store.engine import Tx

SHOWN_DATES = 5
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """A schedule as somebody asks for it, already checked field by field."""

    ask: Ask
    rule: Rule
    created_by: str
    request_hash: str
    time_zone: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    notify: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """A schedule, and whether it is new or the answer to a repeat."""

    schedule: Schedule
    is_new: bool


def add(tx: Tx, rules: Rules, request: ScheduleRequest) -> Added:
    """Write a schedule; its first payment is made when its first slot comes. Repeatable by key.

    Raises:
        ConflictError: the key belongs to another request.
        RequestError: the currency or every channel is off, or the rule has no date to come.
    """
    repeat = schedules.find_repeat(tx, request.idempotency_key)
    if repeat is not None:
        known, known_hash = repeat
        if known_hash != request.request_hash:
            raise ConflictError(
                f"schedule {known.id} already has this Idempotency-Key, with other content; "
                "use a new one"
            )
        return Added(known, is_new=False)
    check_ask(rules, request.ask)
    time_zone = request.time_zone or rules.time_zone
    first = first_slots(rules, request, tx.now)[0]
    schedule_id = f"sch_{rules.new_id()}"
    schedules.insert(
        tx,
        schedules.NewSchedule(
            id=schedule_id,
            ask=request.ask,
            rule=anchored(request.rule, first.day),
            time_zone=time_zone,
            starts_on=request.starts_on or _today(tx.now, ZoneInfo(time_zone)),
            ends_on=request.ends_on,
            next=first,
            created_by=request.created_by,
            notify=request.notify,
            idempotency_key=request.idempotency_key,
            request_hash=request.request_hash,
        ),
    )
    _audit(tx, request.created_by, "schedule added", schedule_id)
    return Added(must_read(tx, schedule_id), is_new=True)


def check_ask(rules: Rules, ask: Ask) -> None:
    """Check that what a period asks for can be asked for here, now.

    Raises:
        RequestError: its currency is not enabled, or every channel of its route is off.
    """
    check_currency(rules, ask.money)
    if not route_on(rules, ask.route):
        raise RequestError(f"every channel of the route is off: {', '.join(ask.route)}")


def route_on(rules: Rules, route: tuple[str, ...]) -> tuple[str, ...]:
    """The channels of a route that are on."""
    able = {"web", "app"} | rules.courier_names
    return tuple(name for name in route if name in able & rules.migo_channels.keys())


def first_slots(rules: Rules, request: ScheduleRequest, now: datetime) -> list[Slot]:
    """The first slots of a schedule that are still to come, at least one.

    Raises:
        RequestError: there is none, or the rule cannot be kept.
    """
    zone = ZoneInfo(request.time_zone or rules.time_zone)
    start = request.starts_on or _today(now, zone)
    try:
        first = _first(rules, request.rule, zone, start, request.ends_on, now)
        rule = anchored(request.rule, first.day)
        coming = _slots(rules, rule, zone, first.day - _A_DAY, request.ends_on)
        return list(islice(coming, SHOWN_DATES))
    except RuleError as error:
        raise RequestError(str(error)) from None


def _first(
    rules: Rules, rule: Rule, zone: ZoneInfo, start: date, ends_on: date | None, now: datetime
) -> Slot:
    for slot in _slots(rules, rule, zone, start - _A_DAY, ends_on):
        if slot.at > now:
            return slot
    raise RequestError("this rule has no date before it ends")


def _today(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()


def _slots(
    rules: Rules, rule: Rule, zone: ZoneInfo, after: date, ends_on: date | None
) -> Iterator[Slot]:
    """Every slot on a later date, up to the end."""
    while True:
        slot = rules.next_slot(rule, zone, after)
        if ends_on is not None and slot.day > ends_on:
            return
        yield slot
        after = slot.day


def slots_after(rules: Rules, schedule: Schedule, after: date) -> Iterator[Slot]:
    """Every slot of a schedule on a later date, whatever became of it already."""
    after = max(after, schedule.starts_on - _A_DAY)
    return _slots(rules, schedule.rule, schedule.zone, after, schedule.ends_on)


def free_slots(tx: Tx, rules: Rules, schedule: Schedule, after: date) -> Iterator[Slot]:
    """The slots on later dates of which nothing became yet."""
    taken = schedules.taken_days(tx, schedule.id, after)
    return (slot for slot in slots_after(rules, schedule, after) if slot.day not in taken)


def upcoming(tx: Tx, rules: Rules, schedule: Schedule) -> list[Slot]:
    """The next slots that will make a payment: none unless it is active."""
    if schedule.next is None:
        return []
    coming = free_slots(tx, rules, schedule, schedule.next.day - _A_DAY)
    return list(islice(coming, SHOWN_DATES))


def must_read(tx: Tx, schedule_id: str, *, lock: bool = False) -> Schedule:
    """Read a schedule, and hold it where asked.

    Raises:
        RequestError: there is none of this id.
    """
    found = schedules.read(tx, schedule_id, lock=lock)
    if found is None:
        raise RequestError(f"there is no schedule {schedule_id}")
    return found


def pause(tx: Tx, schedule_id: str, *, by: str) -> Schedule:
    """Make no payments until it is resumed. Safe to repeat.

    Raises:
        RequestError: no such schedule, or it has ended.
    """
    return _move(tx, must_read(tx, schedule_id, lock=True), ScheduleStatus.PAUSED, None, by=by)


def resume(tx: Tx, rules: Rules, schedule_id: str, *, by: str) -> Schedule:
    """Go on with the next slot to come; what passed meanwhile is not made up for. Repeatable.

    Raises:
        RequestError: no such schedule, or it has ended, or no slot is left.
    """
    found = must_read(tx, schedule_id, lock=True)
    if found.status is ScheduleStatus.ACTIVE:
        return found
    coming = _coming(tx, rules, found)
    if coming is None and found.status is ScheduleStatus.PAUSED:
        raise RequestError("no date of this schedule is left; remove it")
    return _move(tx, found, ScheduleStatus.ACTIVE, coming, by=by)


def _coming(tx: Tx, rules: Rules, schedule: Schedule) -> Slot | None:
    yesterday = _today(tx.now, schedule.zone) - _A_DAY
    coming = free_slots(tx, rules, schedule, yesterday)
    return next((slot for slot in coming if slot.at > tx.now), None)


def remove(tx: Tx, schedule_id: str, *, by: str) -> Schedule:
    """End a schedule for good; payments that it made stay open. Safe to repeat.

    Raises:
        RequestError: no such schedule.
    """
    return _move(tx, must_read(tx, schedule_id, lock=True), ScheduleStatus.ENDED, None, by=by)


def _move(
    tx: Tx, schedule: Schedule, to: ScheduleStatus, slot: Slot | None, *, by: str
) -> Schedule:
    if schedule.status is to:
        return schedule
    if not may_move(schedule.status, to):
        raise RequestError(f"a schedule that is {schedule.status.value} cannot be {to.value}")
    schedules.move(tx, schedule.id, to, slot)
    _audit(tx, by, f"schedule {to.value}", schedule.id)
    return must_read(tx, schedule.id)


def skip(tx: Tx, rules: Rules, schedule_id: str, *, by: str, day: date | None = None) -> Schedule:
    """Leave one period out: the next, or the one of a date. Safe to repeat for a date.

    Raises:
        RequestError: no such schedule, it has ended, or that date is none of its coming ones.
    """
    found = must_read(tx, schedule_id, lock=True)
    slot = _to_skip(tx, rules, found, day)
    if not schedules.record(tx, found.id, [slot.day], RunState.SKIPPED, why=f"by {by}"):
        state = schedules.state_of(tx, found.id, slot.day)
        if state is not RunState.SKIPPED:
            raise RequestError(f"{slot.day} is {state.value if state else 'gone'} already")
        return found
    _audit(tx, by, f"schedule skips {slot.day}", found.id)
    if found.next is not None and found.next.day == slot.day:
        go_on(tx, rules, found, after=slot.day)
    return must_read(tx, found.id)


def _to_skip(tx: Tx, rules: Rules, schedule: Schedule, day: date | None) -> Slot:
    if schedule.status is ScheduleStatus.ENDED:
        raise RequestError("this schedule has ended")
    if day is None:
        slot = schedule.next or _coming(tx, rules, schedule)
    else:
        slot = next(slots_after(rules, schedule, day - _A_DAY), None)
    if slot is None or (day is not None and slot.day != day) or slot.at <= tx.now:
        raise RequestError("that is no date to come of this schedule")
    return slot


def go_on(tx: Tx, rules: Rules, schedule: Schedule, *, after: date) -> None:
    """Wait for the next slot after a date, or end where none is left."""
    coming = next(free_slots(tx, rules, schedule, after), None)
    status = ScheduleStatus.ENDED if coming is None else schedule.status
    schedules.move(tx, schedule.id, status, coming)


def _audit(tx: Tx, who: str, what: str, schedule_id: str) -> None:
    staff_store.audit(tx, who, what, None, None, {"schedule": schedule_id})
