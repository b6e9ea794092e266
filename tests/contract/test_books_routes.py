"""How a message goes from channel to channel, and when a link may be replaced."""

from datetime import timedelta

import pytest

from bot.domain.delivery import Done, Outcome, Refused, RetryLater, Sent, Uncertain
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers import outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.rules import Dispatches
from bot.holding import LEASE
from bot.store import outbox
from channels.base import DeliveryState, Refusal
from tests.contract.world import World

REFUSED = Refused("nobody there", "63003", Refusal.ADDRESS)
UNCERTAIN = Uncertain("timed out")


async def overdue(world: World) -> int:
    return await world.run(lambda tx: outgoing.on_overdue(tx, world.rules))


async def end_link(world: World, lane: str, outcome: Outcome) -> None:
    await world.settle(await world.claim_one(lane), outcome)


async def owed(world: World, payment_id: str) -> list[tuple[str | None, str]]:
    return [(row.channel, row.status) for row in await world.outbox(payment_id, "link")]


@pytest.mark.parametrize("dispatches", [Dispatches.YES, Dispatches.UNKNOWN])
async def test_the_next_channel_gets_the_same_url(world: World, dispatches: Dispatches) -> None:
    world.set_rules(dispatches=dispatches)
    made = await world.create()
    await world.make_link("u1")
    await end_link(world, "whatsapp", REFUSED)
    item = await world.claim_one("sms")
    assert item.link is not None
    assert (item.link.uid, item.route_left) == ("u1", ("email",))
    assert await world.links(made.id) == [("u1", True, False)]


async def test_a_link_that_surely_reached_nobody_is_replaced_by_a_fitting_one(
    world: World,
) -> None:
    made = await world.create()
    await world.make_link("u1")
    await end_link(world, "whatsapp", REFUSED)
    assert await world.links(made.id) == [("u1", True, True)]
    create = await world.make_link("u2")
    assert create.attempt is not None
    assert (create.attempt.channel, create.attempt.migo_channel) == ("sms", "sms")
    item = await world.claim_one("sms")
    assert item.link is not None
    assert (item.link.uid, item.route_left) == ("u2", ("email",))
    assert await world.links(made.id) == [("u1", True, True), ("u2", True, False)]
    assert await world.select("select unsent_proof is not null from link order by id limit 1")


async def test_where_migos_channel_fits_already_the_link_stays(world: World) -> None:
    world.set_rules(migo_channels=dict.fromkeys(("whatsapp", "sms", "email"), "web"))
    made = await world.create()
    await world.make_link("u1")
    await end_link(world, "whatsapp", REFUSED)
    assert await world.links(made.id) == [("u1", True, False)]
    assert (await world.claim_one("sms")).key == "link:1"


