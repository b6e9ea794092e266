"""What each country asks of those who remind: hours, holidays, caps and its time zone.

The rows are data, read from TOML; they are a careful reading of public summaries and no legal
advice. Hours are written as `bot.domain.hours` reads them.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.domain.hours import ALL_WEEK, Hours, hours_of

DEFAULT = "default"
"""The row for countries that have none, and for addresses that name no country."""

_TEXTS = frozenset({"zone", "hours", "source"})
_FLAGS = frozenset({"has_several_zones", "closes_on_holidays", "one_channel_a_week", "sms_one_way"})
_COUNTS = frozenset({"a_day", "a_week", "days_between"})
_KEYS = _TEXTS | _FLAGS | _COUNTS
_MOST = 31


class PackError(ValueError):
    """The country packs cannot be used; one line a problem, each with its row."""


@dataclass(frozen=True, slots=True)
class CountryPack:
    """One country's rules; None and 0 say that it has none of that kind.

    `zone` is the zone taken for the whole country, which `has_several_zones` says is a choice.
    `a_day` and `a_week` count messages to one customer, `days_between` whole days between two.
    """

    code: str
    zone: str | None
    hours: tuple[Hours, ...]
    closes_on_holidays: bool
    a_day: int | None
    a_week: int | None
    days_between: int
    one_channel_a_week: bool
    source: str
    has_several_zones: bool = False
    sms_one_way: bool = False
    """No answer to an SMS reaches us from there."""


NO_RULE = CountryPack(
    code=DEFAULT,
    zone=None,
    hours=ALL_WEEK,
    closes_on_holidays=False,
    a_day=None,
    a_week=None,
    days_between=0,
    one_channel_a_week=False,
    source="no rule",
)


def read_packs(text: str) -> Mapping[str, CountryPack]:
    """Read the rows of all countries; what a row leaves out is as in `default`.

    Args:
        text: TOML with one table a country under its two letters, and one named `default`.

    Raises:
        PackError: what is wrong, all of it.
    """
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(str(error)) from error
    if DEFAULT not in rows:
        raise PackError(f"{DEFAULT}: this row is missing")
    base = _pack(DEFAULT, rows[DEFAULT], NO_RULE)
    found, problems = {DEFAULT: base}, []
    for code, row in rows.items():
        try:
            found[code] = _pack(code, row, base)
        except PackError as error:
            problems.append(str(error))
    if problems:
        raise PackError("\n".join(problems))
    return MappingProxyType(found)


def pack_of(packs: Mapping[str, CountryPack], region: str | None) -> CountryPack:
    """The rules of a country, or those for all others."""
    return packs.get(region or DEFAULT, packs[DEFAULT])


def with_zones(
    packs: Mapping[str, CountryPack], zones: Mapping[str, str]
) -> Mapping[str, CountryPack]:
    """Take a merchant's own zone for some countries, those without a row included."""
    own = {
        code: replace(pack_of(packs, code), code=code, zone=zone) for code, zone in zones.items()
    }
    return MappingProxyType({**packs, **own})


def _pack(code: str, row: object, base: CountryPack) -> CountryPack:
    if code != DEFAULT and not re.fullmatch("[A-Z]{2}", code):
        raise PackError(f"{code}: must be a two-letter country code like GT")
    if not isinstance(row, Mapping) or row.keys() - _KEYS:
        raise PackError(f"{code}: may have {', '.join(sorted(_KEYS))}")
    _check_types(code, row)
    hours = _hours(code, row["hours"]) if "hours" in row else base.hours
    return replace(base, **{**row, "code": code, "hours": hours})


def _check_types(code: str, row: Mapping[str, object]) -> None:
    for key, value in row.items():
        if key in _TEXTS and not (isinstance(value, str) and value):
            raise PackError(f"{code}: {key} must be a text")
        if key in _FLAGS and not isinstance(value, bool):
            raise PackError(f"{code}: {key} must be true or false")
        if key in _COUNTS and not (type(value) is int and 0 < value <= _MOST):
            raise PackError(f"{code}: {key} must be a number from 1 to {_MOST}")
    _check_zone(code, row.get("zone"))


def _check_zone(code: str, zone: object) -> None:
    if zone is None and code != DEFAULT:
        raise PackError(f"{code}: zone is missing")
    if isinstance(zone, str):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise PackError(f"{code}: zone must be like America/Guatemala") from None


def _hours(code: str, text: str) -> tuple[Hours, ...]:
    try:
        return hours_of(text)
    except ValueError as error:
        raise PackError(f"{code}: hours {error}") from error
