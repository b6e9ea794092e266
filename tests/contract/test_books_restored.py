"""A database restored from a copy does nothing again that may have been done since."""

from datetime import timedelta

from bot.domain.delivery import Purpose
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers.restoring import Doubted, doubt_all
from bot.store.outbox import LANES
from tests.contract.world import World


async def restored(world: World) -> Doubted:
    return await world.run(lambda tx: doubt_all(tx, world.rules))


async def owed(world: World) -> list[str]:
    """What any loop would do now, but for telling staff."""
    claimed = [item for lane in LANES for item in await world.claim(lane)]
    return [item.key for item in claimed if item.purpose is not Purpose.STAFF]


async def test_a_link_that_was_to_be_made_waits_for_a_person(world: World) -> None:
    made = await world.create()
    assert await restored(world) == Doubted(creates=1)
    assert await owed(world) == []
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]


async def test_what_was_to_be_sent_is_not_sent_again(world: World) -> None:
    first = await world.create()
    await world.make_link("u1")
    await world.callback("u1", FactStatus.APPROVED)
    second = await world.create(external_id="other")
    await world.make_link("u2")
    found = await restored(world)
    assert found == Doubted(messages=2, exposed=2)
    assert await owed(world) == []
    rows = [*await world.outbox(first.id, "receipt"), *await world.outbox(second.id, "link")]
    assert [row.status for row in rows] == ["uncertain", "uncertain"]
    assert set(await world.alerts()) == {Alert.UNDELIVERABLE}
    assert await restored(world) == Doubted()


async def test_a_link_that_may_have_been_seen_is_never_replaced_by_itself(world: World) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    await restored(world)
    assert [is_exposed for _, is_exposed, _ in await world.links(made.id)] == [True]


async def test_what_is_owed_for_later_stays_and_a_reminder_waits_for_a_day(world: World) -> None:
    made = await world.create(reminders="default")
    await world.make_link("u1")
    await world.accept("whatsapp", "out 1")
    later = await world.create(external_id="later", send_at=world.clock.now + timedelta(days=9))
    [reminder] = await world.outbox(made.id, Purpose.REMINDER.value)
    world.clock.advance(days=2)
    assert (await restored(world)).creates == 0
    [(at,)] = await world.select("select not_before from outbox where purpose = 'reminder'")
    assert reminder.status == "pending"
    assert at == int((world.clock.now + timedelta(hours=24)).timestamp() * 1_000_000)
    world.clock.advance(days=7)
    assert [item.payment and item.payment.id for item in await world.claim("migo")] == [later.id]
