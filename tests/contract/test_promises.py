"""Promises and disputes in the books of either engine."""

from datetime import UTC, date, datetime

import pytest

from bot.domain.delivery import Purpose
from bot.domain.heard import MakePromise
from bot.domain.payment import Alert, FactStatus, Payment
from bot.handlers import disputes, promises
from bot.handlers import payment as payment_handler
from bot.store import people
from bot.store import promises as promise_store
from bot.store.promises import PromiseState
from tests.contract.world import World

ZONE = "America/Guatemala"
FRIDAY = date(2026, 1, 2)


@pytest.fixture
def world(world: World) -> World:
    world.set_rules(time_zone=ZONE)
    return world


async def promise(world: World, payment: Payment, day: date = FRIDAY) -> None:
    customer = await world.run(lambda tx: people.read_customer(tx, payment.customer_id))
    made = MakePromise((payment.id,), day)
    await world.run(
        lambda tx: promises.make_promise(
            tx, world.rules, customer, made, words="el viernes", channel="whatsapp"
        )
    )


async def state(world: World, payment: Payment) -> PromiseState | None:
    found = await world.run(lambda tx: promise_store.newest(tx, payment.id))
    return None if found is None else found.state


async def sweep(world: World) -> int:
    return await world.run(lambda tx: promises.end_promises(tx, world.rules))


async def test_a_promise_pauses_until_its_day_begins_there(world: World) -> None:
    payment = await world.linked()
    await promise(world, payment)
    wishes = await world.run(lambda tx: people.wishes(tx, payment.customer_id))
    assert wishes.reminders_paused_until == datetime(2026, 1, 2, 6, tzinfo=UTC)
    [row] = await world.outbox(payment.id, Purpose.REMINDER.value)
    assert row.status == "pending"
    assert row.not_before >= datetime(2026, 1, 2, 6, tzinfo=UTC)


async def test_an_earlier_day_shortens_the_pause(world: World) -> None:
    payment = await world.linked()
    await promise(world, payment, date(2026, 1, 9))
    await promise(world, payment)
    wishes = await world.run(lambda tx: people.wishes(tx, payment.customer_id))
    assert wishes.reminders_paused_until == datetime(2026, 1, 2, 6, tzinfo=UTC)
    [row] = await world.outbox(payment.id, Purpose.REMINDER.value)
    assert row.not_before < datetime(2026, 1, 3, 6, tzinfo=UTC)
    assert await world.select("select count(*) from promise where state = 'replaced'") == [(1,)]


async def test_a_promise_for_today_is_silent_until_tomorrow(world: World) -> None:
    payment = await world.linked()
    await promise(world, payment, date(2026, 1, 1))
    wishes = await world.run(lambda tx: people.wishes(tx, payment.customer_id))
    assert wishes.reminders_paused_until == datetime(2026, 1, 2, 6, tzinfo=UTC)
    assert await world.outbox(payment.id, Purpose.REMINDER.value) == []


async def test_it_ends_by_money_by_time_or_by_nobody_asking(world: World) -> None:
    paid, late, gone = [await world.linked(f"u{number}") for number in range(3)]
    for payment in (paid, late, gone):
        await promise(world, payment)
    await world.callback("u0", FactStatus.APPROVED)
    await world.run(lambda tx: payment_handler.cancel_payment(tx, gone.id, by="staff"))
    assert await sweep(world) == 2
    assert await state(world, paid) is PromiseState.KEPT
    assert await state(world, gone) is PromiseState.REPLACED
    world.clock.now = datetime(2026, 1, 3, 5, 59, tzinfo=UTC)
    assert await sweep(world) == 0
    world.clock.advance(minutes=1)
    assert await sweep(world) == 1
    assert await state(world, late) is PromiseState.BROKEN
    assert await sweep(world) == 0


async def test_what_is_paid_already_is_not_promised(world: World) -> None:
    payment = await world.linked()
    await world.callback("u1", FactStatus.APPROVED)
    await promise(world, payment)
    assert await state(world, payment) is None


async def test_a_dispute_stops_what_waits_and_opens_again(world: World) -> None:
    payment = await world.linked()
    await promise(world, payment)
    for _ in range(2):
        await world.run(
            lambda tx: disputes.take_dispute(tx, world.rules, payment.id, "no es mío http://x.co")
        )
    [row] = await world.outbox(payment.id, Purpose.REMINDER.value)
    assert row.status == "cancelled"
    assert await world.alerts() == [Alert.DISPUTED]
    [(detail,)] = await world.select("select detail from alert")
    assert "no es mío" in str(detail)
    assert "http" not in str(detail)
    solved = await world.run(
        lambda tx: disputes.resolve_dispute(tx, world.rules, payment, by="Marta")
    )
    assert solved
    assert await world.alerts() == []
    assert not await world.run(
        lambda tx: disputes.resolve_dispute(tx, world.rules, payment, by="Marta")
    )
    await world.run(lambda tx: disputes.take_dispute(tx, world.rules, payment.id, "no"))
    assert await world.alerts() == [Alert.DISPUTED]


async def test_no_reminder_of_a_disputed_payment_leaves(world: World) -> None:
    payment = await world.linked()
    await promise(world, payment)
    await world.run(lambda tx: promise_store.dispute(tx, payment.id, "no"))
    world.clock.now = datetime(2026, 1, 2, 20, tzinfo=UTC)
    assert await world.claim("whatsapp") == []
    [row] = await world.outbox(payment.id, Purpose.REMINDER.value)
    assert row.status in ("cancelled", "pending")
