"""What is not certain: whose a callback is, who may have read a link, what came too late."""

import pytest

from bot.domain.delivery import (
    Asked,
    Done,
    Purpose,
    Refused,
    RetryLater,
    Uncertain,
    Unfound,
)
from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers import delivery, outgoing
from bot.handlers.planning import MIGO
from bot.store import ledger
from bot.store.claims import OutboxItem
from channels.base import DeliveryReport, DeliveryState, Refusal
from tests.contract.world import World

APPROVED, DENIED = FactStatus.APPROVED, FactStatus.DENIED


async def orphan_used(world: World, status: FactStatus = APPROVED) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    await world.callback("orphan", status, external_id=f"{made.id}.1")
    world.clock.advance(minutes=1)
    if status is DENIED:
        await world.make_link("u0")


@pytest.mark.parametrize("status", [APPROVED, DENIED])
async def test_an_orphan_that_was_used_ends_new_attempts_until_a_person_says_so(
    world: World, status: FactStatus
) -> None:
    await orphan_used(world, status)
    second = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    assert await world.status(second.id) is PaymentStatus.HELD
    assert Alert.CREATE_UNKNOWN in await world.alerts()
    await world.run(lambda tx: ledger.close_alert(tx, Alert.MIGO_WRITES, key=MIGO, by="ana"))
    third = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    assert await world.status(third.id) is PaymentStatus.REQUESTED


async def test_evidence_that_comes_again_is_told_again(world: World) -> None:
    await orphan_used(world)
    await world.run(lambda tx: ledger.close_alert(tx, Alert.MIGO_WRITES, key=MIGO, by="ana"))
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    await world.callback("another", APPROVED, external_id=f"{made.id}.1")
    assert (await world.alerts()).count(Alert.MIGO_WRITES) == 1
    told = "select count(*) from outbox where key like 'staff:held:migo_writes:%'"
    assert await world.select(told) == [(2,)]


async def test_a_uid_that_an_unreadable_answer_named_is_found_by_it(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("no URL", uid="u-half"))
    assert await world.callback("u-half", APPROVED) == "booked"
    assert await world.status(made.id) is PaymentStatus.PAID


@pytest.mark.parametrize("named_by", ["external_id", "reference"])
async def test_another_name_of_a_known_link_is_booked_there_and_told(
    world: World, named_by: str
) -> None:
    made = await world.linked("u1")
    external_id = f"{made.id}.1" if named_by == "external_id" else None
    reference = "ref u1" if named_by == "reference" else None
    verdict = await world.callback("trx_1", APPROVED, external_id=external_id, reference=reference)
    assert verdict == "booked"
    assert await world.status(made.id) is PaymentStatus.PAID
    assert await world.alerts() == [Alert.UNKNOWN_UID]
    assert len(await world.outbox(made.id, "receipt")) == 1
    assert await world.callback("u1", APPROVED) == "booked"
    assert len(await world.outbox(made.id, "receipt")) == 1


async def test_a_reference_alone_does_not_move_another_amount(world: World) -> None:
    made = await world.linked("u1")
    money = Money(14999, "GTQ")
    assert await world.callback("trx_1", APPROVED, reference="ref u1", money=money) == "parked"
    assert await world.status(made.id) is PaymentStatus.LINKED


