"""Zones, clock changes and windows: what is open is decided by the clock on the customer's wall."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.calendars import (
    Hours,
    NeverOpenError,
    Reminding,
    Window,
    holiday,
    hours_of,
    instant,
    zone_of,
)
from bot.domain.packs import DEFAULT, NO_RULE, CountryPack, read_packs

ZONES = {
    name: ZoneInfo(name)
    for name in (
        "America/New_York",
        "America/Tijuana",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "America/Guatemala",
        "UTC",
    )
}
MINUTE = timedelta(minutes=1)
PACKS = read_packs(
    """
    [default]
    hours = "mon-sun 08:00-20:00"
    [GT]
    zone = "America/Guatemala"
    [MX]
    zone = "America/Mexico_City"
    """
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def home(override: str | None, region: str | None) -> str:
    return zone_of(override=override, region=region, packs=PACKS, default="America/Lima").key


@pytest.mark.parametrize(
    ("override", "region", "zone"),
    [
        ("America/Tijuana", "MX", "America/Tijuana"),
        (None, "MX", "America/Mexico_City"),
        (None, "FR", "America/Lima"),
        (None, None, "America/Lima"),
        ("Mars/Olympus", "MX", "America/Mexico_City"),
        ("../etc/passwd", None, "America/Lima"),
    ],
)
def test_a_customer_is_where_they_say_else_their_number_else_the_merchant(
    override: str | None, region: str | None, zone: str
) -> None:
    assert home(override, region) == zone


@pytest.mark.parametrize(
    ("zone", "wall", "moment"),
    [
        # skipped: the next moment there is
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 02:00", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 01:59", "2026-03-08 06:59"),
        ("America/Tijuana", "2026-03-08 02:30", "2026-03-08 10:00"),
        ("America/Santiago", "2026-09-06 00:30", "2026-09-06 04:00"),
        ("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03 15:30"),
        ("Africa/Casablanca", "2026-03-22 02:30", "2026-03-22 02:00"),
        # twice: the first of both
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30"),
        ("America/Tijuana", "2026-11-01 01:30", "2026-11-01 08:30"),
        ("America/Santiago", "2026-04-04 23:30", "2026-04-05 02:30"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45"),
        ("Africa/Casablanca", "2026-02-15 02:30", "2026-02-15 01:30"),
        # no change at all
        ("Asia/Kathmandu", "2026-03-08 02:30", "2026-03-07 20:45"),
        ("America/Guatemala", "2026-03-08 02:30", "2026-03-08 08:30"),
        ("UTC", "2026-03-08 02:30", "2026-03-08 02:30"),
        # a day that Samoa never had
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00"),
    ],
)
def test_a_wall_clock_shows_a_time_once(zone: str, wall: str, moment: str) -> None:
    shown = datetime.fromisoformat(wall)
    found = instant(shown.date(), shown.time(), ZoneInfo(zone))
    assert (found, found.tzinfo) == (utc(moment), UTC)


@pytest.mark.parametrize("name", ZONES)
def test_a_year_of_days_gives_rising_moments_on_their_own_dates(name: str) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(366)]
    for at in (time(0, 30), time(1, 45), time(2, 30), time(10)):
        moments = [instant(day, at, ZONES[name]) for day in days]
        assert [moment.astimezone(ZONES[name]).date() for moment in moments] == days
        assert moments == sorted(set(moments))


def test_a_window_that_is_open_is_open_now() -> None:
    window = Window(hours_of("mon-sat 09:00-18:00"), NO_RULE)
    at = utc("2026-11-26 15:00:17")
    assert window.next_open(at, ZONES["America/Guatemala"]) == at
    assert window.why_closed(at, ZONES["America/Guatemala"]) is None


@pytest.mark.parametrize(
    ("at", "why", "next_at"),
    [
        ("2026-11-26 14:59:59", "before 09:00 there", "2026-11-26 15:00"),
        ("2026-11-26 18:00", "before 14:00 there", "2026-11-26 20:00"),
        ("2026-11-27 00:00", "after 18:00 there", "2026-11-27 15:00"),
        ("2026-11-29 16:00", "a Sunday", "2026-11-30 15:00"),
        ("2026-12-25 16:00", "Christmas Day", "2026-12-26 15:00"),
        ("2026-04-02 16:00", "Maundy Thursday", "2026-04-06 15:00"),
        ("2026-09-15 16:00", "Independence Day", "2026-09-16 15:00"),
    ],
)
def test_a_closed_window_says_why_and_when_it_opens(at: str, why: str, next_at: str) -> None:
    hours = "mon-sat 09:00-12:00; mon-sat 14:00-18:00"
    pack = CountryPack("GT", None, NO_RULE.hours, True, None, None, 0, False, "test")
    window, zone = Window(hours_of(hours), pack), ZONES["America/Guatemala"]
    assert window.why_closed(utc(at), zone) == why
    assert window.next_open(utc(at), zone) == utc(next_at)


@pytest.mark.parametrize(
    ("hours", "at", "next_at"),
    [
        # The clock goes from 02:00 back to 01:00 at 06:00 UTC.
        ("sun 01:30-01:45", "2026-11-01 05:00", "2026-11-01 05:30"),
        ("sun 01:30-01:45", "2026-11-01 05:45", "2026-11-01 06:30"),
        ("sun 00:30-01:30", "2026-11-01 05:45", "2026-11-01 06:00"),
        ("sun 01:30-03:00", "2026-11-01 06:00", "2026-11-01 06:30"),
        # The clock goes from 02:00 on to 03:00 at 07:00 UTC.
        ("sun 02:15-03:30", "2026-03-08 06:00", "2026-03-08 07:00"),
        ("sat 09:00-18:00; sun 00:00-04:00", "2026-03-08 00:00", "2026-03-08 05:00"),
    ],
)
def test_hours_in_the_night_of_a_change_go_by_the_clock(hours: str, at: str, next_at: str) -> None:
    window, zone = Window(hours_of(hours), NO_RULE), ZONES["America/New_York"]
    assert window.next_open(utc(at), zone) == utc(next_at)


def test_a_country_without_a_calendar_has_no_holidays() -> None:
    assert holiday(DEFAULT, date(2026, 12, 25)) is None
    assert holiday("GT", date(2026, 12, 25)) == "Christmas Day"


def test_a_window_that_never_opens_is_told_and_not_searched_for_ever() -> None:
    window = Window(hours_of("sun 09:00-10:00"), read_packs(ONLY_SATURDAYS)["CO"])
    with pytest.raises(NeverOpenError, match="CO"):
        window.next_open(utc("2026-11-26 15:00"), ZONES["UTC"])


ONLY_SATURDAYS = """
[default]
[CO]
zone = "America/Bogota"
hours = "sat 08:00-15:00"
"""


def test_a_country_is_looked_up_with_the_default_for_all_others() -> None:
    reminding = Reminding(packs=PACKS, hours=hours_of("mon 09:00-10:00"))
    assert reminding.window("GT").pack.code == "GT"
    assert reminding.window("FR").pack.code == reminding.window(None).pack.code == DEFAULT


# The wall clock is the judge: the code under test is compared with a look at every minute.

# Half of the hours are at night, when clocks are changed.
quarters = (st.integers(0, 16) | st.integers(0, 95)).map(
    lambda number: time(number // 4, number % 4 * 15)
)
stretches = st.tuples(quarters, quarters | st.just(time.max)).filter(lambda both: both[0] < both[1])
weeks = st.lists(
    st.builds(
        lambda days, both: Hours(frozenset(days), *both),
        st.sets(st.integers(0, 6), min_size=4),
        stretches,
    ),
    min_size=1,
    max_size=2,
).map(tuple)
CHANGES = [
    ("America/New_York", "2026-03-08 07:00"),
    ("America/New_York", "2026-11-01 06:00"),
    ("America/Tijuana", "2026-11-01 09:00"),
    ("America/Santiago", "2026-04-05 03:00"),
    ("America/Santiago", "2026-09-06 04:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("Africa/Casablanca", "2026-02-15 02:00"),
    ("Africa/Casablanca", "2026-03-22 02:00"),
    ("Asia/Kathmandu", "2026-07-03 12:00"),
    ("America/Guatemala", "2026-12-31 12:00"),
    ("UTC", "2026-12-24 12:00"),
]
places = st.builds(
    lambda change, minute: (ZONES[change[0]], utc(change[1]) + minute * MINUTE),
    st.sampled_from(CHANGES),
    st.integers(-150, 150) | st.integers(-2880, 2880),
)


def is_within(hours: tuple[Hours, ...], local: datetime) -> bool:
    return any(
        local.weekday() in each.weekdays and each.opens <= local.time() < each.closes
        for each in hours
    )


def minutes_from(at: datetime) -> Iterator[datetime]:
    yield at
    start = at.replace(second=0, microsecond=0) + MINUTE
    for number in range(9 * 1440):
        yield start + number * MINUTE


@settings(max_examples=300, deadline=None)
@given(place=places, ours=weeks, theirs=weeks)
def test_the_next_moment_is_the_first_open_minute(
    place: tuple[ZoneInfo, datetime], ours: tuple[Hours, ...], theirs: tuple[Hours, ...]
) -> None:
    zone, at = place
    pack = CountryPack("US", None, theirs, True, None, None, 0, False, "test")
    window = Window(ours, pack)

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        return (
            is_within(ours, local)
            and is_within(theirs, local)
            and holiday("US", local.date()) is None
        )

    first = next(filter(is_open, minutes_from(at)), None)
    try:
        found = window.next_open(at, zone)
    except NeverOpenError:
        assert first is None
        return
    assert found >= at
    assert window.why_closed(found, zone) is None
    assert window.next_open(found, zone) == found
    assert found == first or (first is None and found > at + timedelta(days=9))
