"""Payments move by the table and their version, are paged, and leave entries in the ledger."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain.payment import Alert, Payment, PaymentStatus
from bot.store import ledger, payments, people, reading
from bot.store.engine import Tx
from bot.store.payments import Cursor, IllegalMoveError
from channels.base import Address, ChannelName
from tests.contract.world import ASKED, PHONE, START, World

WHATSAPP = Address(ChannelName.WHATSAPP, PHONE)


async def move(world: World, payment: Payment, new: PaymentStatus) -> Payment:
    return await world.run(lambda tx: payments.move(tx, payment, new, why="test", money=ASKED))


async def test_what_was_written_is_read(world: World) -> None:
    at = START + timedelta(days=2, microseconds=7)
    made = await world.create(
        ("whatsapp", "web"), concept="Año 2", external_id="INV-1", due_at=at, notify="telegram:5"
    )
    found = await world.read(made.id)
    assert found == made
    assert (found.money, found.route, found.concept) == (ASKED, ("whatsapp", "web"), "Año 2")
    assert (found.external_id, found.due_at, found.notify) == ("INV-1", at, "telegram:5")
    assert (found.version, found.is_overpaid, found.status) == (0, False, PaymentStatus.REQUESTED)
    assert await world.run(lambda tx: payments.read(tx, "pay_none")) is None


async def test_a_move_leaves_an_entry(world: World) -> None:
    made = await world.create()
    moved = await move(world, made, PaymentStatus.LINKED)
    assert (moved.status, moved.version) == (PaymentStatus.LINKED, 1)
    assert await world.select(
        "select version, from_status, to_status, amount_minor from ledger order by seq"
    ) == [(0, None, "requested", None), (1, "requested", "linked", 15000)]


async def test_a_move_against_the_table_is_refused(world: World) -> None:
    paid = await move(world, await world.create(), PaymentStatus.PAID)
    with pytest.raises(IllegalMoveError, match="paid may not become linked"):
        await move(world, paid, PaymentStatus.LINKED)
    assert await world.status(paid.id) is PaymentStatus.PAID


async def test_a_move_from_where_it_no_longer_is_is_refused(world: World) -> None:
    made = await world.create()
    await move(world, made, PaymentStatus.CANCELLED)
    with pytest.raises(IllegalMoveError, match="moved by somebody else"):
        await move(world, made, PaymentStatus.LINKED)
    assert await world.select("select count(*) from ledger") == [(2,)]


async def test_of_two_movers_one_wins(world: World) -> None:
    made = await world.create()
    ends = await asyncio.gather(
        *(move(world, made, status) for status in (PaymentStatus.PAID, PaymentStatus.HELD) * 4),
        return_exceptions=True,
    )
    assert sum(isinstance(end, Payment) for end in ends) == 1
    assert sum(isinstance(end, IllegalMoveError) for end in ends) == 7


async def test_a_version_is_entered_once(world: World) -> None:
    made = await world.create()
    with pytest.raises(IntegrityError):
        await world.run(
            lambda tx: ledger.enter(
                tx, made.id, version=0, old=None, new=PaymentStatus.REQUESTED, why="again"
            )
        )


async def test_why_it_is_held_is_kept_while_it_is(world: World) -> None:
    made = await world.create()
    held = await world.run(
        lambda tx: payments.move(tx, made, PaymentStatus.HELD, why="x", held_reason="2007")
    )
    assert held.held_reason == "2007"
    assert (await move(world, held, PaymentStatus.LINKED)).held_reason is None


async def test_a_repeat_is_found_by_key_or_reference(world: World) -> None:
    made = await world.create(idempotency_key="k", external_id="INV-1", request_hash="hash")
    for key, reference in (("k", None), (None, "INV-1"), ("other", "INV-1"), ("k", "INV-2")):
        found = await world.run(
            partial(payments.find_repeat, idempotency_key=key, external_id=reference)
        )
        assert found is not None
        assert (found[0].id, found[1]) == (made.id, "hash")
    assert (
        await world.run(
            lambda tx: payments.find_repeat(tx, idempotency_key="INV-1", external_id="k")
        )
        is None
    )


def test_a_request_is_the_same_whatever_its_order() -> None:
    first = payments.request_hash({"a": 1, "b": datetime(2026, 1, 1, tzinfo=START.tzinfo)})
    assert first == payments.request_hash({"b": START.replace(hour=0), "a": 1})
    assert first != payments.request_hash({"a": "1", "b": START.replace(hour=0)})
    assert len(first) == 64


async def test_pages_have_every_payment_once_also_at_equal_times(world: World) -> None:
    made = []
    for number in range(11):
        made.append((await world.create()).id)
        if number in (3, 4):
            world.clock.advance(seconds=1)
    seen: list[str] = []
    cursor: Cursor | None = None
    while True:
        page = await world.run(partial(payments.page, before=cursor, limit=2))
        if not page:
            break
        seen += [item.id for item in page]
        cursor = Cursor(page[-1].created_at, page[-1].id)
    assert sorted(seen) == sorted(made)
    times = [(await world.read(each)).created_at for each in seen]
    assert times == sorted(times, reverse=True)


async def test_pages_are_narrowed(world: World) -> None:
    first = await world.create(("whatsapp", "sms"))
    world.clock.advance(seconds=1)
    second = await world.create(("sms", "whatsapp"))
    await move(world, second, PaymentStatus.CANCELLED)

    async def ids(**narrowed: object) -> list[str]:
        found = await world.run(lambda tx: payments.page(tx, **narrowed))  # type: ignore[arg-type]
        return [item.id for item in found]

    assert await ids() == [second.id, first.id]
    assert await ids(channel="whatsapp") == [first.id]
    assert await ids(channel="sms") == [second.id]
    assert await ids(channel="email") == []
    assert await ids(statuses=[PaymentStatus.CANCELLED]) == [second.id]
    assert await ids(statuses=[PaymentStatus.CANCELLED, PaymentStatus.REQUESTED]) == [
        second.id,
        first.id,
    ]
    assert await ids(created_after=START) == [second.id]


async def test_the_customers_of_a_page_come_in_one_piece(world: World) -> None:
    first, second = await world.create(), await world.create(phone="+50255550000")
    found = await world.run(lambda tx: payments.customers_of(tx, [first, second, first]))
    assert {each.phone for each in found.values()} == {PHONE, "+50255550000"}


async def test_a_story_is_told_in_order(world: World) -> None:
    made = await world.create()
    for number, status in enumerate([PaymentStatus.LINKED, PaymentStatus.PAID]):
        world.clock.advance(seconds=1)
        await world.run(
            partial(ledger.decide, payment_id=made.id, what=f"decision {number}", why="because")
        )
        world.clock.advance(seconds=1)
        await move(world, await world.read(made.id), status)
    story = await world.run(lambda tx: reading.timeline(tx, made.id))
    assert [entry.what for entry in story] == [
        "requested",
        "decision 0",
        "linked",
        "decision 1",
        "paid",
    ]


async def test_an_alert_is_raised_once(world: World) -> None:
    made = await world.create()

    def raise_it(tx: Tx) -> bool:
        return ledger.raise_alert(tx, Alert.MISMATCH, key="u1", detail="x", payment_id=made.id)

    assert [await world.run(raise_it), await world.run(raise_it)] == [True, False]
    [alert] = await world.run(lambda tx: ledger.open_alerts(tx, payment_id=made.id))
    assert (alert.kind, alert.payment_id, alert.raised_at) == (Alert.MISMATCH, made.id, START)
    assert await world.run(lambda tx: ledger.open_alerts(tx, payment_id="other")) == []


async def test_an_address_belongs_to_the_last_who_proved_it(world: World) -> None:
    ana = await world.run(lambda tx: people.upsert_customer(tx, phone=PHONE))
    eva = await world.run(lambda tx: people.upsert_customer(tx, phone="+50255550000"))
    chat = Address(ChannelName.TELEGRAM, "5")
    for customer in (ana, eva):
        await world.run(partial(people.bind, customer_id=customer.id, to=chat, user_id="5"))
    found = await world.run(lambda tx: people.reach_of(tx, chat))
    assert found is not None
    assert found.customer_id == eva.id
    assert await world.run(lambda tx: people.telegram_chat(tx, ana.id)) is None


async def test_the_reply_window_only_moves_on(world: World) -> None:
    async def seen_at() -> datetime | None:
        found = await world.run(lambda tx: people.reach_of(tx, WHATSAPP))
        return None if found is None else found.last_inbound_at

    assert await seen_at() is None
    for minutes in (5, 1, 9):
        at = START + timedelta(minutes=minutes)
        await world.run(partial(people.saw_inbound, sender=WHATSAPP, at=at, customer_id=None))
    assert await seen_at() == START + timedelta(minutes=9)


async def test_consent_is_kept_for_ever(world: World) -> None:
    for is_given in (False, True):
        await world.run(
            partial(
                people.record_consent,
                at=WHATSAPP,
                customer_id=None,
                is_given=is_given,
                who="customer",
                how="wrote it",
                wording="x",
            )
        )
    assert await world.select("select address, how from consent where channel = 'whatsapp'") == [
        (PHONE, "wrote it"),
        (PHONE, "wrote it"),
    ]
