"""Hours of the week in which messages may be sent, as settings and country packs write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EXAMPLE = "mon-sat 09:00-18:00; sun 10:00-12:00"
_PART = re.compile(r"([a-z,\- ]+?)\s+(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of some weekdays, by the wall clock; Monday is 0.

    `closes` is the first moment that is too late; `time.max` is the end of the day.
    """

    weekdays: frozenset[int]
    opens: time
    closes: time


ALL_WEEK = (Hours(frozenset(range(7)), time.min, time.max),)


def hours_of(text: str) -> tuple[Hours, ...]:
    """Read hours as `mon-sat 09:00-18:00; sun 10:00-12:00`; 24:00 is the end of the day.

    Raises:
        ValueError: it is not so written; says how it must be, and does not repeat the text.
    """
    parts = [part.strip().lower() for part in text.split(";") if part.strip()]
    if not parts:
        raise _wrong("one day at least")
    return tuple(_part(part) for part in parts)


def _part(part: str) -> Hours:
    match = _PART.fullmatch(part)
    if match is None:
        raise _wrong("days, a space, then from-to")
    opens, closes = _time(match[2], match[3]), _time(match[4], match[5])
    if opens >= closes:
        raise _wrong("the later time second; past midnight is the next day's")
    return Hours(frozenset(_weekdays(match[1])), opens, closes)


def _weekdays(text: str) -> Iterator[int]:
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        last = last or first
        if first not in _DAYS or last not in _DAYS or part.endswith("-"):
            raise _wrong(f"the days are {' '.join(_DAYS)}")
        start = _DAYS.index(first)
        for step in range((_DAYS.index(last) - start) % 7 + 1):
            yield (start + step) % 7


def _time(hour: str, minute: str) -> time:
    if (hour, minute) == ("24", "00"):
        return time.max
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise _wrong("times go from 00:00 to 24:00") from None


def _wrong(hint: str) -> ValueError:
    return ValueError(f'must be like "{_EXAMPLE}": {hint}')
