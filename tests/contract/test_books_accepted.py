"""Money in another amount than asked becomes a payment only by a named person's word."""

import pytest

from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, Payment, PaymentStatus
from bot.handlers import payment as payment_handler
from bot.handlers.acceptance import accept_amount
from bot.handlers.accounts import known_of
from bot.handlers.payment import RequestError
from bot.handlers.settlement import settle_by_hand
from bot.store import people
from bot.store.engine import Tx
from channels.base import Address, ChannelName
from tests.contract.test_books_facts import keys
from tests.contract.world import ASKED, PHONE, World

APPROVED, REFUNDED = FactStatus.APPROVED, FactStatus.REFUNDED
LESS = Money(14999, "GTQ")
DOLLARS = Money(1900, "USD")


async def accept(world: World, payment_id: str, *, money: Money | None = None) -> Payment:
    return await world.run(
        lambda tx: accept_amount(tx, world.rules, payment_id, by="Olga", money=money)
    )


async def held(world: World, money: Money = LESS) -> Payment:
    """A payment for which another amount came."""
    made = await world.linked("u1")
    await world.callback("u1", APPROVED, money=money)
    assert await world.status(made.id) is PaymentStatus.HELD
    return made


@pytest.mark.parametrize("money", [LESS, DOLLARS, Money(20000, "GTQ")])
async def test_what_came_is_what_is_booked_and_receipted(world: World, money: Money) -> None:
    made = await held(world, money)
    paid = await accept(world, made.id)
    assert (paid.status, paid.held_reason) == (PaymentStatus.PAID, None)
    assert await world.select(
        "select from_status, uid, amount_minor, currency from ledger where to_status = 'paid'"
    ) == [("held", "u1", money.minor, money.currency)]
    assert await keys(world, "receipt") == ["receipt:u1"]
    assert await world.alerts() == []
    receipt = await world.claim_one("whatsapp")
    assert receipt.payload["came"] == {"minor": money.minor, "currency": money.currency}


async def test_who_accepted_it_is_kept(world: World) -> None:
    made = await held(world)
    await accept(world, made.id)
    assert await world.select(
        "select o.who, o.wording, f.uid from override o join fact f on f.accepted_by = o.id"
    ) == [("Olga", "149.99 GTQ came instead of 150.00 GTQ", "u1")]
    assert await world.select("select who, what from audit") == [("Olga", "amount accepted")]
    assert await world.select("select closed_by from alert") == [("Olga",)]
    said = "amount accepted: 149.99 GTQ came instead of 150.00 GTQ, says Olga"
    assert said in await world.decisions(made.id)


async def test_it_is_accepted_once_and_a_repeat_of_the_callback_changes_nothing(
    world: World,
) -> None:
    made = await held(world)
    await accept(world, made.id)
    with pytest.raises(RequestError, match="no other amount"):
        await accept(world, made.id)
    assert await world.callback("u1", APPROVED, money=LESS) == "repeat"
    await world.callback("u1", APPROVED, name="the right amount after all")
    assert await world.status(made.id) is PaymentStatus.PAID
    assert await keys(world, "receipt") == ["receipt:u1"]


async def test_nothing_is_accepted_where_no_other_amount_came(world: World) -> None:
    made = await world.linked("u1")
    with pytest.raises(RequestError, match="no other amount"):
        await accept(world, made.id)
    await world.callback("u1", APPROVED, money=None)
    with pytest.raises(RequestError, match="no other amount"):
        await accept(world, made.id)
    assert await world.select("select who from override") == []


async def test_what_was_not_seen_is_not_accepted(world: World) -> None:
    made = await held(world)
    await world.callback("u1", APPROVED, money=Money(100, "GTQ"))
    with pytest.raises(RequestError, match="another amount in the meantime"):
        await accept(world, made.id, money=LESS)
    await accept(world, made.id, money=Money(100, "GTQ"))
    assert await world.alerts() == [Alert.SECOND_APPROVAL]


async def test_all_of_it_that_goes_back_is_all_of_what_came(world: World) -> None:
    made = await held(world)
    await accept(world, made.id)
    await world.callback("u1", REFUNDED, money=LESS)
    assert await world.select("select status from link") == [("refunded",)]
    assert await world.select("select amount_minor from ledger where to_status = 'refunded'") == [
        (LESS.minor,)
    ]
    assert await world.status(made.id) is PaymentStatus.REFUNDED


async def test_accepted_beside_money_by_other_means_is_overpaid(world: World) -> None:
    made = await held(world)
    await world.run(lambda tx: settle_by_hand(tx, made.id, by="Olga"))
    await accept(world, made.id)
    paid = await world.read(made.id)
    assert (paid.status, paid.is_overpaid) == (PaymentStatus.PAID, True)
    [(detail,)] = await world.select("select detail from alert where kind = 'overpaid'")
    assert "Please refund 149.99 GTQ of transaction u1" in str(detail)


async def test_accepted_after_a_cancel_is_told(world: World) -> None:
    made = await held(world)
    await world.run(lambda tx: payment_handler.cancel_payment(tx, made.id, by="ana"))
    await accept(world, made.id)
    assert await world.status(made.id) is PaymentStatus.PAID
    assert await world.alerts() == [Alert.PAID_AFTER_STOP]


async def test_the_customer_is_told_what_they_paid(world: World) -> None:
    made = await held(world)
    await accept(world, made.id)
    at = Address(ChannelName.WHATSAPP, PHONE)

    def receipts(tx: Tx) -> list[Money]:
        customer = people.find_customer(tx, phone=PHONE)
        known = known_of(tx, world.rules, at, customer, PHONE)
        return [each.money for each in known.receipts]

    assert await world.run(receipts) == [LESS]
    await world.accept("whatsapp", "out receipt")
    await world.linked("u2")
    await world.callback("u2", APPROVED)
    assert set(await world.run(receipts)) == {LESS, ASKED}
