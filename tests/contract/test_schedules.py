"""Schedules on either engine: each period makes one payment, or a row that says why it did not."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from bot.domain.money import Money
from bot.domain.payment import Alert
from bot.domain.schedule import MOVES, RunState, ScheduleStatus
from bot.handlers import firing, schedules
from bot.handlers.payment import ConflictError, RequestError
from bot.store import schedules as schedule_store
from bot.store.payments import TakenError
from bot.store.schema import schedule
from channels.base import ChannelName
from tests.contract.schedules import ASK, add, added, coming, fire, read, runs, states
from tests.contract.world import STAFF, World

NINE = timedelta(hours=15)
"""Nine o'clock in Guatemala, after midnight UTC."""


def at(world: World, day: str, hours: float = 0) -> None:
    """Move the clock to nine in Guatemala on a date, and so many hours on."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    world.clock.now = midnight + NINE + timedelta(hours=hours)


async def payments(world: World) -> list[tuple[object, ...]]:
    return await world.select("select created_by, amount_minor, status from payment order by id")


async def test_a_period_makes_one_payment_and_the_next_is_waited_for(world: World) -> None:
    made = await added(world, "monthly 31 09:00", notify="telegram:77")
    assert (made.next is not None, made.status) == (True, ScheduleStatus.ACTIVE)
    at(world, "2026-01-31", -0.01)
    assert (await fire(world), await payments(world)) == (0, [])
    at(world, "2026-01-31")
    assert await fire(world) == 1
    assert await fire(world) == 0
    assert await payments(world) == [(f"schedule:{made.id}", 15000, "requested")]
    [run] = await runs(world, made.id)
    payment = await world.read(str(run.payment_id))
    assert (payment.concept, payment.route, payment.notify) == (
        *("Mensualidad", ("whatsapp", "sms"), "telegram:77"),
    )
    assert payment.due_at is None
    assert [item.status for item in await world.outbox(payment.id)] == ["pending"]
    assert await coming(world, made.id) == [
        *(date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)),
        date(2026, 6, 30),
    ]


async def test_the_due_date_is_counted_from_the_slot(world: World) -> None:
    await added(world, ask=replace(ASK, due_after_days=5))
    at(world, "2026-01-31", 5)
    await fire(world)
    [(due,)] = await world.select("select due_at from payment")
    expected = datetime(2026, 2, 6, 5, 59, tzinfo=UTC)
    assert due == int(expected.timestamp()) * 1_000_000


async def test_after_downtime_only_the_newest_is_made_up_for(world: World) -> None:
    made = await added(world, "weekly mon 09:00")
    at(world, "2026-02-04")
    assert await fire(world) == 1
    assert await states(world, made.id) == [
        *(("2026-01-05", "missed"), ("2026-01-12", "missed"), ("2026-01-19", "missed")),
        *(("2026-01-26", "missed"), ("2026-02-02", "made")),
    ]
    assert len(await payments(world)) == 1
    assert await world.alerts() == [Alert.SCHEDULE_MISSED]
    told = await world.select("select address, payload from outbox where purpose = 'staff'")
    assert len(told) == 1
    assert "4 dates from 2026-01-05 to 2026-01-26" in str(told)
    assert await fire(world) == 0


async def test_what_is_a_week_late_is_missed_too(world: World) -> None:
    made = await added(world, "monthly 5 09:00")
    at(world, "2026-01-12", 0.01)
    await fire(world)
    assert await states(world, made.id) == [("2026-01-05", "missed")]
    assert await payments(world) == []
    assert (await coming(world, made.id))[0] == date(2026, 2, 5)


async def test_a_week_to_the_second_is_still_in_time(world: World) -> None:
    made = await added(world, "monthly 5 09:00")
    at(world, "2026-01-12")
    await fire(world)
    assert await states(world, made.id) == [("2026-01-05", "made")]


async def test_years_of_downtime_end_in_one_payment_at_most(world: World) -> None:
    made = await added(world, "daily 09:00")
    at(world, "2029-01-01")
    for _ in range(9):
        await fire(world)
    found = await states(world, made.id)
    assert len(found) == (date(2029, 1, 1) - date(2026, 1, 1)).days + 1
    assert [day for day, state in found if state == "made"] == ["2029-01-01"]
    assert len(await payments(world)) == 1
    assert (await coming(world, made.id))[0] == date(2029, 1, 2)


async def test_one_that_fails_is_told_and_holds_up_no_other(world: World) -> None:
    world.set_rules(currencies=frozenset({"GTQ", "USD"}))
    dollars = replace(ASK, phone="+50255550001", money=Money(100, "USD"))
    off = replace(ASK, phone="+50255550002", route=("telegram",))
    broken = await added(world, "weekly mon 09:00", ask=dollars, notify="telegram:77")
    silent = await added(world, "weekly mon 09:00", ask=off)
    fine = await added(world, "weekly mon 09:00")
    world.set_rules(
        currencies=frozenset({"GTQ"}),
        couriers=world.rules.couriers - {ChannelName.TELEGRAM},
    )
    at(world, "2026-01-05")
    assert await fire(world) == 3
    assert await states(world, fine.id) == [("2026-01-05", "made")]
    for failed, why in ((broken, "USD is not enabled"), (silent, "every channel")):
        [run] = await runs(world, failed.id)
        assert (run.state, run.payment_id) == (RunState.FAILED, None)
        assert why in str(run.why)
        assert (await coming(world, failed.id))[0] == date(2026, 1, 12)
    assert await world.alerts() == [Alert.SCHEDULE_FAILED] * 2


async def test_whoever_made_a_schedule_hears_of_its_failure(world: World) -> None:
    await added(world, "weekly mon 09:00", notify="telegram:77")
    world.set_rules(currencies=frozenset())
    at(world, "2026-01-05")
    await fire(world)
    told = await world.select("select address from outbox where purpose = 'staff' order by 1")
    assert told == [("77",), (STAFF.partition(":")[2],)]


async def test_a_skipped_period_is_left_out(world: World) -> None:
    made = await added(world, "weekly mon 09:00")

    async def skip(day: date | None) -> None:
        await world.run(lambda tx: schedules.skip(tx, world.rules, made.id, by="ana", day=day))

    await skip(None)
    assert (await coming(world, made.id))[0] == date(2026, 1, 12)
    await skip(date(2026, 1, 19))
    await skip(date(2026, 1, 19))
    assert (await coming(world, made.id))[:2] == [date(2026, 1, 12), date(2026, 1, 26)]
    for wrong in (date(2026, 1, 20), date(2025, 12, 29)):
        with pytest.raises(RequestError):
            await skip(wrong)
    for day in ("2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"):
        at(world, day)
        await fire(world)
    assert await states(world, made.id) == [
        *(("2026-01-05", "skipped"), ("2026-01-12", "made"), ("2026-01-19", "skipped")),
        ("2026-01-26", "made"),
    ]
    with pytest.raises(RequestError):
        await skip(date(2026, 1, 26))


async def test_a_skipped_newest_is_not_made_up_for_and_the_one_before_is(world: World) -> None:
    made = await added(world, "daily 09:00")
    await world.run(
        lambda tx: schedules.skip(tx, world.rules, made.id, by="ana", day=date(2026, 1, 3))
    )
    at(world, "2026-01-03", 1)
    await fire(world)
    assert await states(world, made.id) == [
        *(("2026-01-01", "missed"), ("2026-01-02", "made"), ("2026-01-03", "skipped")),
    ]


async def test_what_passes_in_a_pause_is_not_made_up_for(world: World) -> None:
    made = await added(world, "weekly mon 09:00")
    for _ in range(2):
        paused = await world.run(lambda tx: schedules.pause(tx, made.id, by="ana"))
        assert (paused.status, paused.next) == (ScheduleStatus.PAUSED, None)
    at(world, "2026-01-13")
    assert await fire(world) == 0
    for _ in range(2):
        await world.run(lambda tx: schedules.resume(tx, world.rules, made.id, by="ana"))
    assert (await coming(world, made.id))[0] == date(2026, 1, 19)
    assert await states(world, made.id) == []


async def test_one_that_was_removed_makes_nothing_and_its_payments_stay(world: World) -> None:
    made = await added(world, "weekly mon 09:00")
    at(world, "2026-01-05")
    await fire(world)
    for _ in range(2):
        ended = await world.run(lambda tx: schedules.remove(tx, made.id, by="ana"))
        assert (ended.status, ended.next) == (ScheduleStatus.ENDED, None)
    at(world, "2026-01-12")
    assert await fire(world) == 0
    assert [row[2] for row in await payments(world)] == ["requested"]
    for again in (
        lambda tx: schedules.resume(tx, world.rules, made.id, by="ana"),
        lambda tx: schedules.pause(tx, made.id, by="ana"),
        lambda tx: schedules.skip(tx, world.rules, made.id, by="ana"),
    ):
        with pytest.raises(RequestError):
            await world.run(again)


async def test_it_ends_after_its_last_date(world: World) -> None:
    made = await added(world, "weekly mon 09:00", ends_on=date(2026, 1, 12))
    assert await coming(world, made.id) == [date(2026, 1, 5), date(2026, 1, 12)]
    for day in ("2026-01-05", "2026-01-12"):
        at(world, day)
        await fire(world)
    assert (await read(world, made.id)).status is ScheduleStatus.ENDED
    assert len(await payments(world)) == 2
    at(world, "2026-02-12")
    assert await fire(world) == 0


async def test_it_begins_no_sooner_than_asked(world: World) -> None:
    made = await added(world, "every 3 months on 31 at 09:00", starts_on=date(2026, 2, 10))
    assert (await coming(world, made.id))[:3] == [
        *(date(2026, 2, 28), date(2026, 5, 31), date(2026, 8, 31)),
    ]


async def test_a_slot_earlier_on_the_day_it_is_added_is_left_to_the_next(world: World) -> None:
    at(world, "2026-01-05", 0.5)
    made = await added(world, "weekly mon 09:00")
    assert (await coming(world, made.id))[0] == date(2026, 1, 12)


async def test_a_slot_whose_instant_moved_since_is_waited_for_again(world: World) -> None:
    """As when a country gives up summer time and the zone's data are brought up to date."""
    made = await added(world, "weekly mon 09:00")
    await world.run(lambda tx: tx.run(schedule.update().values(next_at=world.clock.now)))
    assert await fire(world) == 1
    found = await read(world, made.id)
    assert (found.status, found.next) == (ScheduleStatus.ACTIVE, made.next)
    assert await payments(world) == []
    assert await fire(world) == 0


