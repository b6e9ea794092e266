"""When a recurring rule comes next: APScheduler's triggers count days, the calendar makes instants.

The triggers only ever see wall time written as UTC, so that no change of clocks can mislead them;
which instant a wall time is in a zone is decided afterwards, once for each date.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger

from bot.domain.calendars import instant
from bot.domain.recurring import WEEKDAYS, Cron, EveryMonths, Rule, RuleError, Slot, Weekly

# Nine years are longer than from one 29 February to the next, whatever the century.
_AHEAD = timedelta(days=9 * 366)
_A_DAY = timedelta(days=1)
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)
_RANGE = re.compile(r"(?P<first>[0-7])(?:-(?P<last>[0-7]))?", re.ASCII)
_CRON_WEEKDAYS = (WEEKDAYS[6], *WEEKDAYS)


def next_slot(rule: Rule, zone: ZoneInfo, after: date) -> Slot:
    """The first slot on a date later than `after`; a date has one slot at most.

    Args:
        rule: months and weeks are counted from its `since`; without it every one of them counts.
        zone: where its dates and times are read.
        after: a date there.

    Raises:
        RuleError: a cron expression cannot be read, or never comes.
    """
    start = after + _A_DAY
    match rule:
        case EveryMonths():
            day, at = _in_month(rule, start), rule.at
        case Weekly():
            day, at = _in_week(rule, start), rule.at
        case Cron():
            found = _by_cron(rule.expression, start)
            day, at = found.date(), found.time()
    return Slot(day, instant(day, at, zone))


def _in_month(rule: EveryMonths, start: date) -> date:
    every, first = (rule.every, rule.since) if rule.since else (1, start)
    trigger = CalendarIntervalTrigger(months=every, start_date=first.replace(day=1), timezone=UTC)
    month = trigger.get_next_fire_time(None, _wall(start))
    while month is not None:
        day = min(month.date() + timedelta(days=rule.day - 1), _last_of(month.date()))
        if day >= max(start, first):
            return day
        month = trigger.get_next_fire_time(month, _wall(start))
    raise RuleError("this rule never comes")


def _last_of(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - _A_DAY


def _in_week(rule: Weekly, start: date) -> date:
    every, since = (rule.every, rule.since) if rule.since else (1, start)
    names = ",".join(WEEKDAYS[number] for number in sorted(rule.weekdays))
    trigger = CronTrigger(day_of_week=names, hour=0, timezone=UTC)
    first = max(start, since)
    while True:
        day = _fired(trigger, first).date()
        weeks = (_monday(day) - _monday(since)).days // 7
        if weeks % every == 0:
            return day
        first = _monday(day) + timedelta(days=7)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _by_cron(expression: str, start: date) -> datetime:
    minute, hour, day, month, weekday = _cron_fields(expression)
    try:
        trigger = CronTrigger(
            minute=minute,
            hour=hour,
            day="last" if day.upper() == "L" else day,
            month=month,
            day_of_week=weekday,
            timezone=UTC,
            end_date=_wall(start) + _AHEAD,
        )
    except ValueError as error:
        raise RuleError(f"the cron expression cannot be read: {error}"[:200]) from None
    return _fired(trigger, start)


def _cron_fields(expression: str) -> tuple[str, str, str, str, str]:
    """The five fields, with weekdays by name: cron counts from Sunday, the trigger from Monday.

    Raises:
        RuleError: there are not five, or they ask for more than one payment a day.
    """
    fields = expression.lower().split()
    if len(fields) != 5:
        raise RuleError("cron has five fields: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    if not (_NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour)):
        raise RuleError("cron must name one minute and one hour: a date makes one payment")
    if "*" not in (day, weekday):
        raise RuleError("cron may name days of the month or weekdays, not both")
    return minute, hour, day, month, ",".join(map(_weekday_names, weekday.split(",")))


def _weekday_names(part: str) -> str:
    """One part of cron's weekday field, its numbers written as names."""
    found = _RANGE.fullmatch(part)
    if found is None:
        return part
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if first > last:
        raise RuleError("the weekdays of cron run from 0, Sunday, up to 7, Sunday again")
    return ",".join(_CRON_WEEKDAYS[number] for number in range(first, last + 1))


def _fired(trigger: CronTrigger, start: date) -> datetime:
    found: datetime | None = trigger.get_next_fire_time(None, _wall(start))
    if found is None:
        raise RuleError("this rule never comes")
    return found


def _wall(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
