"""Who is not written to: opt-outs, blocks, cancelled and expired payments, lost and late tries."""

import pytest

from bot.domain.delivery import (
    MANNERS,
    MAX_RESENDS_WHEN_DIED,
    OnUncertain,
    Purpose,
    Refused,
    RetryLater,
    Uncertain,
)
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers import chat, fallback, outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.payment import RequestError
from bot.handlers.planning import plan_message
from bot.handlers.rules import Dispatches
from bot.holding import LEASE
from bot.store import people
from channels.base import Address, ChannelName, InboundMessage, ReachChange, Refusal
from tests.contract.world import PHONE, World

WHATSAPP = Address(ChannelName.WHATSAPP, PHONE)
DROPPED = [
    name
    for name in Purpose
    if MANNERS[name].on_uncertain is OnUncertain.DROP and name is not Purpose.REMINDER
]
"""Reminders have a suite of their own."""


@pytest.fixture
def world(world: World) -> World:
    world.set_rules(dispatches=Dispatches.YES)
    return world


async def says(world: World, text: str, number: int = 1) -> None:
    message = InboundMessage(f"e{number}", WHATSAPP, text)
    await world.run(
        lambda tx: chat.on_message(
            tx, world.rules, message, inbox_id=number, received_at=world.clock.now
        )
    )


async def comes(world: World, *, is_back: bool) -> None:
    await world.run(lambda tx: chat.on_reach(tx, ReachChange("e", WHATSAPP, is_back)))


async def reach(world: World) -> str | None:
    found = await world.run(lambda tx: people.reach_of(tx, WHATSAPP))
    return None if found is None else found.reach


async def plan(world: World, payment_id: str, purpose: Purpose, key: str) -> None:
    payment = await world.read(payment_id)
    await world.run(
        lambda tx: plan_message(
            tx, world.rules, payment, purpose, key=key, link=None, route=("whatsapp",)
        )
    )


async def cancel(world: World, payment_id: str) -> None:
    await world.run(lambda tx: payment_handler.cancel_payment(tx, payment_id, by="ana"))


async def resend(world: World, payment_id: str, channel: str | None = None) -> None:
    await world.run(
        lambda tx: payment_handler.resend(tx, world.rules, payment_id, by="ana", channel=channel)
    )


async def lapse(world: World) -> int:
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    return await world.run(lambda tx: outgoing.give_back_lapsed(tx, world.rules))


@pytest.mark.parametrize("word", ["STOP", " baja ", "Alto", "SAIR"])
async def test_who_said_stop_gets_no_link_there_but_the_receipt(world: World, word: str) -> None:
    made = await world.create()
    await world.make_link("u1")
    await says(world, word)
    assert await reach(world) == "opted_out"
    assert [item.purpose for item in await world.claim("whatsapp")] == [Purpose.REPLY]
    assert (await world.claim_one("sms")).purpose is Purpose.LINK
    await world.callback("u1", FactStatus.APPROVED)
    assert (await world.claim_one("whatsapp")).purpose is Purpose.RECEIPT
    assert await world.select("select is_given, wording from consent") in (
        [(0, word)],
        [(False, word)],
    )
    assert any("said stop" in line for line in await world.decisions(made.id))


async def test_who_says_start_is_written_to_again(world: World) -> None:
    await says(world, "STOP")
    await says(world, "alta", number=2)
    assert await reach(world) == "ok"


async def test_a_stop_outlives_a_block_and_its_end(world: World) -> None:
    await says(world, "STOP")
    await comes(world, is_back=False)
    await comes(world, is_back=True)
    assert await reach(world) == "opted_out"
    await says(world, "hola", number=2)
    assert await reach(world) == "opted_out"


async def test_a_stop_outlives_a_refusal_of_the_provider(world: World) -> None:
    await world.create()
    await world.make_link("u1")
    await says(world, "STOP")
    await world.callback("u1", FactStatus.APPROVED)
    reply, receipt = await world.claim("whatsapp")
    assert reply.purpose is Purpose.REPLY
    await world.settle(receipt, Refused("blocked", "63032", Refusal.OPTED_OUT))
    await says(world, "hola", number=2)
    assert await reach(world) == "opted_out"


