"""Live cards: edited as a payment moves, one edit after the other, and only for what changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, Payment, PaymentStatus
from bot.handlers import cards
from bot.handlers.payment import PaymentRequest, RequestError, cancel_payment, create_payment
from bot.handlers.settlement import settle_by_hand
from bot.store import payments, sales
from bot.store.engine import Tx
from bot.store.migrate import migrate
from bot.store.schema import outbox as outbox_table
from channels.base import Address, ChannelName
from tests.contract.world import World

HERE = Address(ChannelName.TELEGRAM, "9000")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    url = f"sqlite:///{tmp_path}/paybot.db"
    migrate(url)
    world = World(url)
    world.store.open()
    yield world
    await world.store.close()


def _charged(tx: Tx, world: World) -> Payment:
    request = PaymentRequest(
        phone="+50255551234",
        money=Money(15000, "GTQ"),
        route=("whatsapp",),
        created_by="staff:1 Marta",
        request_hash="x",
        notify="telegram:9000",
    )
    return create_payment(tx, world.rules, request).payment


async def charged(world: World, *, can_edit: bool = True) -> str:
    def work(tx: Tx) -> str:
        payment = _charged(tx, world)
        cards.open_card(tx, payment, HERE, locale="es", can_edit=can_edit, replaces="9000:1")
        return payment.id

    return await world.store.transact(work)


async def shown(world: World) -> list[tuple[str, str, object, str]]:
    """Every message of a card so far: phrase, status, what it replaces, and how it ended."""

    def work(tx: Tx) -> list[tuple[str, str, object, str]]:
        rows = tx.run(
            sa.select(outbox_table.c.payload, outbox_table.c.status)
            .where(outbox_table.c.key.startswith(cards.KEY_PREFIX))
            .order_by(outbox_table.c.id)
        )
        return [
            (
                row.payload["phrase"],
                row.payload["values"]["status"],
                row.payload["replaces"],
                row.status,
            )
            for row in rows
        ]

    return await world.store.transact(work)


async def test_the_confirm_card_becomes_the_live_one(world: World) -> None:
    await charged(world)
    assert await shown(world) == [("staff.card", "making", "9000:1", "pending")]


async def test_an_edit_waits_for_the_one_before_and_names_its_message(world: World) -> None:
    payment_id = await charged(world)
    await world.store.transact(lambda tx: cancel_payment(tx, payment_id, by="staff:1 Marta"))
    assert [each[1] for each in await shown(world)] == ["making"]
    await world.accept("telegram", "9000:1")
    found = await shown(world)
    assert [each[1] for each in found] == ["making", "cancelled"]
    assert found[1][2] is not None


async def test_what_did_not_change_is_not_said_again(world: World) -> None:
    payment_id = await charged(world)
    await world.accept("telegram", "9000:1")
    for _ in range(3):
        await world.store.transact(lambda tx: cards.refresh(tx, payment_id))
    assert len(await shown(world)) == 1


async def test_where_nothing_can_be_edited_a_line_follows_what_matters(world: World) -> None:
    payment_id = await charged(world, can_edit=False)
    await world.accept("telegram", "9000:1")
    await world.store.transact(lambda tx: settle_by_hand(tx, payment_id, by="staff:2 Olga"))
    assert [each[1] for each in await shown(world)] == ["making"]
    other = await charged(world, can_edit=False)
    await world.accept("telegram", "9000:2")
    await world.store.transact(lambda tx: cancel_payment(tx, other, by="staff:1 Marta"))
    assert (await shown(world))[2][:3] == ("staff.card_line", "cancelled", None)


async def test_a_payment_without_a_card_costs_nothing(world: World) -> None:
    payment_id = await world.store.transact(lambda tx: _charged(tx, world).id)
    await world.store.transact(lambda tx: cards.refresh(tx, payment_id))
    assert await shown(world) == []


async def test_a_card_hides_most_of_the_number(world: World) -> None:
    payment_id = await charged(world)

    def view(tx: Tx) -> dict[str, object]:
        payment = payments.read(tx, payment_id)
        assert payment is not None
        return cards.view_of(tx, payment)

    seen = await world.store.transact(view)
    assert seen["phone"] == "+502****1234"
    assert "55551234" not in str(seen)


async def test_paid_by_hand_and_at_migo_is_overpaid_and_stays_paid(world: World) -> None:
    payment_id = (await world.linked("u1")).id
    await world.store.transact(lambda tx: settle_by_hand(tx, payment_id, by="staff:2 Olga"))
    assert await world.status(payment_id) is PaymentStatus.PAID
    await world.callback("u1", FactStatus.APPROVED)
    assert await world.status(payment_id) is PaymentStatus.PAID
    assert (await world.read(payment_id)).is_overpaid
    assert Alert.OVERPAID in await world.alerts()
    await world.callback("u1", FactStatus.REFUNDED)
    assert await world.status(payment_id) is PaymentStatus.PAID


async def test_money_that_came_cannot_be_booked_by_hand_as_well(world: World) -> None:
    payment_id = (await world.linked("u1")).id
    await world.callback("u1", FactStatus.APPROVED)
    with pytest.raises(RequestError):
        await world.store.transact(lambda tx: settle_by_hand(tx, payment_id, by="staff:2 Olga"))
    assert not await world.store.transact(lambda tx: sales.is_settled(tx, payment_id))
