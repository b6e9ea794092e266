"""A year of daily reminders in eight zones, with a clock that jumps and payments that come."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot.domain.calendars import ALL_WEEK, Reminding, Window, hours_of, pack_of, read_packs
from bot.domain.payment import FactStatus
from bot.domain.reminders import Anchor, Plan, Step, Tone
from bot.store.engine import Tx
from tests.contract.databases import copy_of
from tests.contract.reminders import Life, Went
from tests.contract.world import World

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
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
A_YEAR = timedelta(days=365)


def daily(days: int) -> Plan:
    steps = tuple(Step(Anchor.CREATED, day, Tone.FRIENDLY) for day in range(1, days + 1))
    return Plan(no_due=steps, due=())


DAILY = daily(365)
HOURS = hours_of("mon-sat 09:00-18:00")
PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))
REMINDING = Reminding(packs=PACKS, hours=HOURS, cap_week=7, max_steps=400)
JUMPS = {
    60: timedelta(hours=1),
    90: timedelta(days=1),
    120: timedelta(hours=-1),
    150: timedelta(days=-1),
    200: timedelta(days=9),
}
"""On which day of the year the clock jumps, and by how much."""
BEHIND = 225
"""On which day of the year the clock is a year behind for some hours."""


@dataclass
class Year:
    """Eight customers, each with one payment and a zone of their own."""

    life: Life
    zones: dict[str, ZoneInfo]

    def of(self, payment_id: str) -> list[Went]:
        return [went for went in self.life.went if went.payment_id == payment_id]


@pytest.fixture
async def year(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Year]:
    world = World(copy_of(sqlite_template, tmp_path / "paybot.db"))
    world.set_rules(
        reminding=REMINDING, plans={"default": DAILY}, staff=None, link_ttl=timedelta(days=900)
    )
    world.clock.now = START
    world.store.open()
    life = Life(world, lanes=("migo", "sms"))
    zones: dict[str, ZoneInfo] = {}
    for number, name in enumerate(ZONES):
        phone = f"+5025555{number:04d}"
        made = await life.create(phone=phone, route=("sms",))
        zones[made.id] = ZoneInfo(name)
        await world.run(partial(_live_in, phone=phone, name=name))
    yield Year(life, zones)
    await world.store.close()


def _live_in(tx: Tx, phone: str, name: str) -> None:
    tx.run(
        sa.text("update customer set time_zone = :name where phone = :phone"),
        {"name": name, "phone": phone},
    )


async def test_one_a_date_inside_the_window_none_after_payment(year: Year) -> None:
    life, clock = year.life, year.life.world.clock
    paid_id = next(iter(year.zones))
    for day in range(365):
        await life.until(START + timedelta(days=day))
        clock.now += JUMPS.get(day, timedelta())
        if day == BEHIND:
            await with_wrong_clock(life, -A_YEAR)
        if day == 300:
            [[uid]] = await life.world.select(
                "select uid from link where payment_id = :id", id=paid_id
            )
            await life.world.callback(str(uid), FactStatus.APPROVED)
    assert_by_the_rules(year)
    behind = START + timedelta(days=BEHIND)
    assert not [each for each in life.went if each.at < START]
    for payment_id, zone in year.zones.items():
        went = year.of(payment_id)
        after = [each for each in went if behind <= each.at < behind + timedelta(days=7)]
        assert len(after) >= 5, zone
        assert len(went) > (220 if payment_id == paid_id else 260), (zone, len(went))
    assert max(each.at for each in year.of(paid_id)) <= START + timedelta(days=300)


async def with_wrong_clock(life: Life, by: timedelta) -> None:
    """Live by a clock that is wrong, for less than the least time between two messages."""
    life.world.clock.now += by
    await life.days(0.75)
    life.world.clock.now -= by


def assert_by_the_rules(year: Year) -> None:
    window = Window(HOURS, pack_of(PACKS, "GT"))
    for payment_id, zone in year.zones.items():
        went = year.of(payment_id)
        dates = Counter(each.at.astimezone(zone).date() for each in went)
        assert max(dates.values()) == 1, zone
        assert all(window.why_closed(each.at, zone) is None for each in went), zone


async def test_a_clock_that_was_a_year_ahead_doubles_no_date_once_it_is_back(year: Year) -> None:
    """What it sent is sent, and what it planned waits for its date."""
    life = year.life
    life.world.set_rules(plans={"default": daily(800)})
    await life.days(10)
    ahead = life.world.clock.now + A_YEAR
    before = Counter(went.payment_id for went in life.went)
    await with_wrong_clock(life, A_YEAR)
    caught = Counter(went.payment_id for went in life.went) - before
    assert set(caught.values()) == {1}
    assert len(caught) == len(ZONES)
    await life.until(ahead + timedelta(days=14))
    assert_by_the_rules(year)
    again = Counter(each.payment_id for each in life.went) - before - caught
    assert min(again.values()) >= 9
    assert len(again) == len(ZONES)


async def test_a_year_of_downtime_is_caught_up_with_in_one_message_each(year: Year) -> None:
    await year.life.days(30)
    before = len(year.life.went)
    year.life.world.clock.now += A_YEAR
    await year.life.days(7)
    caught: dict[str, list[Went]] = defaultdict(list)
    for went in year.life.went[before:]:
        caught[went.payment_id].append(went)
    assert {len(each) for each in caught.values()} == {1}
    assert len(caught) == len(ZONES)


def test_the_zones_have_real_clock_changes_in_that_year() -> None:
    moving = [name for name in ZONES if len(offsets(ZoneInfo(name))) > 1]
    assert len(moving) >= 5
    assert ALL_WEEK[0].opens < HOURS[0].opens


def offsets(zone: ZoneInfo) -> set[timedelta | None]:
    return {(START + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(365)}
