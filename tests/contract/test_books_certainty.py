"""What is not certain: whose a callback is, who may have read a link, what came too late."""

import pytest

from bot.domain.delivery import Uncertain
from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers.planning import MIGO
from bot.store import ledger
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
    named = {"external_id": f"{made.id}.1"} if named_by == "external_id" else {}
    reference = "ref u1" if named_by == "reference" else None
    assert await world.callback("trx_1", APPROVED, reference=reference, **named) == "booked"
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
