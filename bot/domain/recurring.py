"""Rules by which a payment comes back: every so many months, on weekdays, or as cron says. Pure.

A rule speaks of dates on somebody's wall; which instants these are is found elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time

DEFAULT_AT = time(9)
MAX_MONTHS = 36
MAX_WEEKS = 52
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class RuleError(ValueError):
    """The rule cannot be taken; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class EveryMonths:
    """On a day of the month; where a month has no such day, on its last.

    `since` is a date in the first month, from which the others are counted.
    """

    every: int
    day: int
    at: time = DEFAULT_AT
    since: date | None = None

    def __post_init__(self) -> None:
        """Refuse what no calendar has."""
        _must_be_within("every", self.every, MAX_MONTHS, "months")
        _must_be_within("day", self.day, 31, "the last day of a shorter month is taken")


@dataclass(frozen=True, slots=True)
class Weekly:
    """On days of the week, 0 for Monday; `since` is a date in the first week."""

    weekdays: frozenset[int]
    at: time = DEFAULT_AT
    every: int = 1
    since: date | None = None

    def __post_init__(self) -> None:
        """Refuse what no calendar has."""
        _must_be_within("every", self.every, MAX_WEEKS, "weeks")
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise RuleError(f"name weekdays among {', '.join(WEEKDAYS)}")


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields: minute, hour, day of month, month, weekday."""

    expression: str


Rule = EveryMonths | Weekly | Cron


@dataclass(frozen=True, slots=True)
class Slot:
    """One period: its date where the schedule lives, and the instant to act at."""

    day: date
    at: datetime


def days_of(slots: Iterable[Slot]) -> list[date]:
    """The dates of these slots."""
    return [slot.day for slot in slots]


def _must_be_within(name: str, number: int, most: int, hint: str) -> None:
    if not 1 <= number <= most:
        raise RuleError(f"{name} must be 1 to {most} ({hint})")


def anchored(rule: Rule, start: date) -> Rule:
    """The rule, counting its months or weeks from this date on."""
    match rule:
        case Cron():
            return rule
        case EveryMonths() | Weekly():
            return replace(rule, since=start)


def document(rule: Rule) -> dict[str, object]:
    """The rule as JSON can hold it."""
    match rule:
        case EveryMonths():
            found: dict[str, object] = {"kind": "months", "every": rule.every, "day": rule.day}
        case Weekly():
            days = [WEEKDAYS[number] for number in sorted(rule.weekdays)]
            found = {"kind": "weeks", "every": rule.every, "weekdays": days}
        case Cron():
            return {"kind": "cron", "expression": rule.expression}
    found["at"] = f"{rule.at:%H:%M}"
    if rule.since is not None:
        found["since"] = rule.since.isoformat()
    return found


_FIELDS = {
    "months": frozenset({"every", "day", "at", "since"}),
    "weeks": frozenset({"every", "weekdays", "at", "since"}),
    "cron": frozenset({"expression"}),
}


def rule_of(given: Mapping[str, object]) -> Rule:
    """What `document` wrote; `at` and `every` may be left out.

    Raises:
        RuleError: a field is unknown, missing, or of another kind.
    """
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise RuleError("kind must be months, weeks or cron")
    if unknown := sorted(given.keys() - _FIELDS[kind] - {"kind"}):
        raise RuleError(f"a rule of {kind} has no {', '.join(unknown)}"[:200])
    if kind == "cron":
        return Cron(_text(given, "expression"))
    at = _time(_text(given, "at")) if "at" in given else DEFAULT_AT
    since = _date(_text(given, "since")) if "since" in given else None
    every = _number(given, "every") if "every" in given else 1
    if kind == "months":
        return EveryMonths(every, _number(given, "day"), at, since)
    return Weekly(_weekdays(given.get("weekdays")), at, every, since)


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 100:
        raise RuleError(f"{name} must be a text")
    return " ".join(value.split())


def _number(given: Mapping[str, object], name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuleError(f"{name} must be a whole number")
    return value


def _weekdays(value: object) -> frozenset[int]:
    if not isinstance(value, list) or not all(each in WEEKDAYS for each in value):
        raise RuleError(f"weekdays must be a list of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(each) for each in value)


def _time(text: str) -> time:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        raise RuleError("at must be a time of day as 09:00") from None
    if at.tzinfo is not None or at != at.replace(second=0, microsecond=0):
        raise RuleError("at must be a time of day as 09:00")
    return at


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RuleError("since must be a date as 2026-01-31") from None


def write_rule(rule: Rule) -> str:
    """The rule in one line that `recurring_words.read_rule` reads back."""
    match rule:
        case EveryMonths(every=1):
            return f"monthly {rule.day} {rule.at:%H:%M}"
        case EveryMonths():
            return f"every {rule.every} months on {rule.day} at {rule.at:%H:%M}"
        case Weekly():
            days = ",".join(WEEKDAYS[number] for number in sorted(rule.weekdays))
            often = f"weekly {days}" if rule.every == 1 else f"every {rule.every} weeks on {days}"
            is_daily = rule.every == 1 and len(rule.weekdays) == len(WEEKDAYS)
            return f"{'daily' if is_daily else often} {rule.at:%H:%M}"
        case Cron():
            return f"cron {rule.expression}"
