"""A small world around the books: a clock that only tests move, and ends of calls as ordered.

There is no dispatcher: a test claims rows as the relay does and says itself how each call ended.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from bot.domain.delivery import Done, LinkMade, Outcome, Sent
from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, Payment, PaymentStatus
from bot.handlers import delivery, facts, outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.facts import Report
from bot.handlers.payment import PaymentRequest
from bot.handlers.rules import Dispatches, Rules
from bot.holding import LEASE
from bot.recurrence import next_slot
from bot.store import inbox, ledger, links, payments, reading, showing
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from bot.store.outbox import MIGO_LANE
from channels.base import ChannelName, DeliveryReport, DeliveryState, Refusal

_Result = TypeVar("_Result")

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKED = Money(15000, "GTQ")
PHONE = "+50255551234"
STAFF = "telegram:9000"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def rules_of(dispatches: Dispatches = Dispatches.NO) -> Rules:
    """The rules of a merchant with every channel; ids count up and chance is the middle."""
    ids = itertools.count(1)
    return Rules(
        couriers=frozenset(ChannelName),
        reports=frozenset({ChannelName.WHATSAPP, ChannelName.SMS}),
        migo_channels={
            "whatsapp": "wa",
            "sms": "sms",
            "email": "email",
            "telegram": "app",
            "app": "app",
            "web": "web",
        },
        currencies=frozenset({"GTQ"}),
        dispatches=dispatches,
        new_id=lambda: f"id{next(ids)}",
        random=lambda: 0.5,
        staff=STAFF,
        next_slot=next_slot,
    )


class World:
    """The books of one merchant, driven by hand."""

    def __init__(self, url: str, *, clock: Clock | None = None, rules: Rules | None = None) -> None:
        self.clock = clock or Clock()
        self.rules = rules or rules_of()
        self.store = Store(url, clock=self.clock)
        self._names = itertools.count(1)

    def set_rules(self, **changes: object) -> None:
        self.rules = dataclasses.replace(self.rules, **changes)  # type: ignore[arg-type]

    async def run(self, work: Callable[[Tx], _Result]) -> _Result:
        return await self.store.transact(work)

    async def select(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Rows as the database has them."""
        return await self.run(
            lambda tx: [tuple(row) for row in tx.run(sa.text(statement), dict(values))]
        )

    async def create(
        self, route: Sequence[str] = ("whatsapp", "sms", "email"), **details: object
    ) -> Payment:
        return await self.run(lambda tx: self._create(tx, route, **details))

    def _create(self, tx: Tx, route: Sequence[str], **details: object) -> Payment:
        request = PaymentRequest(
            phone=PHONE,
            money=ASKED,
            route=tuple(route),
            created_by="api",
            request_hash="h",
            email="ana@example.com",
            reminders="off",
        )
        request = dataclasses.replace(request, **details)  # type: ignore[arg-type]
        return payment_handler.create_payment(tx, self.rules, request).payment

    async def claim(self, lane: str, limit: int = 10) -> list[OutboxItem]:
        return await self.run(lambda tx: self._claim(tx, lane, limit))

    async def claim_all(self, *lanes: str, limit: int = 10) -> list[OutboxItem]:
        """What is due in several lanes, in one transaction."""
        return await self.run(
            lambda tx: [item for lane in lanes for item in self._claim(tx, lane, limit)]
        )

    def _claim(self, tx: Tx, lane: str, limit: int = 10) -> list[OutboxItem]:
        token = f"token{next(self._names)}"
        return outgoing.claim(
            tx, self.rules, lane=lane, limit=limit, lease=LEASE, token=token, worker="w"
        )

    async def claim_one(self, lane: str) -> OutboxItem:
        return await self.run(lambda tx: self._claim_one(tx, lane))

    def _claim_one(self, tx: Tx, lane: str) -> OutboxItem:
        items = self._claim(tx, lane)
        assert len(items) == 1, [item.key for item in items]
        return items[0]

    async def settle(self, item: OutboxItem, outcome: Outcome) -> None:
        await self.run(lambda tx: self._settle(tx, item, outcome))

    def _settle(self, tx: Tx, item: OutboxItem, outcome: Outcome) -> None:
        outgoing.settle(tx, self.rules, [(item, outcome)])

    async def make_link(self, uid: str) -> OutboxItem:
        """Have Migo make the link that is owed now."""
        return await self.run(lambda tx: self._make_link(tx, uid))

    def _make_link(self, tx: Tx, uid: str) -> OutboxItem:
        item = self._claim_one(tx, MIGO_LANE)
        made = LinkMade(uid, f"ref {uid}", f"https://pay.example/{uid}")
        self._settle(tx, item, Done(made))
        return item

    async def accept(self, lane: str, provider_id: str) -> OutboxItem:
        """Have the provider of a lane take the message that is owed now."""
        return await self.run(lambda tx: self._accept(tx, lane, provider_id))

    def _accept(self, tx: Tx, lane: str, provider_id: str) -> OutboxItem:
        item = self._claim_one(tx, lane)
        self._settle(tx, item, Done(Sent(provider_id, self.clock.now)))
        return item

    async def linked(
        self, uid: str = "u1", route: Sequence[str] = ("whatsapp", "sms", "email")
    ) -> Payment:
        """A payment whose link was taken by the first channel of its route."""
        return await self.run(lambda tx: self.linked_in(tx, uid, route))

    def linked_in(self, tx: Tx, uid: str, route: Sequence[str]) -> Payment:
        """Such a payment in a transaction that does more."""
        made = self._create(tx, route)
        self._make_link(tx, uid)
        self._accept(tx, route[0], f"out {uid}")
        found = payments.read(tx, made.id)
        assert found is not None
        return found

    async def read(self, payment_id: str) -> Payment:
        found = await self.run(lambda tx: payments.read(tx, payment_id))
        assert found is not None
        return found

    async def status(self, payment_id: str) -> PaymentStatus:
        return (await self.read(payment_id)).status

    async def callback(
        self,
        uid: str,
        status: FactStatus,
        *,
        money: Money | None = ASKED,
        name: str | None = None,
        external_id: str | None = None,
        reference: str | None = None,
    ) -> str:
        """Have Migo report; `name` stands for the bytes, the same name for a repeat."""
        body = name or f"{uid} {status.value} {money}"
        return await self.run(
            lambda tx: report(tx, self.rules, uid, status, money, body, external_id, reference)
        )

    async def provider_says(
        self,
        provider_id: str,
        state: DeliveryState,
        *,
        refusal: Refusal | None = None,
        code: str | None = None,
    ) -> bool:
        word = DeliveryReport("e", provider_id, state, code=code, refusal=refusal)
        return await self.run(lambda tx: delivery.on_report(tx, self.rules, word))

    async def alerts(self) -> list[Alert]:
        return [each.kind for each in await self.run(lambda tx: ledger.open_alerts(tx))]

    async def outbox(self, payment_id: str, purpose: str | None = None) -> list[showing.Row]:
        """Rows of a payment but those for staff; or only those of one purpose."""
        found = await self.run(lambda tx: showing.rows_of(tx, [payment_id]))
        return [
            row
            for row in found.get(payment_id, [])
            if (row.purpose != "staff" if purpose is None else row.purpose == purpose)
        ]

    async def links(self, payment_id: str) -> list[tuple[str, bool, bool]]:
        """Each link's uid, whether somebody may have seen it, and whether it is out of use."""
        found = await self.run(lambda tx: links.links_of(tx, payment_id))
        return [
            (link.uid, link.exposed_at is not None, link.superseded_at is not None)
            for link in found
        ]

    async def decisions(self, payment_id: str) -> list[str]:
        found = await self.run(lambda tx: reading.timeline(tx, payment_id))
        return [f"{entry.what}: {entry.why}" for entry in found]


def report(
    tx: Tx,
    rules: Rules,
    uid: str,
    status: FactStatus,
    money: Money | None,
    body: str,
    external_id: str | None = None,
    reference: str | None = None,
) -> str:
    """Take in one callback as the door and intake do."""
    inbox.record(tx, [inbox.Received(inbox.Source.MIGO, None, "/", {}, body.encode())])
    [inbox_id] = tx.run(sa.text("select max(id) from inbox")).scalars()
    return facts.on_payment_event(
        tx,
        rules,
        Report(uid, status, status.value, money, external_id, reference, body, inbox_id, tx.now),
    )
