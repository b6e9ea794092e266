"""When rules come: ends of months, leap years, and clocks that are put forward and back."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.recurring import Cron, EveryMonths, Rule, RuleError, Slot, Weekly, anchored
from bot.recurrence import next_slot

ZONES = (
    "America/New_York",
    "America/Tijuana",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Guatemala",
    "UTC",
)
GUATEMALA = ZoneInfo("America/Guatemala")


def days(rule: Rule, after: date, number: int, zone: ZoneInfo = GUATEMALA) -> list[str]:
    found = []
    for _ in range(number):
        after = next_slot(rule, zone, after).day
        found.append(f"{after:%y-%m-%d}")
    return found


def test_the_31st_is_the_last_day_of_a_shorter_month() -> None:
    assert days(EveryMonths(1, 31), date(2026, 1, 30), 5) == [
        *("26-01-31", "26-02-28", "26-03-31", "26-04-30", "26-05-31"),
    ]
    assert days(EveryMonths(1, 30), date(2028, 1, 30), 2) == ["28-02-29", "28-03-30"]
    assert days(EveryMonths(1, 29), date(2026, 1, 29), 2) == ["26-02-28", "26-03-29"]
    assert days(EveryMonths(1, 29), date(2028, 1, 29), 2) == ["28-02-29", "28-03-29"]


def test_months_are_counted_from_the_first() -> None:
    rule = anchored(EveryMonths(3, 31), date(2026, 1, 31))
    assert days(rule, date(2026, 1, 30), 4) == ["26-01-31", "26-04-30", "26-07-31", "26-10-31"]
    assert days(rule, date(2026, 2, 1), 1) == ["26-04-30"]
    assert days(rule, date(2020, 1, 1), 1) == ["26-01-31"]
    assert days(anchored(EveryMonths(12, 29), date(2028, 2, 29)), date(2028, 2, 29), 2) == [
        *("29-02-28", "30-02-28"),
    ]
    assert days(EveryMonths(3, 15), date(2026, 1, 19), 1) == ["26-02-15"]


def test_weeks_are_counted_from_the_first() -> None:
    both = frozenset({0, 3})
    assert days(Weekly(both), date(2026, 1, 1), 3) == ["26-01-05", "26-01-08", "26-01-12"]
    every_second = anchored(Weekly(both, every=2), date(2026, 1, 8))
    assert days(every_second, date(2026, 1, 1), 3) == ["26-01-08", "26-01-19", "26-01-22"]
    assert days(Weekly(frozenset({6}), every=2), date(2026, 1, 1), 1) == ["26-01-04"]


def test_cron_counts_its_weekdays_from_sunday() -> None:
    assert days(Cron("0 9 * * 1"), date(2026, 1, 1), 2) == ["26-01-05", "26-01-12"]
    assert days(Cron("0 9 * * 0"), date(2026, 1, 1), 1) == ["26-01-04"]
    assert days(Cron("0 9 * * 7"), date(2026, 1, 1), 1) == ["26-01-04"]
    assert days(Cron("0 9 * * 5-7"), date(2026, 1, 1), 3) == ["26-01-02", "26-01-03", "26-01-04"]
    assert days(Cron("0 9 * * mon-fri"), date(2026, 1, 2), 1) == ["26-01-05"]
    assert days(Cron("30 9 L * *"), date(2026, 1, 31), 1) == ["26-02-28"]
    assert days(Cron("0 9 1,15 */2 *"), date(2026, 1, 20), 2) == ["26-03-01", "26-03-15"]
    assert days(Cron("0 9 29 2 *"), date(2096, 3, 1), 1) == ["04-02-29"]


@pytest.mark.parametrize(
    "expression",
    [
        "0 9 30 2 *",
        "* 9 1 * *",
        "*/5 * * * *",
        "0 9,10 * * *",
        "0 9 1 * 1",
        "0 9 * * 6-2",
        "0 9 * * 1/0",
        "0 25 1 * *",
        "0 9 32 * *",
        "0 9 1 13 *",
        "0 9 x * *",
        "0 9 1 *",
        "0 9 1 * * *",
        "0 9 1-- * *",
    ],
)
def test_a_cron_expression_that_cannot_be_kept_is_refused(expression: str) -> None:
    with pytest.raises(RuleError):
        next_slot(Cron(expression), GUATEMALA, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        # Clocks jump from 02:00 to 03:00: the next that exists.
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:00:00+00:00"),
        # 01:30 comes twice: the first.
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30:00+00:00"),
        # Midnight itself is skipped.
        ("America/Santiago", date(2026, 9, 6), time(0, 0), "2026-09-06T04:00:00+00:00"),
        # Half an hour only.
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:30:00+00:00"),
        ("Asia/Kathmandu", date(2026, 1, 1), time(9, 0), "2026-01-01T03:15:00+00:00"),
    ],
)
def test_a_time_that_is_skipped_or_comes_twice(
    zone: str, day: date, at: time, expected: str
) -> None:
    found = next_slot(Weekly(frozenset(range(7)), at), ZoneInfo(zone), day - timedelta(days=1))
    assert found == Slot(day, datetime.fromisoformat(expected))


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("minute", [0, 30, 90, 135, 150, 165, 540, 1439])
def test_every_local_date_of_a_year_has_its_one_slot(zone_name: str, minute: int) -> None:
    zone, at = ZoneInfo(zone_name), time(minute // 60, minute % 60)
    rule = Weekly(frozenset(range(7)), at)
    day, before = date(2025, 12, 31), datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(365):
        slot = next_slot(rule, zone, day)
        assert slot.day == date(2026, 1, 1) + timedelta(days=number)
        shown = slot.at.astimezone(zone)
        assert shown.date() == slot.day
        assert slot.at > before
        assert shown.time() >= at
        assert shown.hour * 60 + shown.minute - minute <= 60
        day, before = slot.day, slot.at
