"""The links of schedules leave by the customer's own clock, and count as what is sent unasked."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.calendars import Reminding, hours_of, read_packs
from bot.domain.schedule import Schedule
from bot.handlers import firing
from bot.store.schema import customer
from tests.contract.reminders import Life
from tests.contract.schedules import ASK, added, fire, runs
from tests.contract.world import World

PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))
REMINDING = Reminding(packs=PACKS, hours=hours_of("mon-sat 09:00-18:00"))
GUATEMALA, COLOMBIA, CHILE, BRAZIL, MEXICO, PERU = (
    *("+50255551234", "+573001234567", "+56961234567"),
    *("+5511987654321", "+525512345678", "+51987654321"),
)


@pytest.fixture
async def life(world: World) -> Life:
    world.set_rules(
        reminding=REMINDING,
        time_zone="America/Guatemala",
        staff=None,
        link_ttl=timedelta(days=30),
    )
    return Life(world)


async def scheduled(life: Life, phone: str, rule: str, starts_on: str, **ask: object) -> Schedule:
    wanted = replace(ASK, phone=phone, email="ana@example.com", **ask)  # type: ignore[arg-type]
    return await added(life.world, rule, ask=wanted, starts_on=date.fromisoformat(starts_on))


async def fired(life: Life, made: Schedule) -> str:
    """Let the next slot come, and give its payment."""
    assert made.next is not None
    life.world.clock.now = made.next.at
    await fire(life.world)
    return str((await runs(life.world, made.id))[-1].payment_id)


async def left_at(life: Life, payment_id: str) -> str:
    """Live until its link left, and say when."""
    rows = await life.world.select(
        "select not_before from outbox where payment_id = :id", id=payment_id
    )
    await life.work()
    while not await life.world.outbox(payment_id, "link"):
        at = await life.next_due()
        assert at is not None, rows
        await life.until(at)
    [link] = await life.world.outbox(payment_id, "link")
    assert link.status == "done"
    return f"{life.world.clock.now:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("phone", "rule", "starts_on", "leaves", "why"),
    [
        (COLOMBIA, "weekly sun 04:00", "2026-01-04", "01-05 14:00", "it is a Sunday"),
        (COLOMBIA, "monthly 20 04:00", "2026-07-20", "07-21 14:00", "it is Independence Day"),
        (COLOMBIA, "weekly sat 15:00", "2026-01-03", "01-05 14:00", "it is after 15:00 there"),
        (GUATEMALA, "daily 07:00", "2026-01-05", "01-05 15:00", "it is before 09:00 there"),
        (GUATEMALA, "daily 10:00", "2026-01-05", "01-05 16:00", None),
        (BRAZIL, "daily 06:30", "2026-01-05", "01-05 12:30", None),
        (MEXICO, "weekly sat 10:00", "2026-01-03", "01-05 15:00", "it is a Saturday"),
    ],
)
async def test_a_link_leaves_when_its_customer_may_be_written_to(
    life: Life, phone: str, rule: str, starts_on: str, leaves: str, why: str | None
) -> None:
    payment_id = await fired(life, await scheduled(life, phone, rule, starts_on))
    told = [each for each in await life.world.decisions(payment_id) if "link moved" in each]
    assert told == ([] if why is None else [f"link moved: window: {why}"])
    assert await left_at(life, payment_id) == leaves


async def test_the_zone_on_the_customers_record_is_taken_first(life: Life) -> None:
    made = await scheduled(life, CHILE, "daily 08:00", "2026-01-05")
    await life.world.create(phone=CHILE)
    await life.world.run(lambda tx: tx.run(customer.update().values(time_zone="Asia/Tokyo")))
    await life.work()
    payment_id = await fired(life, made)
    assert await left_at(life, payment_id) == "01-06 00:00"


async def test_what_was_missed_leaves_by_the_same_clock(life: Life) -> None:
    await scheduled(life, COLOMBIA, "weekly fri 10:00", "2026-01-02")
    life.world.clock.now = datetime(2026, 1, 4, 20, tzinfo=UTC)
    await fire(life.world)
    [(payment_id,)] = await life.world.select("select id from payment")
    assert await left_at(life, str(payment_id)) == "01-05 14:00"


async def test_where_nothing_is_ever_open_it_leaves_on_its_slot_and_says_so(life: Life) -> None:
    weekends = Reminding(packs=PACKS, hours=hours_of("sat-sun 10:00-18:00"))
    life.world.set_rules(reminding=weekends)
    made = await scheduled(life, PERU, "daily 04:00", "2026-01-05", reminders="off")
    [planned] = await life.world.run(
        lambda tx: firing.planned(tx, life.world.rules, datetime(2026, 1, 6, tzinfo=UTC))
    )
    payment_id = await fired(life, made)
    assert (await life.world.decisions(payment_id))[-1] == (
        "link not moved: window: nothing is ever open for this customer; see REMINDER_HOURS"
    )
    assert await left_at(life, payment_id) == "01-05 10:00" == f"{planned.at:%m-%d %H:%M}"


async def test_the_preview_says_when_links_leave(life: Life) -> None:
    world = life.world
    for phone, rule in ((COLOMBIA, "weekly sun,tue 04:00"), (MEXICO, "weekly mon,fri 20:00")):
        await scheduled(life, phone, rule, "2026-01-04", reminders="off")
    world.clock.now = datetime(2026, 1, 4, 1, tzinfo=UTC)
    until = world.clock.now + timedelta(days=14)
    planned = await world.run(lambda tx: firing.planned(tx, world.rules, until))
    left: list[tuple[datetime, str]] = []
    while world.clock.now < until:
        world.clock.advance(hours=1)
        await fire(world)
        await life.work()
        sent = await world.select(
            "select c.phone from outbox o join customer c on c.id = o.customer_id"
            " where o.purpose = 'link' and o.status = 'done' order by o.id"
        )
        left += [(world.clock.now, str(phone)) for (phone,) in sent[len(left) :]]
    assert [(each.at, each.phone) for each in planned] == left
    assert len({each.at.hour for each in planned}) > 1
    assert len(left) >= 7


@pytest.mark.parametrize(
    ("phone", "reminded"),
    [
        # Two days between two messages, two a week.
        (CHILE, ["01-07 13:00", "01-12 13:00"]),
        # Two a week by the merchant's own cap, the link included.
        (GUATEMALA, ["01-06 16:00", "01-12 16:00"]),
    ],
)
async def test_a_schedules_link_counts_as_what_is_sent_unasked(
    life: Life, phone: str, reminded: list[str]
) -> None:
    made = await scheduled(life, phone, "monthly 5 09:00", "2026-01-05")
    await fired(life, made)
    await life.days(8)
    assert [f"{went.at:%m-%d %H:%M}" for went in life.went] == reminded


async def test_the_same_link_sent_by_hand_is_its_persons_business(life: Life) -> None:
    life.world.clock.now = datetime(2026, 1, 5, 15, tzinfo=UTC)
    await life.create()
    await life.days(8)
    assert [f"{went.at:%m-%d %H:%M}" for went in life.went][:2] == ["01-06 16:00", "01-08 16:00"]
