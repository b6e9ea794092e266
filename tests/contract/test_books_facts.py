"""What Migo reports is booked once, told once, and what does not add up is told to a person."""

from datetime import timedelta

import pytest

from bot.domain.delivery import Done, LinkMade, Uncertain
from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers import facts, refunds
from bot.handlers import payment as payment_handler
from bot.handlers.rules import Dispatches
from bot.store import reported
from bot.store.engine import Tx
from channels.base import DeliveryState
from tests.contract.world import ASKED, World, report

APPROVED, DENIED = FactStatus.APPROVED, FactStatus.DENIED
REFUNDED, REVERSED = FactStatus.REFUNDED, FactStatus.REVERSED
PAID = PaymentStatus.PAID


async def match(world: World) -> int:
    world.clock.advance(seconds=20)
    older_than = timedelta(seconds=20)
    return await world.run(lambda tx: facts.match_parked(tx, world.rules, older_than=older_than))


async def keys(world: World, purpose: str) -> list[object]:
    rows = await world.select(
        "select key from outbox where purpose = :purpose and status <> 'cancelled' order by id",
        purpose=purpose,
    )
    return [key for (key,) in rows]


async def test_approved_is_paid_and_receipted_once(world: World) -> None:
    made = await world.linked("u1")
    assert await world.callback("u1", APPROVED) == "booked"
    assert await world.callback("u1", APPROVED) == "repeat"
    assert await world.status(made.id) is PAID
    assert await keys(world, "receipt") == ["receipt:u1"]
    assert await keys(world, "staff") == ["staff:paid:u1:0"]
    assert await world.select(
        "select from_status, to_status, amount_minor, currency from ledger where version = 2"
    ) == [("linked", "paid", 15000, "GTQ")]
    assert await world.alerts() == []