async def test_two_payments_of_one_debt_come_with_a_request_for_a_refund(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    world.clock.advance(seconds=5)
    await world.make_link("u2")
    await world.callback("u2", APPROVED)
    await world.callback("u1", APPROVED, external_id=f"{made.id}.1")
    alerts = await world.run(lambda tx: ledger.open_alerts(tx, payment_id=made.id))
    [text] = [each.detail for each in alerts if each.kind is Alert.OVERPAID]
    assert "u1" in text
    assert "u2" in text
    assert "refund 150.00 GTQ" in text


@pytest.fixture
def asking(world: World) -> World:
    """A world where Twilio can be asked."""
    world.set_rules(finds=world.rules.reports)
    return world


async def ask(world: World) -> int:
    return await world.run(lambda tx: delivery.ask_silent(tx, world.rules))


async def lose_answer(world: World, channel: str) -> OutboxItem:
    await world.create((channel,))
    await world.make_link("u1")
    item = await world.claim_one(channel)
    await world.settle(item, Uncertain("the answer was lost"))
    return item


async def test_what_may_have_left_is_looked_for_twice_before_it_is_sent_again(
    asking: World,
) -> None:
    await lose_answer(asking, "sms")
    first = await asking.claim_one("sms")
    assert (first.looks_left, first.uncertain_count) == (2, 1)
    await asking.settle(first, Unfound())
    assert await asking.claim("sms") == []
    asking.clock.advance(seconds=30)
    second = await asking.claim_one("sms")
    assert (second.looks_left, second.uncertain_count) == (1, 1)
    assert second.attempts == first.attempts


async def test_a_death_while_looking_is_not_one_more_message_that_may_have_left(
    asking: World,
) -> None:
    await lose_answer(asking, "sms")
    for _ in range(4):
        looking = await asking.claim_one("sms")
        assert (looking.looks_left, looking.uncertain_count) == (2, 1)
        await asking.run(lambda tx: outgoing.give_back_lapsed(tx, asking.rules, all_claims=True))
        asking.clock.advance(seconds=60)
    await asking.settle(await asking.claim_one("sms"), Unfound())
    asking.clock.advance(seconds=30)
    # From the last look on it is sent again, so that a death then counts.
    await asking.claim_one("sms")
    await asking.run(lambda tx: outgoing.give_back_lapsed(tx, asking.rules, all_claims=True))
    asking.clock.advance(seconds=2)
    again = await asking.claim_one("sms")
    assert (again.looks_left, again.uncertain_count) == (2, 2)


async def test_where_nobody_can_be_asked_half_a_minute_passes(asking: World) -> None:
    await lose_answer(asking, "email")
    assert await asking.claim("email") == []
    asking.clock.advance(seconds=30)
    assert (await asking.claim_one("email")).looks_left == 0


@pytest.mark.parametrize(("channel", "looks"), [("sms", 2), ("email", 0)])
async def test_what_a_dead_process_held_is_taken_up_at_once(
    asking: World, channel: str, looks: int
) -> None:
    await asking.create((channel,))
    await asking.make_link("u1")
    await asking.claim_one(channel)
    await asking.run(lambda tx: outgoing.give_back_lapsed(tx, asking.rules, all_claims=True))
    assert (await asking.claim_one(channel)).looks_left == looks


async def test_our_own_fault_is_told_also_where_another_channel_is_left(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    refused = Refused("wrong sender", code="21606", refusal=Refusal.CONFIG)
    await world.settle(await world.claim_one("whatsapp"), refused)
    [row] = await world.outbox(made.id, "link")
    assert row.status == "cancelled"
    assert (await world.claim_one("migo")).kind == "create_link"
    assert await world.alerts() == [Alert.CONFIG]


async def test_a_key_that_migo_does_not_take_is_told(world: World) -> None:
    await world.create()
    refused = Refused("wrong token", code="migo.token_rejected", refusal=Refusal.CONFIG)
    await world.settle(await world.claim_one("migo"), refused)
    assert set(await world.alerts()) == {Alert.CONFIG, Alert.CREATE_REFUSED}


async def test_a_link_whose_first_try_comes_days_late_is_not_sent(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    world.clock.advance(days=2)
    assert Purpose.LINK not in {item.purpose for item in await world.claim("whatsapp")}
    [row] = await world.outbox(made.id, "link")
    assert row.status == "dead"
    assert await world.alerts() == [Alert.UNDELIVERABLE]


async def test_a_receipt_is_sent_however_late(world: World) -> None:
    await world.linked("u1")
    await world.callback("u1", APPROVED)
    world.clock.advance(days=4)
    assert (await world.claim_one("whatsapp")).purpose is Purpose.RECEIPT


async def test_a_link_that_nobody_asked_migo_for_in_time_waits_for_a_person(world: World) -> None:
    made = await world.create()
    world.clock.advance(days=2)
    assert await world.claim("migo") == []
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_REFUSED]


async def test_a_message_without_a_final_word_is_asked_about_once(asking: World) -> None:
    made = await asking.linked("u1", route=("sms",))
    await asking.provider_says("out u1", DeliveryState.SENT)
    assert await ask(asking) == 0
    asking.clock.advance(minutes=10)
    assert [await ask(asking), await ask(asking)] == [1, 0]
    item = await asking.claim_one("sms")
    assert (item.kind, item.payload) == ("ask", {"provider_id": "out u1"})
    await asking.settle(item, RetryLater("no connection"))
    asking.clock.advance(minutes=1)
    word = DeliveryReport("e", "out u1", DeliveryState.DELIVERED)
    await asking.settle(await asking.claim_one("sms"), Done(Asked(word)))
    [link] = await asking.outbox(made.id, "link")
    assert link.delivery == "delivered"
    assert await asking.claim("sms") == []


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.UNDELIVERED])
async def test_a_message_with_a_final_word_is_not_asked_about(
    asking: World, state: DeliveryState
) -> None:
    await asking.linked("u1", route=("sms",))
    await asking.provider_says("out u1", state)
    asking.clock.advance(minutes=10)
    assert await ask(asking) == 0