async def test_whose_payment_it_is_follows_from_the_schedule(world: World) -> None:
    made = await added(world, "weekly mon 09:00", created_by="staff:7 Marta")
    askers = [
        await world.run(partial(schedule_store.asker, created_by=by))
        for by in (f"schedule:{made.id}", "schedule:gone", "api")
    ]
    assert askers == ["staff:7 Marta", "schedule:gone", "api"]


async def test_the_same_key_is_the_same_schedule(world: World) -> None:
    first = await add(world, idempotency_key="k")
    again = await add(world, idempotency_key="k")
    assert (first.is_new, again.is_new) == (True, False)
    assert first.schedule.id == again.schedule.id
    with pytest.raises(ConflictError):
        await add(world, idempotency_key="k", request_hash="other")


async def test_two_that_write_one_key_at_once_are_one(world: World) -> None:
    made = await added(world, idempotency_key="k")
    assert made.next is not None
    new = schedule_store.NewSchedule(
        *("sch_x", ASK, made.rule, "UTC", made.starts_on, None, made.next, "api", None, "k", "h"),
    )
    with pytest.raises(TakenError):
        await world.run(lambda tx: schedule_store.insert(tx, new))


@pytest.mark.parametrize(
    ("rule", "details"),
    [
        ("monthly 31", {"ask": replace(ASK, money=Money(1, "EUR"))}),
        ("monthly 31", {"ask": replace(ASK, route=("pigeon",))}),
        ("monthly 31", {"ends_on": date(2026, 1, 30)}),
        ("cron 0 9 30 2 *", {}),
    ],
)
async def test_what_could_never_be_made_is_refused(
    world: World, rule: str, details: dict[str, object]
) -> None:
    with pytest.raises(RequestError):
        await added(world, rule, **details)


