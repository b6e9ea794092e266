"""Money that goes back in parts: each report is booked and told, and nothing is added up."""

import itertools
from datetime import timedelta

import pytest

from bot.domain.delivery import Uncertain
from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.store import ledger, summary
from tests.contract.world import ASKED, START, World

APPROVED, REFUNDED = FactStatus.APPROVED, FactStatus.REFUNDED
PARTS = (Money(5000, "GTQ"), Money(10000, "GTQ"))


async def refund(world: World, uid: str, *parts: Money | None) -> None:
    for number, money in enumerate(parts):
        await world.callback(uid, REFUNDED, money=money, name=f"{uid} {number} {money}")


async def booked(world: World, payment_id: str) -> list[tuple[object, ...]]:
    """What the books say of the money, in order."""
    return await world.select(
        "select to_status, amount_minor, currency from ledger"
        " where payment_id = :id and uid is not null and to_status <> 'linked' order by version",
        id=payment_id,
    )


async def alerts_of(world: World, payment_id: str) -> set[Alert]:
    found = await world.run(lambda tx: ledger.open_alerts(tx, payment_id=payment_id))
    return {each.kind for each in found}


async def details(world: World) -> list[tuple[Alert, str]]:
    found = await world.run(lambda tx: ledger.open_alerts(tx))
    return [(each.kind, each.detail) for each in found]


async def test_each_refund_is_booked_as_it_was_reported(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await refund(world, "u1", *PARTS)
    await refund(world, "u1", *PARTS)
    assert await booked(world, made.id) == [
        ("paid", 15000, "GTQ"),
        ("refunded", 5000, "GTQ"),
        ("refunded", 10000, "GTQ"),
    ]


async def test_each_refund_after_the_first_is_told(world: World) -> None:
    await world.linked("u1")
    await world.callback("u1", APPROVED)
    await refund(world, "u1", PARTS[0])
    assert await world.alerts() == []
    await refund(world, "u1", *PARTS, None)
    assert [kind for kind, _ in await details(world)] == [Alert.FURTHER_REFUND] * 2
    second, third = [detail for _, detail in await details(world)]
    assert "2 refunds were reported: 50.00 GTQ, 100.00 GTQ;" in second
    assert "3 refunds were reported: 50.00 GTQ, 100.00 GTQ, no amount;" in third
    told = "select count(*) from outbox where key like 'staff:held:further_refund:%'"
    assert await world.select(told) == [(2,)]


@pytest.mark.parametrize("money", [Money(15001, "GTQ"), Money(5000, "USD")])
async def test_a_refund_of_more_or_of_other_money_is_told(world: World, money: Money) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await refund(world, "u1", money)
    [(kind, detail)] = await details(world)
    assert kind is Alert.ODD_REFUND
    assert f"{money.major()} {money.currency}" in detail
    assert await booked(world, made.id) == [
        ("paid", 15000, "GTQ"),
        ("refunded", money.minor, money.currency),
    ]


@pytest.mark.parametrize(
    ("parts", "named"),
    [(PARTS[:1], 5000), ((ASKED,), None), ((None,), None), ((Money(5000, "USD"),), None)],
)
async def test_the_customer_is_told_which_part_went_back(
    world: World, parts: tuple[Money | None, ...], named: int | None
) -> None:
    await world.linked("u1")
    await world.callback("u1", APPROVED)
    await refund(world, "u1", *parts)
    [notice] = [item for item in await world.claim("whatsapp") if item.purpose == "refunded"]
    assert notice.payload.get("refund_minor") == named


async def test_in_any_order_the_same_is_booked_and_told(world: World) -> None:
    reports = [(APPROVED, ASKED), *((REFUNDED, money) for money in PARTS)]
    for number, order in enumerate(itertools.permutations(reports)):
        uid = f"u{number}"
        made = await world.create(("web",))
        item = await world.claim_one("migo")
        await world.settle(item, Uncertain("timed out"))
        for status, money in order:
            await world.callback(uid, status, money=money, external_id=f"{made.id}.1")
        entries = await booked(world, made.id)
        assert sorted(map(str, entries[-2:])) == sorted(
            str(("refunded", money.minor, "GTQ")) for money in PARTS
        )
        assert await world.status(made.id) is PaymentStatus.REFUNDED
        assert Alert.FURTHER_REFUND in await alerts_of(world, made.id)


async def test_what_goes_back_of_two_payments_is_no_income(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    world.clock.advance(seconds=5)
    await world.make_link("u2")
    await world.callback("u2", APPROVED)
    await world.callback("u1", APPROVED, external_id=f"{made.id}.1")
    await refund(world, "u1", ASKED)
    assert await world.status(made.id) is PaymentStatus.PAID
    starts = [START, START + timedelta(days=1)]
    day = await world.run(lambda tx: summary.read_day(tx, starts))
    assert day.income == (Money(2 * ASKED.minor, "GTQ"),)
    assert len(await booked(world, made.id)) == 3
