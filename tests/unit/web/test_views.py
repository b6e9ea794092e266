"""The read shape of a payment, in every state that its messages can be in."""

import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from bot.domain.delivery import (
    Done,
    LinkMade,
    MessageStatus,
    Outcome,
    RetryLater,
    Sent,
    Uncertain,
)
from bot.domain.delivery import Refused as RefusedEnd
from bot.domain.money import Money
from bot.domain.payment import Alert
from bot.handlers import delivery, outgoing, payment
from bot.handlers.rules import Dispatches, Rules
from bot.store import ledger
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from bot.store.schema import metadata
from bot.web.views import MessageView, PaymentView, payment_view
from channels.base import ChannelName, DeliveryReport, DeliveryState, Refusal

NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
MIGO_CHANNELS = {"whatsapp": "wa", "sms": "sms", "email": "email", "telegram": "app", "web": "web"}
FIELDS = {
    *("id", "status", "amount_minor", "currency", "customer", "concept", "external_id"),
    *("created_by", "created_at", "due_at", "expires_at", "links", "messages", "timeline"),
}
MESSAGE_FIELDS = {
    *("id", "purpose", "channel", "to", "status", "provider_id", "attempts", "not_before", "at"),
    "error",
}


class Books:
    """The books on SQLite, with ends of sends as the test wants them."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.store = Store(f"sqlite:///{folder}/paybot.db", clock=lambda: self.now)
        self._numbers = itertools.count(1)
        self.rules = Rules(
            couriers=frozenset(ChannelName),
            reports=frozenset({ChannelName.WHATSAPP, ChannelName.SMS}),
            migo_channels=MIGO_CHANNELS,
            currencies=frozenset({"GTQ"}),
            dispatches=Dispatches.YES,
            new_id=lambda: str(next(self._numbers)),
            random=lambda: 0.5,
            staff="telegram:42",
        )

    async def create(self, *route: str) -> str:
        request = payment.PaymentRequest(
            phone="+50255551234",
            money=Money(15000, "GTQ"),
            route=route,
            created_by="api",
            request_hash="h",
            email="ana@example.com",
            name="Ana",
            reminders="off",
        )
        made = await self.store.transact(lambda tx: payment.create_payment(tx, self.rules, request))
        return made.payment.id

    async def claim(self, lane: str) -> OutboxItem:
        def work(tx: Tx) -> list[OutboxItem]:
            token = f"t{next(self._numbers)}"
            lease = timedelta(minutes=1)
            return outgoing.claim(
                tx, self.rules, lane=lane, limit=1, lease=lease, token=token, worker="w"
            )

        [item] = await self.store.transact(work)
        return item

    async def perform(self, lane: str, outcome: Outcome) -> None:
        item = await self.claim(lane)
        await self.store.transact(lambda tx: outgoing.settle(tx, self.rules, [(item, outcome)]))

    async def link(self, *route: str, uid: str = "u1") -> str:
        payment_id = await self.create(*route)
        made = LinkMade(uid, "REF", f"https://web.example/{uid}")
        await self.perform("migo", Done(made))
        return payment_id

    async def report(self, provider_id: str, state: DeliveryState, code: str | None = None) -> None:
        news = DeliveryReport("e", provider_id, state, code=code)
        await self.store.transact(lambda tx: delivery.on_report(tx, self.rules, news))

    async def view(self, *payment_ids: str) -> list[PaymentView]:
        return await self.store.transact(lambda tx: payment_view(tx, payment_ids))

    async def messages(self, payment_id: str) -> list[MessageView]:
        [view] = await self.view(payment_id)
        return view["messages"]


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    books = Books(tmp_path)
    books.store.open()
    metadata.create_all(books.store.engine)
    yield books
    await books.store.close()


def brief(messages: Sequence[MessageView]) -> list[tuple[str, str, str]]:
    return [(each["id"], each["channel"], each["status"]) for each in messages]


async def test_a_url_that_is_not_told_says_why(books: Books) -> None:
    payment_id = await books.link("whatsapp", "sms")
    [view] = await books.view(payment_id)
    assert [(each["url"], each["url_withheld"]) for each in view["links"]] == [
        (None, "not_taken_yet")
    ]
    await books.perform("whatsapp", RefusedEnd("outside the 24-hour window"))
    [view] = await books.view(payment_id)
    assert [(each["url"], each["url_withheld"]) for each in view["links"]] == [
        ("https://web.example/u1", None)
    ]


async def test_the_shape_is_the_promised_one(books: Books) -> None:
    payment_id = await books.link("whatsapp", "sms")
    await books.perform("whatsapp", Done(Sent("SM1", NOW)))
    [view] = await books.view(payment_id)
    assert set(view) >= FIELDS
    assert view["links"] == [
        {
            "uid": "u1",
            "reference": "REF",
            "url": "https://web.example/u1",
            "url_withheld": None,
            "migo_channel": "wa",
            "status": "open",
            "superseded": False,
        }
    ]
    [message] = view["messages"]
    assert set(message) == MESSAGE_FIELDS
    assert message["to"] == "+502****1234"
    assert (message["purpose"], message["provider_id"]) == ("link", "SM1")
    assert view["timeline"][0]["what"] == "requested"
    assert {"at", "what", "why", "next_at"} == set(view["timeline"][0])


async def test_a_message_keeps_its_id_from_planned_to_read(books: Books) -> None:
    payment_id = await books.link("whatsapp", "sms")
    seen = [brief(await books.messages(payment_id))]
    item = await books.claim("whatsapp")
    seen.append(brief(await books.messages(payment_id)))
    sent = Done(Sent("SM1", NOW))
    await books.store.transact(lambda tx: outgoing.settle(tx, books.rules, [(item, sent)]))
    seen.append(brief(await books.messages(payment_id)))
    for state in (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ):
        await books.report("SM1", state)
        seen.append(brief(await books.messages(payment_id)))
    [message_id] = {found[0][0] for found in seen}
    statuses = ("planned", "sending", "accepted", "sent", "delivered", "read")
    assert seen == [[(message_id, "whatsapp", status)] for status in statuses]


async def test_a_failed_try_stays_beside_the_next_channel(books: Books) -> None:
    payment_id = await books.link("whatsapp", "sms")
    await books.perform("whatsapp", Done(Sent("SM1", NOW)))
    await books.report("SM1", DeliveryState.UNDELIVERED, "63016")
    first, second = await books.messages(payment_id)
    assert (first["channel"], first["status"], first["error"]) == ("whatsapp", "failed", "63016")
    assert (second["channel"], second["status"]) == ("sms", "planned")
    assert first["id"] != second["id"]
    await books.perform("sms", Done(Sent("SM2", NOW)))
    await books.report("SM2", DeliveryState.DELIVERED)
    assert [each["status"] for each in await books.messages(payment_id)] == ["failed", "delivered"]


async def test_an_uncertain_try_stays_beside_its_repeat(books: Books) -> None:
    payment_id = await books.link("whatsapp")
    await books.perform("whatsapp", Uncertain("the answer was lost"))
    uncertain, planned = await books.messages(payment_id)
    assert (uncertain["status"], planned["status"]) == ("uncertain", "planned")
    assert uncertain["error"] == "the answer was lost"
    assert (uncertain["attempts"], planned["attempts"]) == (1, 1)


async def test_what_surely_did_not_leave_is_one_planned_message(books: Books) -> None:
    payment_id = await books.link("whatsapp")
    await books.perform("whatsapp", RetryLater("throttled", "20429"))
    [planned] = await books.messages(payment_id)
    assert (planned["status"], planned["error"]) == ("planned", "throttled")
    assert planned["not_before"] > "2026-04-03T12:00:00Z"


async def test_a_message_given_up_is_dead_and_raises_an_alert(books: Books) -> None:
    payment_id = await books.link("whatsapp")
    await books.perform("whatsapp", RefusedEnd("no WhatsApp there", "63024", Refusal.ADDRESS))
    [view] = await books.view(payment_id)
    assert [(each["status"], each["error"]) for each in view["messages"]] == [
        ("dead", "no WhatsApp there")
    ]
    [alert] = view["alerts"]
    assert (alert["kind"], alert["payment_id"]) == ("undeliverable", payment_id)


async def test_a_failed_last_channel_is_both_failed_and_dead(books: Books) -> None:
    payment_id = await books.link("whatsapp")
    await books.perform("whatsapp", Done(Sent("SM1", NOW)))
    await books.report("SM1", DeliveryState.FAILED, "63024")
    messages = await books.messages(payment_id)
    assert [each["status"] for each in messages] == ["failed", "dead"]
    assert len({each["id"] for each in messages}) == 2


async def test_a_cancelled_message_says_so(books: Books) -> None:
    payment_id = await books.link("email")
    await books.store.transact(lambda tx: payment.cancel_payment(tx, payment_id, by="ana"))
    [message] = await books.messages(payment_id)
    assert (message["status"], message["to"]) == ("cancelled", "a***@example.com")


async def test_a_message_without_an_address_has_no_to(books: Books) -> None:
    payment_id = await books.link("telegram")
    [message] = await books.messages(payment_id)
    assert (message["channel"], message["to"]) == ("telegram", None)


async def test_news_for_staff_are_not_the_customers_messages(books: Books) -> None:
    payment_id = await books.link("whatsapp")
    await books.perform("whatsapp", RefusedEnd("no", "63024", Refusal.ADDRESS))
    item = await books.claim("telegram")
    assert item.payment is not None
    assert item.payment.id == payment_id
    assert [each["purpose"] for each in await books.messages(payment_id)] == ["link"]


async def test_a_closed_alert_is_not_shown(books: Books) -> None:
    payment_id = await books.create("sms")

    def raise_both(tx: Tx) -> None:
        for kind in (Alert.MISMATCH, Alert.OVERPAID):
            ledger.raise_alert(tx, kind, key="k", detail="look", payment_id=payment_id)
        tx.conn.exec_driver_sql("update alert set closed_at = 1 where kind = 'mismatch'")

    await books.store.transact(raise_both)
    [view] = await books.view(payment_id)
    assert [each["kind"] for each in view["alerts"]] == ["overpaid"]


async def test_payments_come_as_asked_and_unknown_ones_not_at_all(books: Books) -> None:
    one, two = await books.create("sms"), await books.create("email")
    assert [view["id"] for view in await books.view(two, "pay_none", one)] == [two, one]
    assert await books.view("pay_none") == []
    assert await books.view() == []


async def test_each_payment_has_its_own_rows(books: Books) -> None:
    one = await books.link("whatsapp", uid="u1")
    two = await books.link("sms", uid="u2")
    first, second = await books.view(one, two)
    assert [each["uid"] for each in first["links"]] == ["u1"]
    assert [each["uid"] for each in second["links"]] == ["u2"]
    assert brief(first["messages"])[0][1:] == ("whatsapp", "planned")
    assert brief(second["messages"])[0][1:] == ("sms", "planned")


async def test_the_story_is_told_in_order(books: Books) -> None:
    payment_id = await books.create("whatsapp", "sms")
    books.now += timedelta(seconds=1)
    await books.perform("migo", Done(LinkMade("u1", "REF", "https://web.example/u1")))
    books.now += timedelta(seconds=1)
    await books.perform("whatsapp", RefusedEnd("no WhatsApp there", "63024", Refusal.ADDRESS))
    [view] = await books.view(payment_id)
    times = [each["at"] for each in view["timeline"]]
    assert times == sorted(times)
    story = [each["what"] for each in view["timeline"]]
    assert story[:2] == ["requested", "linked"]
    assert "link over sms" in story


async def test_a_page_takes_as_many_statements_as_one_payment(books: Books) -> None:
    ids = [await books.link("whatsapp", "sms", uid=f"u{number}") for number in range(12)]
    statements: list[str] = []
    event.listen(
        books.store.engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, *rest: statements.append(statement),
    )
    await books.view(ids[0])
    for_one = len(statements)
    statements.clear()
    assert len(await books.view(*ids)) == 12
    assert len(statements) == for_one
    assert 0 < for_one <= 10


def test_every_status_is_one_that_the_contract_names() -> None:
    promised = "planned sending accepted sent delivered read failed uncertain dead cancelled"
    assert {status.value for status in MessageStatus} == set(promised.split())