async def test_a_block_is_learnt_from_a_refusal_and_forgotten_when_they_write(
    world: World,
) -> None:
    await world.create()
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")
    await world.settle(item, Refused("blocked", "63032", Refusal.OPTED_OUT))
    assert await reach(world) == "blocked"
    await world.callback("u1", FactStatus.APPROVED)
    assert await world.claim("whatsapp") == []
    assert Purpose.RECEIPT in [item.purpose for item in await world.claim("sms")]
    await says(world, "hola")
    assert await reach(world) == "ok"


async def test_who_comes_back_is_reached_again(world: World) -> None:
    await comes(world, is_back=False)
    assert await reach(world) == "blocked"
    await comes(world, is_back=True)
    assert await reach(world) == "ok"


async def test_a_cancelled_payment_is_asked_for_no_more(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    sending = await world.claim_one("whatsapp")
    await plan(world, made.id, Purpose.REMINDER, "reminder:1")
    await cancel(world, made.id)
    await cancel(world, made.id)
    assert await world.status(made.id) is PaymentStatus.CANCELLED
    await world.settle(sending, RetryLater("no connection"))
    world.clock.advance(hours=1)
    assert await world.claim("whatsapp") == []
    assert any("may still be payable" in line for line in await world.decisions(made.id))
    with pytest.raises(RequestError, match="needs no link"):
        await resend(world, made.id)


async def test_a_paid_payment_cannot_be_cancelled_or_sent_again(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", FactStatus.APPROVED)
    with pytest.raises(RequestError, match="paid cannot be cancelled"):
        await cancel(world, made.id)
    with pytest.raises(RequestError, match="needs no link"):
        await resend(world, made.id)
    with pytest.raises(RequestError, match="no payment"):
        await cancel(world, "pay_none")


async def test_sent_again_is_the_same_url(world: World) -> None:
    made = await world.linked("u1")
    await resend(world, made.id)
    await resend(world, made.id, channel="email")
    first, second = await world.claim_one("whatsapp"), await world.claim_one("email")
    assert first.link is not None
    assert second.link is not None
    assert first.link.url == second.link.url == "https://pay.example/u1"
    assert await world.links(made.id) == [("u1", True, False)]
    assert second.route_left == ()


async def test_an_expired_payment_stops_and_starts_again(world: World) -> None:
    made = await world.linked("u1")
    await plan(world, made.id, Purpose.REMINDER, "reminder:1")
    world.clock.advance(days=7, seconds=-1)
    assert await world.run(payment_handler.expire_payments) == 0
    world.clock.advance(seconds=1)
    assert await world.run(payment_handler.expire_payments) == 1
    assert await world.run(payment_handler.expire_payments) == 0
    assert await world.claim("whatsapp") == []
    await resend(world, made.id)
    assert await world.status(made.id) is PaymentStatus.LINKED
    assert await world.run(payment_handler.expire_payments) == 0
    assert (await world.claim_one("whatsapp")).purpose is Purpose.LINK


async def test_between_its_end_and_the_sweep_nothing_is_sent(world: World) -> None:
    await world.create()
    await world.make_link("u1")
    world.clock.advance(days=7)
    assert await world.claim("whatsapp") == []


@pytest.mark.parametrize("purpose", DROPPED)
async def test_what_may_be_lost_is_not_sent_twice(world: World, purpose: Purpose) -> None:
    made = await world.linked("u1")
    await plan(world, made.id, purpose, "x")
    await world.settle(await world.claim_one("whatsapp"), Uncertain("timed out"))
    world.clock.advance(hours=1)
    assert await world.claim("whatsapp") == []
    assert [row.status for row in await world.outbox(made.id, purpose.value)] == ["uncertain"]
    assert await world.alerts() == []


@pytest.mark.parametrize("purpose", DROPPED)
async def test_what_may_be_lost_is_not_sent_after_its_time(world: World, purpose: Purpose) -> None:
    made = await world.linked("u1")
    await plan(world, made.id, purpose, "x")
    world.clock.now += MANNERS[purpose].give_up
    assert await world.claim("whatsapp") == []
    assert [row.status for row in await world.outbox(made.id, purpose.value)] == ["cancelled"]


async def test_a_receipt_is_sent_again_when_uncertain(world: World) -> None:
    made = await world.linked("u1", ("whatsapp",))
    await world.callback("u1", FactStatus.APPROVED)
    for _ in range(8):
        await world.settle(await world.claim_one("whatsapp"), Uncertain("timed out"))
        world.clock.advance(minutes=20)
    assert [row.status for row in await world.outbox(made.id, "receipt")] == ["uncertain"]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_a_receipt_is_tried_for_three_days(world: World) -> None:
    made = await world.linked("u1", ("whatsapp",))
    await world.callback("u1", FactStatus.APPROVED)
    for _ in range(12):
        await world.settle(await world.claim_one("whatsapp"), RetryLater("no connection"))
        world.clock.advance(hours=6)
    assert [row.status for row in await world.outbox(made.id, "receipt")] == ["pending"]
    await world.settle(await world.claim_one("whatsapp"), RetryLater("no connection"))
    assert [row.status for row in await world.outbox(made.id, "receipt")] == ["dead"]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_what_a_dead_worker_held_is_treated_as_uncertain(world: World) -> None:
    made = await world.linked("u1")
    await plan(world, made.id, Purpose.DENIED, "denied:1")
    await world.callback("u1", FactStatus.OTHER)
    await world.claim_one("whatsapp")
    assert await lapse(world) >= 1
    assert [row.status for row in await world.outbox(made.id, "denied")] == ["uncertain"]
    assert await lapse(world) == 0


async def test_a_message_that_its_worker_died_over_twice_waits(world: World) -> None:
    await world.create(("whatsapp",))
    await world.make_link("u1")
    for _ in range(2):
        await world.claim_one("whatsapp")
        assert await lapse(world) == 1
    assert await world.claim("whatsapp") == []
    world.clock.advance(seconds=2)
    await world.claim_one("whatsapp")


async def test_a_message_that_kills_its_worker_is_given_up(world: World) -> None:
    made = await world.create(("whatsapp",))
    await world.make_link("u1")
    for _ in range(1 + MAX_RESENDS_WHEN_DIED):
        assert await world.alerts() == []
        await world.claim_one("whatsapp")
        assert await lapse(world) == 1
        world.clock.advance(minutes=3)
    assert await world.claim("whatsapp") == []
    assert [row.status for row in await world.outbox(made.id, "link")] == ["uncertain"]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_giving_up_and_its_alert_are_one_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await world.create(("whatsapp",))
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")

    def fail(*arguments: object, **named: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(fallback, "alarm", fail)
    with pytest.raises(OSError, match="no space"):
        await world.settle(item, Refused("no", None, Refusal.ADDRESS))
    assert [row.status for row in await world.outbox(made.id, "link")] == ["sending"]
    monkeypatch.undo()
    await world.settle(item, Refused("no", None, Refusal.ADDRESS))
    assert [row.status for row in await world.outbox(made.id, "link")] == ["dead"]
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_a_dead_message_to_staff_raises_no_alert_about_itself(world: World) -> None:
    await world.linked("u1")
    await world.callback("u1", FactStatus.OTHER)
    item = await world.claim_one("telegram")
    await world.settle(item, Refused("no", None, Refusal.ADDRESS))
    assert await world.alerts() == [Alert.UNKNOWN_STATUS]


async def test_one_payment_that_moved_does_not_stop_the_others_from_expiring(
    world: World,
) -> None:
    first, second = await world.linked("u1"), await world.linked("u2")
    world.clock.advance(days=8)
    await world.callback("u1", FactStatus.APPROVED)
    assert await world.run(payment_handler.expire_payments) == 1
    assert await world.status(first.id) is PaymentStatus.PAID
    assert await world.status(second.id) is PaymentStatus.EXPIRED


async def test_an_invitation_that_nobody_sent_in_its_time_is_let_go(world: World) -> None:
    made = await world.create(("telegram", "sms"))
    await world.make_link("u1")
    assert await world.claim("telegram") == []
    await world.accept("sms", "out u1")
    world.clock.advance(hours=25)
    assert await world.claim("sms") == []
    rows = await world.select("select status from outbox where purpose = 'invite'")
    assert rows == [("cancelled",)]
    assert await world.alerts() == []
    assert await world.status(made.id) is PaymentStatus.LINKED
