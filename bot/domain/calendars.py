"""When a customer may be written to: zones, days and hours, with the reason when it may not be.

Instants come in and go out as aware UTC; what is open is decided by the wall clock where the
customer is. Nothing here knows what is sent.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.domain.hours import ALL_WEEK, Hours, hours_of
from bot.domain.packs import (
    DEFAULT,
    NO_RULE,
    CountryPack,
    PackError,
    pack_of,
    read_packs,
    with_zones,
)

__all__ = [
    "ALL_WEEK",
    "MAX_STEPS",
    "CountryPack",
    "Hours",
    "NeverOpenError",
    "PackError",
    "Reminding",
    "Window",
    "holiday",
    "hours_of",
    "instant",
    "pack_of",
    "read_packs",
    "with_zones",
    "zone_of",
]

MAX_STEPS = 5
"""The most reminders that one payment can be given, by hand ones counted."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_DAYS = 400
_BEFORE, _AFTER = timedelta(hours=15), timedelta(hours=39)


class NeverOpenError(Exception):
    """The hours and the country's rules leave no moment in more than a year."""


def zone_of(
    *,
    override: str | None,
    region: str | None,
    packs: Mapping[str, CountryPack],
    default: str,
) -> ZoneInfo:
    """The zone where a customer is taken to be.

    Args:
        override: what the customer's record or number says; passed over if no zone is so named.
        region: the two letters of the number's country; None where there is none.
        packs: with the zone taken for each country.
        default: the merchant's own, which must be a zone.
    """
    for name in (override, None if region is None else pack_of(packs, region).zone):
        if name is not None and (zone := _zone(name)) is not None:
            return zone
    return ZoneInfo(default)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


@lru_cache(maxsize=4096)
def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment when a clock there shows this: the first of two, or the next where it is skipped.

    Returns:
        An aware time in UTC.
    """
    first, second = (_utc(day, at.replace(fold=fold), zone) for fold in (0, 1))
    if first <= second:
        return first
    return _turn(second, first, zone) or first


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def _turn(early: datetime, late: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment between two that has the later one's offset; None where it is the same."""
    end = late.astimezone(zone).utcoffset()
    if early.astimezone(zone).utcoffset() == end:
        return None

    def is_turned(second: int) -> bool:
        return (early + timedelta(seconds=second)).astimezone(zone).utcoffset() == end

    seconds = range(int((late - early).total_seconds()) + 1)
    return early + timedelta(seconds=bisect_left(seconds, True, key=is_turned))


@lru_cache(maxsize=256)
def _holidays(code: str, year: int) -> Mapping[date, str]:
    # Loading the library is slow, and only a service that reminds needs it.
    from holidays import country_holidays

    try:
        return MappingProxyType(dict(country_holidays(code, years=year, language="en_US")))
    except NotImplementedError:
        return MappingProxyType({})


def holiday(code: str, day: date) -> str | None:
    """The English name of a country's national public holiday, None on other days."""
    return _holidays(code, day.year).get(day)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A merchant's hours inside what a country allows; one object of each serves all customers."""

    merchant: tuple[Hours, ...]
    pack: CountryPack

    def next_open(self, at: datetime, zone: ZoneInfo) -> datetime:
        """The first moment from `at` on in which a customer in `zone` may be written to.

        Returns:
            An aware time in UTC; `at` itself where it is open.

        Raises:
            NeverOpenError: there is none within 400 days.
        """
        return _next_open(self, at.astimezone(UTC), zone)

    def _look_for_open(self, at: datetime, zone: ZoneInfo) -> datetime:
        if self._is_open(at, zone):
            return at
        first = at.astimezone(zone).date()
        for step in range(_MOST_DAYS if self._has_hours() else 0):
            moments = self._moments(first + timedelta(days=step), zone)
            later = [each for each in moments if each > at and self._is_open(each, zone)]
            if later:
                return min(later)
        why = f"no hours of {self.pack.code} are open within {_MOST_DAYS} days"
        raise NeverOpenError(why)

    def why_closed(self, at: datetime, zone: ZoneInfo) -> str | None:
        """Why a customer in `zone` may not be written to then, None if that is allowed."""
        local = at.astimezone(zone)
        day, now = local.date(), local.time()
        if (name := self._holiday(day)) is not None:
            return name
        stretches = self._stretches(day)
        if not stretches:
            return f"a {_WEEKDAYS[day.weekday()]}"
        if any(opens <= now < closes for opens, closes in stretches):
            return None
        later = [opens for opens, _ in stretches if now < opens]
        if later:
            return f"before {min(later):%H:%M} there"
        return f"after {max(closes for _, closes in stretches):%H:%M} there"

    def _is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        return self.why_closed(at, zone) is None

    def _has_hours(self) -> bool:
        """Whether both allow something on some day of the week; holidays may still take it."""
        week = (date(2026, 1, 5) + timedelta(days=number) for number in range(7))
        return any(self._stretches(day) for day in week)

    def _holiday(self, day: date) -> str | None:
        return holiday(self.pack.code, day) if self.pack.closes_on_holidays else None

    def _stretches(self, day: date) -> list[tuple[time, time]]:
        """What both allow on a day of the week, by the wall clock."""
        cuts = [
            (max(ours.opens, theirs.opens), min(ours.closes, theirs.closes))
            for ours in self.merchant
            for theirs in self.pack.hours
            if day.weekday() in ours.weekdays & theirs.weekdays
        ]
        return [(opens, closes) for opens, closes in cuts if opens < closes]

    def _moments(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        """Every moment at which a day may open; a clock that is changed can also open it."""
        stretches = self._stretches(day)
        for opens, _ in stretches:
            for fold in (0, 1):
                yield _utc(day, opens.replace(fold=fold), zone)
        midnight = datetime.combine(day, time.min, UTC)
        turn = _turn(midnight - _BEFORE, midnight + _AFTER, zone) if stretches else None
        if turn is not None and turn.astimezone(zone).date() == day:
            yield turn


# Many customers of a country are judged at the same moment, and planned for the same dates.
@lru_cache(maxsize=4096)
def _next_open(window: Window, at: datetime, zone: ZoneInfo) -> datetime:
    return window._look_for_open(at, zone)


@dataclass(frozen=True, slots=True)
class Reminding:
    """What a merchant decided about reminders.

    `at` is the wall-clock time they are planned for, `cap_day` and `cap_week` count messages to one
    customer over all payments, `gap` is the least time between two of them.
    """

    packs: Mapping[str, CountryPack] = field(
        default_factory=lambda: MappingProxyType({DEFAULT: NO_RULE})
    )
    hours: tuple[Hours, ...] = ALL_WEEK
    at: time = time(10)
    cap_day: int = 1
    cap_week: int = 2
    gap: timedelta = timedelta(hours=20)
    max_steps: int = 3
    _windows: dict[str, Window] = field(init=False, repr=False, compare=False, default_factory=dict)

    def window(self, region: str | None) -> Window:
        """The hours for customers of a country."""
        pack = pack_of(self.packs, region)
        known = self._windows.get(pack.code)
        if known is None:
            known = self._windows[pack.code] = Window(self.hours, pack)
        return known