async def test_what_is_planned_is_what_is_made(world: World) -> None:
    kept = await added(world, "weekly mon,thu 09:00")
    paused = await added(world, "daily 09:00")
    await world.run(lambda tx: schedules.pause(tx, paused.id, by="ana"))
    await world.run(
        lambda tx: schedules.skip(tx, world.rules, kept.id, by="ana", day=date(2026, 1, 8))
    )
    until = world.clock.now + timedelta(days=14)
    planned = await world.run(lambda tx: firing.planned(tx, world.rules, until))
    while world.clock.now < until:
        world.clock.advance(hours=1)
        await fire(world)
    made = [each for each in await runs(world, kept.id) if each.state is RunState.MADE]
    assert [each.at.date() for each in planned] == [each.day for each in made]
    assert {(each.rule, each.schedule_id) for each in planned} == {
        ("weekly mon,thu 09:00", kept.id),
    }
    assert len(await payments(world)) == len(made) == 3


async def test_after_downtime_the_plan_is_what_is_made_too(world: World) -> None:
    await added(world, "daily 09:00")
    await added(world, "monthly 2 09:00")
    await added(world, "daily 09:00", ask=replace(ASK, route=("telegram",)))
    world.set_rules(couriers=world.rules.couriers - {ChannelName.TELEGRAM})
    at(world, "2026-01-20", 1)
    until = world.clock.now + timedelta(days=14)
    planned = await world.run(lambda tx: firing.planned(tx, world.rules, until))
    assert planned[0].at == world.clock.now
    while world.clock.now <= until:
        await fire(world)
        world.clock.advance(hours=1)
    assert len(await payments(world)) == len(planned) == 16


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(ScheduleStatus)
