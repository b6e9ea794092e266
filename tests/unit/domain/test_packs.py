"""Each country's row, as shipped: its hours to the minute, its Sundays and its holidays."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from bot.domain import packs as room
from bot.domain.calendars import Window, holiday
from bot.domain.hours import ALL_WEEK
from bot.domain.packs import DEFAULT, CountryPack, PackError, pack_of, read_packs, with_zones

PACKS = read_packs(Path(room.__file__).with_name("countries.toml").read_text("utf-8"))
COUNTRIES = sorted(PACKS.keys() - {DEFAULT})
# fmt: off
LATIN_AMERICA = {
    "AR", "BO", "BR", "CL", "CO", "CR", "CU", "DO", "EC", "GT", "HN",
    "HT", "MX", "NI", "PA", "PE", "PR", "PY", "SV", "UY", "VE",
}
# fmt: on
NEEDED = '[default]\nhours = "mon-sun 08:00-20:00"\n[GT]\nzone = "America/Guatemala"\n'

# Monday to Friday, Saturday, Sunday: the first minute and the first that is too late.
DECENT = ("08:00", "20:00")
WEEKS = {
    "CO": (("07:00", "19:00"), ("08:00", "15:00"), None),
    "CL": (DECENT, DECENT, None),
    "EC": (("07:00", "20:00"), None, None),
    "PE": (("07:00", "20:00"), None, None),
    "MX": (("07:00", "22:00"), None, None),
}
# A week without a holiday in any of these countries, from its Monday on.
WEEK = (date(2026, 4, 20), date(2026, 4, 25), date(2026, 4, 26))


def window(code: str) -> tuple[Window, ZoneInfo]:
    zone = PACKS[code].zone
    assert zone is not None
    return Window(ALL_WEEK, PACKS[code]), ZoneInfo(zone)


def on(day: date, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=zone).astimezone(UTC)


def test_every_country_of_the_region_has_a_row() -> None:
    assert set(COUNTRIES) == {*LATIN_AMERICA, "US", "CA", "ES"}
    assert set(COUNTRIES) <= phonenumbers.SUPPORTED_REGIONS


@pytest.mark.parametrize("code", COUNTRIES)
@pytest.mark.parametrize("number", range(3))
def test_hours_to_the_minute(code: str, number: int) -> None:
    there, zone = window(code)
    day = WEEK[number]
    hours = WEEKS.get(code, (DECENT,) * 3)[number]
    if hours is None:
        assert "a S" in str(there.why_closed(on(day, "12:00", zone), zone))
        return
    opens, closes = (on(day, clock, zone) for clock in hours)
    assert there.why_closed(opens, zone) is None
    assert there.why_closed(opens - timedelta(seconds=1), zone) == f"before {hours[0]} there"
    assert there.why_closed(closes - timedelta(seconds=1), zone) is None
    assert there.why_closed(closes, zone) == f"after {hours[1]} there"


@pytest.mark.parametrize("code", COUNTRIES)
def test_nothing_on_a_public_holiday(code: str) -> None:
    there, zone = window(code)
    day = date(2027, 1, 1)
    name = holiday(code, day)
    assert name
    assert there.why_closed(on(day, "12:00", zone), zone) == name
    assert there.next_open(on(day, "12:00", zone), zone).astimezone(zone).date() > day


@pytest.mark.parametrize(
    ("code", "day", "name"),
    [
        ("CO", date(2026, 4, 3), "Good Friday"),
        ("CO", date(2026, 1, 12), "Epiphany"),
        ("GT", date(2026, 4, 4), "Holy Saturday"),
        ("BR", date(2026, 4, 3), "Good Friday"),
        ("MX", date(2026, 9, 16), "Independence Day"),
    ],
)
def test_days_that_hang_on_easter_or_were_moved_are_known(code: str, day: date, name: str) -> None:
    assert str(holiday(code, day)).startswith(name)


def test_colombian_saturdays_end_at_three() -> None:
    there, zone = window("CO")
    saturday = date(2026, 11, 28)
    assert there.next_open(on(saturday, "07:59", zone), zone) == on(saturday, "08:00", zone)
    last = on(saturday, "14:59", zone)
    assert there.next_open(last, zone) == last
    monday = on(date(2026, 11, 30), "07:00", zone)
    assert there.next_open(on(saturday, "15:00", zone), zone) == monday


def caps(code: str) -> tuple[int | None, int | None, int, bool]:
    pack = PACKS[code]
    return (pack.a_day, pack.a_week, pack.days_between, pack.one_channel_a_week)


def test_caps_are_those_of_the_law() -> None:
    own = {"CO": (1, None, 0, True), "CL": (None, 2, 2, False), "EC": (1, None, 0, False)}
    for code in COUNTRIES:
        assert caps(code) == own.get(code, (None, None, 0, False))


def test_every_rule_says_where_it_was_read() -> None:
    assert all("https://" in PACKS[code].source for code in WEEKS)
    assert all("no rule known" in PACKS[code].source for code in set(COUNTRIES) - WEEKS.keys())


def test_countries_with_several_zones_say_so() -> None:
    several = {code for code in COUNTRIES if PACKS[code].has_several_zones}
    assert several == {"MX", "BR", "CL", "EC", "US", "CA", "ES"}


def test_a_country_without_a_row_has_the_default() -> None:
    assert pack_of(PACKS, "FR") == pack_of(PACKS, None) == PACKS[DEFAULT]
    assert PACKS[DEFAULT].zone is None


def test_a_merchant_may_take_another_zone_for_a_country() -> None:
    own = with_zones(PACKS, {"MX": "America/Tijuana", "FR": "Europe/Paris"})
    assert (own["MX"].zone, own["MX"].hours) == ("America/Tijuana", PACKS["MX"].hours)
    assert (own["FR"].code, own["FR"].zone) == ("FR", "Europe/Paris")
    assert own["FR"].hours == PACKS[DEFAULT].hours
    assert PACKS["MX"].zone == "America/Mexico_City"


def test_a_row_takes_from_the_default_what_it_leaves_out() -> None:
    packs = read_packs(NEEDED)
    gt: CountryPack = packs["GT"]
    assert (gt.hours, gt.zone) == (packs[DEFAULT].hours, "America/Guatemala")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[default", "Expected"),
        ('[GT]\nzone = "America/Guatemala"\n', "default: this row is missing"),
        ("default = 1\n", "default: may have"),
        (NEEDED + "[gt]\n", "gt: must be a two-letter"),
        (NEEDED + "[MX]\n", "MX: zone is missing"),
        (NEEDED + '[MX]\nzone = "Mexico"\ncolour = 1\n', "MX: may have a_day"),
        (NEEDED + '[MX]\nzone = "Tijuana"\n', "MX: zone must be like"),
        (NEEDED + '[MX]\nzone = "../x"\n', "MX: zone must be like"),
        (NEEDED + "[MX]\nzone = 1\n", "MX: zone must be a text"),
        (NEEDED + 'hours = "all day"\n', "GT: hours must be like"),
        (NEEDED + 'closes_on_holidays = "yes"\n', "GT: closes_on_holidays must be true"),
        (NEEDED + "a_day = 0\n", "GT: a_day must be a number from 1"),
        (NEEDED + "a_week = true\n", "GT: a_week must be a number"),
        (NEEDED + "days_between = 32\n", "GT: days_between must be a number"),
        (NEEDED + 'source = ""\n', "GT: source must be a text"),
    ],
)
def test_a_fault_is_told_with_its_row(text: str, problem: str) -> None:
    with pytest.raises(PackError, match=problem):
        read_packs(text)


def test_every_faulty_row_is_told_at_once() -> None:
    with pytest.raises(PackError) as caught:
        read_packs(NEEDED + "a_day = 0\n[MX]\n")
    assert [line[:2] for line in str(caught.value).splitlines()] == ["GT", "MX"]