async def test_after_an_uncertain_try_the_url_is_never_replaced(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    await end_link(world, "whatsapp", UNCERTAIN)
    world.clock.advance(seconds=30)
    await end_link(world, "whatsapp", REFUSED)
    item = await world.claim_one("sms")
    assert item.link is not None
    assert item.link.uid == "u1"
    assert await world.links(made.id) == [("u1", True, False)]


async def test_after_an_accepted_try_the_url_is_never_replaced(world: World) -> None:
    made = await world.linked("u1")
    await world.provider_says("out u1", DeliveryState.UNDELIVERED, code="63003")
    item = await world.claim_one("sms")
    assert item.link is not None
    assert item.link.uid == "u1"
    await world.settle(item, REFUSED)
    item = await world.claim_one("email")
    assert item.link is not None
    assert item.link.uid == "u1"
    assert await world.links(made.id) == [("u1", True, False)]


async def test_a_worker_that_died_in_mid_call_may_have_sent_it(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    await world.claim_one("whatsapp")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    await world.run(lambda tx: outgoing.give_back_lapsed(tx, world.rules))
    world.clock.advance(seconds=30)
    await end_link(world, "whatsapp", REFUSED)
    assert (await world.claim_one("sms")).link is not None
    assert await world.links(made.id) == [("u1", True, False)]


@pytest.mark.parametrize("status", [FactStatus.DENIED, FactStatus.OTHER])
async def test_a_link_that_migo_reported_on_has_reached_somebody(
    world: World, status: FactStatus
) -> None:
    made = await world.create()
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")
    await world.callback("u1", status)
    await world.settle(item, REFUSED)
    assert await world.links(made.id) == [("u1", True, False)]


async def test_a_paid_link_is_not_replaced(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")
    await world.callback("u1", FactStatus.APPROVED)
    await world.settle(item, REFUSED)
    assert await world.links(made.id) == [("u1", True, False)]
    assert await world.claim("migo") == []


async def test_while_another_message_carries_the_url_it_is_not_replaced(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    await world.run(lambda tx: payment_handler.resend(tx, world.rules, made.id, by="ana"))
    first, second = await world.claim("whatsapp")
    await world.settle(first, REFUSED)
    assert await world.links(made.id) == [("u1", True, False)]
    await world.settle(second, Done(Sent("x", world.clock.now)))
    assert await world.links(made.id) == [("u1", True, False)]


async def test_without_an_address_the_next_channel_is_taken_at_once(world: World) -> None:
    made = await world.create(("telegram", "sms"))
    await world.make_link("u1")
    assert await world.claim("telegram") == []
    await world.make_link("u2")
    assert (await world.claim_one("sms")).address is not None
    assert await world.links(made.id) == [("u1", False, True), ("u2", True, False)]


async def test_five_times_not_sent_is_enough_where_there_is_another_channel(world: World) -> None:
    world.set_rules(dispatches=Dispatches.YES)
    await world.create()
    await world.make_link("u1")
    for _ in range(5):
        await end_link(world, "whatsapp", RetryLater("no connection"))
        world.clock.advance(minutes=15)
    assert await world.claim("whatsapp") == []
    assert (await world.claim_one("sms")).attempts == 1


async def test_a_wait_that_the_provider_names_is_kept(world: World) -> None:
    await world.create()
    await world.make_link("u1")
    await end_link(world, "whatsapp", RetryLater("busy", "429", after_s=600))
    due = await world.run(lambda tx: outbox.next_due(tx, "whatsapp"))
    assert due == world.clock.now + timedelta(minutes=10)


async def test_the_last_channel_is_tried_for_a_day_then_a_person_is_told(world: World) -> None:
    made = await world.create(("sms",))
    await world.make_link("u1")
    for _ in range(8):
        await end_link(world, "sms", RetryLater("no connection"))
        world.clock.advance(hours=2)
    assert await owed(world, made.id) == [("sms", "pending")]
    world.clock.advance(hours=8)
    await end_link(world, "sms", RetryLater("no connection"))
    assert await owed(world, made.id) == [("sms", "dead")]
    assert await world.alerts() == [Alert.UNDELIVERABLE]
    [told] = await world.outbox(made.id, "staff")
    assert (told.channel, told.status) == ("telegram", "pending")


async def test_refused_everywhere_is_told_to_a_person(world: World) -> None:
    world.set_rules(dispatches=Dispatches.YES)
    made = await world.create()
    await world.make_link("u1")
    for lane in ("whatsapp", "sms", "email"):
        await end_link(world, lane, REFUSED)
    assert await owed(world, made.id) == [("email", "dead")]
    assert await world.alerts() == [Alert.UNDELIVERABLE]
    assert len(await world.outbox(made.id, "staff")) == 1
    tries = await world.select("select try_no, channel, outcome from delivery order by id")
    assert tries == [(1, "whatsapp", "refused"), (2, "sms", "refused"), (3, "email", "refused")]


async def test_an_uncertain_link_is_sent_twice_more_then_over_the_next_channel(
    world: World,
) -> None:
    await world.create()
    await world.make_link("u1")
    for _ in range(3):
        await end_link(world, "whatsapp", UNCERTAIN)
        assert await world.claim("whatsapp") == []
        world.clock.advance(seconds=30)
    assert await world.claim("whatsapp") == []
    item = await world.claim_one("sms")
    assert (item.uncertain_count, item.tries) == (0, 4)


async def test_an_uncertain_link_without_another_channel_ends_uncertain_and_is_told(
    world: World,
) -> None:
    made = await world.create(("email",))
    await world.make_link("u1")
    for _ in range(3):
        await end_link(world, "email", UNCERTAIN)
        world.clock.advance(seconds=30)
    assert await owed(world, made.id) == [("email", "uncertain")]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def receipt_of(world: World, payment_id: str) -> list[tuple[str | None, str]]:
    return [(row.channel, row.status) for row in await world.outbox(payment_id, "receipt")]


async def test_an_uncertain_receipt_goes_on_where_no_other_channel_is_left(world: World) -> None:
    made = await world.linked("u1", ("email",))
    await world.callback("u1", FactStatus.APPROVED)
    for wait_s in (30, 30, 60, 120, 240, 480, 960):
        await end_link(world, "email", UNCERTAIN)
        world.clock.advance(seconds=wait_s - 1)
        assert await world.claim("email") == []
        world.clock.advance(seconds=1)
    assert await world.alerts() == []
    await end_link(world, "email", UNCERTAIN)
    assert await receipt_of(world, made.id) == [("email", "uncertain")]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_an_uncertain_receipt_takes_the_next_channel_where_there_is_one(
    world: World,
) -> None:
    made = await world.linked("u1", ("email", "sms"))
    await world.callback("u1", FactStatus.APPROVED)
    for _ in range(3):
        await end_link(world, "email", UNCERTAIN)
        world.clock.advance(seconds=30)
    assert await world.claim("email") == []
    await end_link(world, "sms", Done(Sent("out receipt", world.clock.now)))
    assert await receipt_of(world, made.id) == [("sms", "done")]


async def test_without_a_delivered_report_in_time_the_next_channel_gets_it(world: World) -> None:
    made = await world.linked("u1")
    world.clock.advance(minutes=10, seconds=-1)
    assert await overdue(world) == 0
    world.clock.advance(seconds=1)
    assert await overdue(world) == 1
    assert await overdue(world) == 0
    item = await world.claim_one("sms")
    assert item.link is not None
    assert item.link.uid == "u1"
    assert await world.links(made.id) == [("u1", True, False)]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.READ])
async def test_a_delivered_message_needs_no_other_channel(
    world: World, state: DeliveryState
) -> None:
    made = await world.linked("u1")
    assert await world.provider_says("out u1", state)
    world.clock.advance(days=1)
    assert await overdue(world) == 0
    assert await owed(world, made.id) == [("whatsapp", "done")]


async def test_sent_alone_does_not_stop_the_clock(world: World) -> None:
    await world.linked("u1")
    await world.provider_says("out u1", DeliveryState.SENT)
    world.clock.advance(minutes=10)
    assert await overdue(world) == 1


async def test_delivered_after_all_recalls_the_next_channel(world: World) -> None:
    made = await world.linked("u1")
    world.clock.advance(minutes=10)
    await overdue(world)
    assert await owed(world, made.id) == [("sms", "pending")]
    await world.provider_says("out u1", DeliveryState.DELIVERED)
    assert await owed(world, made.id) == [("whatsapp", "done")]
    assert await world.claim("sms") == []
    assert "no other channel needed: whatsapp delivered it" in await world.decisions(made.id)


async def test_delivered_while_the_next_channel_is_being_used_changes_nothing(
    world: World,
) -> None:
    made = await world.linked("u1")
    world.clock.advance(minutes=10)
    await overdue(world)
    item = await world.claim_one("sms")
    await world.provider_says("out u1", DeliveryState.DELIVERED)
    assert await owed(world, made.id) == [("sms", "sending")]
    await world.settle(item, Done(Sent("SM2", world.clock.now)))
    [row] = await world.outbox(made.id, "link")
    assert (row.status, row.provider_id) == ("done", "SM2")


async def test_a_late_word_on_an_earlier_channel_does_not_move_the_message(world: World) -> None:
    made = await world.linked("u1")
    world.clock.advance(minutes=10)
    await overdue(world)
    await world.accept("sms", "SM2")
    await world.provider_says("out u1", DeliveryState.UNDELIVERED)
    assert await owed(world, made.id) == [("sms", "done")]
    assert await world.claim("email") == []


async def test_a_failure_that_passes_is_tried_once_more_on_the_same_channel(world: World) -> None:
    made = await world.linked("u1")
    await world.provider_says("out u1", DeliveryState.FAILED, refusal=Refusal.TEMPORARY)
    assert await owed(world, made.id) == [("whatsapp", "pending")]
    world.clock.advance(minutes=1)
    await world.accept("whatsapp", "WA2")
    await world.provider_says("WA2", DeliveryState.FAILED, refusal=Refusal.TEMPORARY)
    assert await owed(world, made.id) == [("sms", "pending")]


async def test_a_repeated_report_changes_nothing(world: World) -> None:
    made = await world.linked("u1")
    for _ in range(3):
        assert await world.provider_says("out u1", DeliveryState.FAILED)
    assert await owed(world, made.id) == [("sms", "pending")]
    assert not await world.provider_says("never seen", DeliveryState.FAILED)


async def test_a_paid_payment_is_not_brought_over_another_channel(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", FactStatus.APPROVED)
    world.clock.advance(minutes=10)
    assert await overdue(world) == 0
    await world.provider_says("out u1", DeliveryState.UNDELIVERED)
    assert await world.claim("sms") == []
    assert await world.status(made.id) is PaymentStatus.PAID


async def test_long_words_of_a_provider_are_cut(world: World) -> None:
    long = "x" * 500
    await world.create()
    await end_link(world, "migo", RetryLater(long, long))
    world.clock.advance(seconds=1)
    await world.make_link("u1")
    await end_link(world, "whatsapp", RetryLater(long, long))
    world.clock.advance(seconds=1)
    await end_link(world, "whatsapp", Done(Sent("WA1", world.clock.now)))
    await world.provider_says("WA1", DeliveryState.FAILED, code=long)
    await world.claim_one("sms")
