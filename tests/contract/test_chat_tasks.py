"""Whoever is told in a chat that a person looks at it is looked at by a person."""

from functools import partial

import pytest

from bot.domain.catalogue import Product
from bot.domain.delivery import Uncertain
from bot.domain.money import Money
from bot.domain.payment import Alert, PaymentStatus
from bot.handlers import chat
from bot.handlers.rules import Dispatches
from bot.store import ledger, payments
from bot.store.outbox import MIGO_LANE
from channels.base import Address, ChannelName, InboundMessage
from tests.contract.world import PHONE, World

SMS = Address(ChannelName.SMS, PHONE)
FEE = Product("Mensualidad", Money(15000, "USD"))


@pytest.fixture
def world(world: World) -> World:
    world.set_rules(dispatches=Dispatches.YES, catalogue=(FEE,))
    return world


async def says(world: World, *texts: str) -> str:
    """Have the customer write; gives the phrase of the last answer."""
    for text in texts:
        number = len(await world.select("select id from outbox"))
        message = InboundMessage("e", SMS, text)
        await world.run(
            partial(
                chat.on_message,
                rules=world.rules,
                message=message,
                inbox_id=number,
                received_at=world.clock.now,
            )
        )
    replies = [item for item in await world.claim("sms", 50) if "phrase" in item.payload]
    return str(replies[-1].payload["phrase"])


async def open_details(world: World, kind: Alert) -> list[str]:
    found = await world.run(lambda tx: ledger.open_alerts(tx))
    return [each.detail for each in found if each.kind is kind]


async def told(world: World) -> int:
    """How often staff were told of something that waits."""
    return len(await world.select("select id from outbox where key like 'staff:held:claimed%'"))


async def test_a_claim_is_told_again_once_the_first_was_closed(world: World) -> None:
    made = await world.linked()
    for times in (1, 2):
        assert await says(world, "ya pagué") == "customer.not_reported"
        await says(world, "ya pagué")
        assert len(await open_details(world, Alert.CLAIMED_PAID)) == 1
        assert await told(world) == times
        await world.run(
            lambda tx: ledger.close_alert(tx, Alert.CLAIMED_PAID, key=made.id, by="Eva")
        )
        world.clock.advance(hours=1)


async def test_a_renewal_that_fails_is_a_task_of_its_own(world: World) -> None:
    made = await world.create(("sms",))
    assert await says(world, "ya pagué") == "customer.not_reported"
    await world.settle(await world.claim_one(MIGO_LANE), Uncertain("lost"))
    held = await world.read(made.id)
    await world.run(
        lambda tx: payments.move(tx, held, PaymentStatus.EXPIRED, why="its time ran out")
    )
    assert await says(world, "renovar") == "customer.renew_failed"
    [detail] = await open_details(world, Alert.CANNOT_PAY)
    assert detail.startswith("the customer wants to pay it late: ")
    assert len(await open_details(world, Alert.CLAIMED_PAID)) == 1


async def test_a_purchase_that_fails_is_told_to_staff(world: World) -> None:
    assert await says(world, "comprar", "1", "sí") == "customer.purchase_failed"
    [detail] = await open_details(world, Alert.CANNOT_PAY)
    assert "the customer wants to buy 1 × Mensualidad: USD is not enabled" in detail


async def test_what_is_only_nearly_a_yes_buys_nothing(world: World) -> None:
    world.set_rules(currencies=frozenset({"USD"}))
    await says(world, "comprar", "1", "caro")
    assert await world.select("select id from payment") == []