async def test_a_payment_cancels_what_still_asks_for_the_money(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    await world.callback("u1", DENIED)
    await world.callback("u1", APPROVED)
    rows = {row.purpose: row.status for row in await world.outbox(made.id)}
    assert rows == {None: "done", "link": "cancelled", "denied": "cancelled", "receipt": "pending"}


async def test_denied_is_told_after_90_seconds_with_the_same_link(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", DENIED)
    assert await world.status(made.id) is PaymentStatus.DENIED
    world.clock.advance(seconds=89)
    assert await world.claim("whatsapp") == []
    world.clock.advance(seconds=1)
    item = await world.claim_one("whatsapp")
    assert item.link is not None
    assert (item.key, item.link.uid) == ("denied:u1", "u1")


async def test_denied_and_approved_within_90_seconds_is_only_a_receipt(world: World) -> None:
    await world.linked("u1")
    await world.callback("u1", DENIED)
    world.clock.advance(seconds=60)
    await world.callback("u1", APPROVED)
    assert (await world.claim_one("whatsapp")).key == "receipt:u1"
    world.clock.advance(seconds=60)
    assert await world.claim("whatsapp") == []


async def test_denied_after_approved_changes_nothing(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", DENIED)
    assert await world.status(made.id) is PAID
    assert await keys(world, "denied") == []


@pytest.mark.parametrize(
    ("status", "news", "expected", "alerts"),
    [
        (REFUNDED, "refunded", PaymentStatus.REFUNDED, [Alert.FURTHER_REFUND]),
        (REVERSED, "reversed", PaymentStatus.REVERSED, []),
    ],
)
async def test_money_that_goes_back_is_told_once(
    world: World, status: FactStatus, news: str, expected: PaymentStatus, alerts: list[Alert]
) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", status)
    await world.callback("u1", status)
    await world.callback("u1", status, name="other bytes")
    assert await world.status(made.id) is expected
    assert await keys(world, news) == [f"{news}:u1"]
    assert await keys(world, "receipt") == ["receipt:u1"]
    assert await world.alerts() == alerts


async def test_a_part_that_goes_back_is_told(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", REFUNDED, money=Money(5000, "GTQ"))
    assert await world.status(made.id) is PaymentStatus.REFUNDED
    assert await keys(world, "refunded") == ["refunded:u1"]
    assert await world.select("select status from link") == [("part_refunded",)]


@pytest.mark.parametrize("status", [REFUNDED, REVERSED])
async def test_approved_after_its_return_gets_no_receipt(world: World, status: FactStatus) -> None:
    made = await world.linked("u1")
    await world.callback("u1", status)
    for minutes, alerts in ((14, []), (1, [Alert.RETURN_WITHOUT_APPROVAL])):
        world.clock.advance(minutes=minutes)
        await world.run(lambda tx: refunds.tell_unapproved(tx, world.rules))
        assert await world.alerts() == alerts
    await world.run(lambda tx: refunds.tell_unapproved(tx, world.rules))
    await world.callback("u1", APPROVED)
    assert await world.alerts() == []
    assert await world.status(made.id) is PaymentStatus(status.value)
    assert await keys(world, "receipt") == []
    assert await world.select("select count(*) from fact") == [(2,)]


@pytest.mark.parametrize("status", [REFUNDED, REVERSED])
async def test_a_return_that_comes_before_its_approval_worries_nobody(
    world: World, status: FactStatus
) -> None:
    await world.linked("u1")
    await world.callback("u1", status)
    world.clock.advance(minutes=14)
    await world.callback("u1", APPROVED)
    world.clock.advance(minutes=1)
    assert await world.run(lambda tx: refunds.tell_unapproved(tx, world.rules)) == 0
    assert await world.alerts() == []


async def test_both_ways_of_going_back_are_shown_to_a_person(world: World) -> None:
    made = await world.linked("u1")
    for status in (APPROVED, REFUNDED, REVERSED):
        await world.callback("u1", status)
    assert await world.status(made.id) is PaymentStatus.REVERSED
    assert await world.alerts() == [Alert.RETURNED_TWICE]


async def test_a_second_approval_with_other_content_is_shown_to_a_person(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", APPROVED, name="other bytes")
    assert await world.status(made.id) is PAID
    assert await world.alerts() == [Alert.SECOND_APPROVAL]
    assert await keys(world, "receipt") == ["receipt:u1"]


@pytest.mark.parametrize("money", [None, Money(14999, "GTQ"), Money(15000, "USD")])
async def test_another_amount_is_held_and_never_receipted(
    world: World, money: Money | None
) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED, money=money)
    held = await world.read(made.id)
    assert (held.status, held.held_reason) == (PaymentStatus.HELD, "mismatch")
    assert await world.alerts() == [Alert.MISMATCH]
    assert await keys(world, "receipt") == []
    world.clock.advance(days=1)
    await world.callback("u1", APPROVED, money=money)
    assert await world.claim("whatsapp") == []
    with pytest.raises(payment_handler.RequestError, match="decide on it"):
        await world.run(lambda tx: payment_handler.resend(tx, world.rules, made.id, by="ana"))


async def test_an_unknown_status_is_shown_to_a_person(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", FactStatus.OTHER)
    assert await world.status(made.id) is PaymentStatus.LINKED
    assert await world.alerts() == [Alert.UNKNOWN_STATUS]


async def test_a_callback_before_its_link_is_kept_and_booked_with_it(world: World) -> None:
    made = await world.create()
    item = await world.claim_one("migo")
    assert await world.callback("u1", APPROVED, external_id=f"{made.id}.1") == "parked"
    assert await world.status(made.id) is PaymentStatus.REQUESTED
    await world.settle(item, Done(LinkMade("u1", None, "https://pay.example/u1")))
    assert await world.status(made.id) is PAID
    assert await keys(world, "receipt") == ["receipt:u1"]
    assert await keys(world, "link") == []
    assert await world.alerts() == []
    assert await match(world) == 0


async def test_a_callback_about_a_create_that_ends_unknown_is_booked_by_the_sweep(
    world: World,
) -> None:
    world.set_rules(dispatches=Dispatches.UNKNOWN)
    made = await world.create()
    item = await world.claim_one("migo")
    assert await world.callback("u1", APPROVED, external_id=f"{made.id}.1") == "parked"
    await world.settle(item, Uncertain("timed out"))
    assert await match(world) == 1
    assert await world.status(made.id) is PAID
    assert Alert.UNKNOWN_UID not in await world.alerts()
    assert await match(world) == 0


@pytest.mark.parametrize("status", [APPROVED, DENIED])
async def test_a_callback_that_finds_an_orphan_books_what_was_parked_too(
    world: World, status: FactStatus
) -> None:
    """The same bytes again, or others: money reported before is not left for the sweep."""
    made = await world.create()
    item = await world.claim_one("migo")
    assert await world.callback("u1", APPROVED, external_id=f"{made.id}.1") == "parked"
    assert await world.callback("u1", APPROVED, external_id=f"{made.id}.1") == "repeat"
    await world.settle(item, Uncertain("timed out"))
    assert await world.callback("u1", status, external_id=f"{made.id}.1") == "booked"
    assert await world.status(made.id) is PAID
    assert await world.select("select count(*) from fact where payment_id is null") == [(0,)]


async def test_a_uid_that_nobody_knows_is_told_once(world: World) -> None:
    assert await world.callback("stranger", APPROVED) == "parked"
    assert await match(world) == 0
    assert await match(world) == 0
    assert await world.alerts() == [Alert.UNKNOWN_UID]
    assert await keys(world, "staff") == ["staff:held:unknown_uid:stranger:0"]


async def test_many_unknown_uids_hide_no_later_one(world: World) -> None:
    for number in range(130):
        await world.callback(f"stranger {number}", APPROVED)
    made = await world.create()
    item = await world.claim_one("migo")
    await world.callback("u1", APPROVED, external_id=f"{made.id}.1")
    await world.settle(item, Uncertain("timed out"))
    assert await match(world) == 1
    assert await world.status(made.id) is PAID
    assert (await world.select("select count(*) from alert where kind = 'unknown_uid'")) == [(130,)]


async def test_a_sweep_has_an_end_and_comes_back_later_the_older_a_fact_is(world: World) -> None:
    def many(tx: Tx) -> None:
        for number in range(250):
            report(tx, world.rules, f"stranger {number}", APPROVED, ASKED, f"body {number}")

    def due(tx: Tx) -> int:
        return len(reported.parked_facts(tx, older_than=timedelta(seconds=20), limit=999))

    await world.run(many)
    for told in (200, 250):
        await match(world)
        count = "select count(*) from alert where kind = 'unknown_uid'"
        assert await world.select(count) == [(told,)]
    world.clock.advance(hours=1)
    await match(world)
    await match(world)
    assert await world.run(due) == 0
    world.clock.advance(minutes=30)
    assert await world.run(due) == 0
    world.clock.advance(minutes=40)
    assert await world.run(due) == 250


async def test_an_old_fact_is_looked_at_at_once_when_its_attempt_ends_unknown(world: World) -> None:
    made = await world.create()
    item = await world.claim_one("migo")
    await world.callback("u1", APPROVED, external_id=f"{made.id}.1")
    world.clock.advance(hours=1)
    assert await match(world) == 0
    await world.settle(item, Uncertain("timed out"))
    assert (
        await world.run(lambda tx: facts.match_parked(tx, world.rules, older_than=timedelta(0)))
        == 1
    )
    assert await world.status(made.id) is PAID


@pytest.mark.parametrize("name", ["{}.2", "{}", "pay_other.1", "x.{}.1", ".1", "{}.x", ""])
async def test_a_reference_that_names_no_attempt_is_not_taken(world: World, name: str) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("x", uid="hint"))
    assert await world.callback("u9", APPROVED, external_id=name.format(made.id)) == "parked"
    assert await world.status(made.id) is PaymentStatus.HELD


async def test_an_orphan_that_is_paid_is_booked_and_told(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    assert await world.callback("u1", APPROVED, external_id=f"{made.id}.1") == "booked"
    assert await world.status(made.id) is PAID
    assert await world.alerts() == [Alert.ORPHAN_PAID, Alert.MIGO_WRITES]
    assert await keys(world, "receipt") == ["receipt:u1"]
    assert await world.links(made.id) == [("u1", False, True)]
    world.clock.advance(seconds=30)
    assert await world.claim("migo") == []


async def test_an_attempt_has_one_orphan(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    await world.callback("u1", DENIED, external_id=f"{made.id}.1")
    assert await world.callback("u2", APPROVED, external_id=f"{made.id}.1") == "parked"
    assert await match(world) == 0
    assert Alert.UNKNOWN_UID in await world.alerts()


async def test_an_orphan_and_the_second_link_paid_both_are_overpaid(world: World) -> None:
    made = await world.create()
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    world.clock.advance(seconds=5)
    await world.make_link("u2")
    await world.accept("whatsapp", "WA1")
    await world.callback("u2", APPROVED)
    await world.callback("u1", APPROVED, external_id=f"{made.id}.1")
    paid = await world.read(made.id)
    assert (paid.status, paid.is_overpaid) == (PAID, True)
    entries = await world.select(
        "select uid, amount_minor from ledger where payment_id = :id and uid is not null"
        " and to_status = 'paid'",
        id=paid.id,
    )
    assert len({uid for uid, _ in entries}) == 2
    assert sum(int(str(minor)) for _, minor in entries) == 2 * ASKED.minor
    assert set(await world.alerts()) == {
        Alert.ORPHAN_PAID,
        Alert.OVERPAID,
        Alert.MIGO_WRITES,
    }
    assert await keys(world, "receipt") == ["receipt:u2", "receipt:u1"]
    await world.callback("u2", REFUNDED)
    assert await world.status(made.id) is PAID
    await world.callback("u1", REFUNDED)
    assert await world.status(made.id) is PaymentStatus.REFUNDED


@pytest.mark.parametrize("stop", ["cancelled", "expired"])
async def test_money_after_the_end_is_booked_and_told(world: World, stop: str) -> None:
    made = await world.linked("u1")
    if stop == "cancelled":
        await world.run(lambda tx: payment_handler.cancel_payment(tx, made.id, by="ana"))
    else:
        world.clock.advance(days=7)
        assert await world.run(payment_handler.expire_payments) == 1
    assert await world.status(made.id) is PaymentStatus(stop)
    await world.callback("u1", APPROVED)
    assert await world.status(made.id) is PAID
    assert await world.alerts() == [Alert.PAID_AFTER_STOP]
    assert await keys(world, "receipt") == ["receipt:u1"]


async def test_denied_after_the_end_tells_nobody(world: World) -> None:
    made = await world.linked("u1")
    await world.run(lambda tx: payment_handler.cancel_payment(tx, made.id, by="ana"))
    await world.callback("u1", DENIED)
    assert await world.status(made.id) is PaymentStatus.CANCELLED
    assert await keys(world, "denied") == []


async def test_the_receipt_goes_first_where_the_link_arrived(world: World) -> None:
    await world.linked("u1")
    world.clock.advance(minutes=10)
    await world.provider_says("out u1", DeliveryState.UNDELIVERED)
    await world.accept("sms", "SM1")
    await world.provider_says("SM1", DeliveryState.DELIVERED)
    await world.callback("u1", APPROVED)
    item = await world.claim_one("sms")
    assert (item.key, item.route_left) == ("receipt:u1", ("whatsapp", "email"))


async def test_staff_learn_of_money_also_where_no_message_can_be_sent(world: World) -> None:
    made = await world.create(("web",))
    await world.make_link("u1")
    await world.callback("u1", APPROVED)
    assert await world.status(made.id) is PAID
    assert await keys(world, "receipt") == []
    assert await keys(world, "staff") == ["staff:paid:u1:0"]


async def test_who_created_it_and_staff_are_both_told_and_once(world: World) -> None:
    await world.create(notify="telegram:7")
    await world.make_link("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", DENIED)
    assert await world.select(
        "select address from outbox where purpose = 'staff' order by address"
    ) == [("7",), ("9000",)]


async def test_what_is_booked_is_what_was_reported(world: World) -> None:
    made = await world.linked("u1")
    await world.callback("u1", APPROVED)
    await world.callback("u1", REFUNDED)
    facts = await world.select(
        "select sum(amount_minor) from fact where payment_id = :id and status = 'approved'",
        id=made.id,
    )
    booked = await world.select(
        "select sum(amount_minor) from ledger where payment_id = :id and to_status = 'paid'",
        id=made.id,
    )
    assert [int(str(total)) for (total,) in (*facts, *booked)] == [ASKED.minor, ASKED.minor]
