"""Drives the books at random: calls that end in every way, callbacks, reports, kills, people."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain.delivery import (
    Done,
    LinkMade,
    Outcome,
    Purpose,
    Refused,
    RetryLater,
    Sent,
    Uncertain,
)
from bot.domain.money import Money
from bot.domain.payment import UNPAID, FactStatus
from bot.handlers import delivery, facts, outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.acceptance import accept_amount, offered
from bot.handlers.payment import PaymentRequest, RequestError
from bot.handlers.planning import plan_message
from bot.handlers.replacement import replace_link
from bot.handlers.rules import Dispatches
from bot.holding import LEASE
from bot.store import claims, inbox, links, outbox, payments, people, reported
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.outbox import LANES
from bot.store.schema import link_attempt, metadata
from channels.base import Address, ChannelName, DeliveryReport, DeliveryState, Refusal
from tests.contract.books_invariants import check_books
from tests.contract.world import ASKED, PHONE, Clock, report, rules_of

ROUTES = [("whatsapp", "sms", "email"), ("sms", "email"), ("telegram", "sms"), ("email",)]
PAUSES = [timedelta(seconds=1), timedelta(seconds=30), timedelta(minutes=10), timedelta(hours=9)]
AMOUNTS = [*[ASKED] * 8, Money(14999, "GTQ"), Money(15000, "USD"), None]
OUTCOMES = [*["done"] * 8, "retry", "uncertain", "refused", "opted out"]
REMINDED: dict[str, object] = {"day": "2026-01-02", "tone": "friendly"}
"""What a reminder's row says beside whom it is for."""

_CARRIES_LINK = {Purpose.LINK, Purpose.REMINDER, Purpose.DENIED}


class Books(RuleBasedStateMachine):
    """One merchant's books; `engine` is set by the subclasses."""

    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.merchant = rules_of()
        self.payments: list[str] = []
        self.under_way: list[OutboxItem] = []
        self.stale: list[OutboxItem] = []
        self.uids: list[tuple[str, str]] = [("stranger", "")]
        self.provider_ids: list[str] = []
        self.ever_paid: set[str] = set()
        self.shown: dict[str, set[str]] = {}
        self.replaced: Counter[str] = Counter()
        self.lost: set[int] = set()
        self.claims: Counter[int] = Counter()
        self.number = 0
        with self.engine.begin() as conn:
            for table in reversed(metadata.sorted_tables):
                conn.execute(table.delete())

    @contextlib.contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.engine.begin() as conn:
            yield Tx(conn, self.clock.now, conn.dialect.name == "sqlite")

    def next(self) -> int:
        self.number += 1
        return self.number

    @initialize(dispatches=st.sampled_from(Dispatches))
    def begin(self, dispatches: Dispatches) -> None:
        self.merchant = rules_of(dispatches)

    @precondition(lambda self: len(self.payments) < 3)
    @rule(route=st.sampled_from(ROUTES))
    def create(self, route: tuple[str, ...]) -> None:
        request = PaymentRequest(PHONE, ASKED, route, "api", "h", email="ana@example.com")
        with self.tx() as tx:
            made = payment_handler.create_payment(tx, self.merchant, request)
        self.payments.append(made.payment.id)

    @rule(pick=st.integers(min_value=0), hurries=st.booleans())
    def claim(self, pick: int, hurries: bool) -> None:
        self._claim(pick, hurries=hurries)

    def _claim(self, pick: int, *, hurries: bool) -> list[OutboxItem]:
        """Claim in a lane where something is due, or will be soon for who hurries."""
        with self.tx() as tx:
            due = {lane: at for lane in LANES if (at := outbox.next_due(tx, lane)) is not None}
        soon = self.clock.now + timedelta(minutes=15 if hurries else 0)
        lanes = [lane for lane, at in due.items() if at <= soon]
        if not lanes:
            return []
        lane = lanes[pick % len(lanes)]
        self.clock.now = max(self.clock.now, due[lane])
        token = f"t{self.next()}"
        with self.tx() as tx:
            items = outgoing.claim(
                tx, self.merchant, lane=lane, limit=3, lease=LEASE, token=token, worker="w"
            )
        for item in items:
            self._check_claim(item, token)
            self.under_way.append(item)
            if item.attempt is not None and item.payment is not None:
                name = f"{item.payment.id}.{item.attempt.attempt_no}"
                self.uids.append((f"u{item.attempt.id}", name))
        return items

    @rule(pick=st.integers(min_value=0), how=st.sampled_from(OUTCOMES))
    def do(self, pick: int, how: str) -> None:
        """Claim something and end it at once."""
        for _ in self._claim(pick, hurries=True):
            self.settle(len(self.under_way) - 1, how)

    def _check_claim(self, item: OutboxItem, token: str) -> None:
        """I7 to I10: claimed by its token, counted, and for nobody who need not be asked."""
        self.claims[item.id] += 1
        assert item.token == token, "I8"
        if item.purpose is Purpose.REMINDER:  # one that has no address here keeps its try
            assert item.tries >= self.claims[item.id], "I9"
        else:
            assert item.tries == self.claims[item.id], "I9"
        assert item.id not in self.lost, "what may be lost is sent twice"
        if item.purpose in _CARRIES_LINK or item.kind == outbox.CREATE_LINK:
            assert item.payment is not None
            assert item.payment.status in UNPAID, "I10"
            assert item.link is None or item.link.superseded_at is None, "I10"

    @precondition(lambda self: self.under_way)
    @rule(pick=st.integers(min_value=0), how=st.sampled_from(OUTCOMES))
    def settle(self, pick: int, how: str) -> None:
        item = self.under_way.pop(pick % len(self.under_way))
        outcome = self._outcome(item, how)
        if isinstance(outcome, Done):
            self._note_left(item)
        elif isinstance(outcome, Uncertain):
            self._lose(item)
        with self.tx() as tx:
            outgoing.settle(tx, self.merchant, [(item, outcome)])
        self.stale.append(item)

    def _outcome(self, item: OutboxItem, how: str) -> Outcome:
        if how == "retry":
            return RetryLater("no connection")
        if how == "uncertain":
            return Uncertain("timed out")
        if how != "done":
            return Refused("no", "1", Refusal.OPTED_OUT if how == "opted out" else Refusal.ADDRESS)
        if item.attempt is not None:
            uid = f"u{item.attempt.id}"
            return Done(LinkMade(uid, None, f"https://pay.example/{uid}"))
        self.provider_ids.append(f"p{self.next()}")
        return Done(Sent(self.provider_ids[-1], self.clock.now))

    def _note_left(self, item: OutboxItem) -> None:
        """Remember which URL may have reached somebody."""
        if item.purpose in _CARRIES_LINK and item.link is not None and item.payment is not None:
            self.shown.setdefault(item.payment.id, set()).add(item.link.uid)

    def _lose(self, item: OutboxItem) -> None:
        """Nobody learns what became of it; what annoys when doubled must not be claimed again."""
        self._note_left(item)
        if item.purpose in (Purpose.REMINDER, Purpose.DENIED):
            self.lost.add(item.id)

    def _lose_all(self) -> None:
        for item in self.under_way:
            self._lose(item)
        self.stale += self.under_way
        self.under_way = []

    @rule(trouble=st.sampled_from(["kill", "expire", "sweep", "stop", "start", *["late"] * 3]))
    def have_trouble(self, trouble: str) -> None:
        """What happens more seldom than a message."""
        if trouble == "kill":
            self.kill()
        elif trouble == "expire":
            self.expire()
        elif trouble == "sweep":
            self.sweep()
        elif trouble == "late":
            self.settle_late()
        else:
            self.say("opted_out" if trouble == "stop" else "ok")

    def kill(self) -> None:
        """All workers die in mid-call; their claims lapse."""
        self._lose_all()
        self.clock.now += LEASE + timedelta(seconds=1)
        with self.tx() as tx:
            outgoing.give_back_lapsed(tx, self.merchant)
            assert claims.lapsed(tx, all_claims=True) == []

    def settle_late(self) -> None:
        """I8: a worker without its claim changes nothing."""
        mine = {item.token for item in self.under_way}
        ended = [
            (item, self._outcome(item, how))
            for item in self.stale[-3:]
            if item.token not in mine
            for how in ("done", "refused", "uncertain")
        ]
        before = self._everything()
        for late in ended:
            with self.tx() as tx:
                outgoing.settle(tx, self.merchant, [late])
        assert self._everything() == before, "I8"

    def _everything(self) -> list[object]:
        with self.engine.begin() as conn:
            return [
                list(conn.execute(table.select().order_by(*table.primary_key)))
                for table in metadata.sorted_tables
            ]

    @rule(
        pick=st.integers(min_value=0),
        status=st.sampled_from([*[FactStatus.APPROVED] * 4, *FactStatus]),
        money=st.sampled_from(AMOUNTS),
        number=st.integers(min_value=1, max_value=2),
    )
    def callback(self, pick: int, status: FactStatus, money: Money | None, number: int) -> None:
        uid, external_id = self.uids[-1 - pick % len(self.uids)]
        body = f"{status} {money} {number}"
        with self.tx() as tx:
            report(tx, self.merchant, uid, status, money, body, external_id)
            for item in inbox.claim(tx, limit=9, lease=LEASE, token="t"):
                inbox.finish(tx, item)

    def sweep(self) -> None:
        with self.tx() as tx:
            facts.match_parked(tx, self.merchant, older_than=timedelta(0))
            adoptable = tx.run(
                sa.select(link_attempt.c.id).where(link_attempt.c.state == "unknown")
            ).scalars()
            parked = {
                each.uid for each in reported.parked_facts(tx, older_than=timedelta(0), limit=99)
            }
            assert not parked & {f"u{each}" for each in adoptable}

    @precondition(lambda self: self.provider_ids)
    @rule(
        pick=st.integers(min_value=0),
        state=st.sampled_from(DeliveryState),
        refusal=st.sampled_from([None, Refusal.OPTED_OUT, Refusal.TEMPORARY]),
    )
    def provider_says(self, pick: int, state: DeliveryState, refusal: Refusal | None) -> None:
        provider_id = self.provider_ids[pick % len(self.provider_ids)]
        with self.tx() as tx:
            delivery.on_report(
                tx, self.merchant, DeliveryReport("e", provider_id, state, refusal=refusal)
            )

    @rule(pause=st.sampled_from(PAUSES))
    def wait(self, pause: timedelta) -> None:
        self.clock.now += pause
        with self.tx() as tx:
            outgoing.on_overdue(tx, self.merchant)
            outgoing.give_back_lapsed(tx, self.merchant)
        if pause > LEASE:
            self._lose_all()

    @precondition(lambda self: self.payments)
    @rule(pick=st.integers(min_value=0), how=st.sampled_from(["cancel", "risk", None, "sms"]))
    def ask(self, pick: int, how: str | None) -> None:
        """Staff cancel a payment or have its link sent again."""
        payment_id = self.payments[pick % len(self.payments)]
        with self.tx() as tx, contextlib.suppress(RequestError):
            if how == "cancel":
                payment_handler.cancel_payment(tx, payment_id, by="ana")
                return
            payment_handler.resend(
                tx,
                self.merchant,
                payment_id,
                by="ana",
                channel="sms" if how == "sms" else None,
                accepts_risk=how == "risk",
            )

    @precondition(lambda self: self.payments)
    @rule(pick=st.integers(min_value=0), pays_both=st.booleans())
    def replace(self, pick: int, pays_both: bool) -> None:
        """A person has another link made; the customer may pay both."""
        payment_id = self.payments[pick % len(self.payments)]
        with self.tx() as tx, contextlib.suppress(RequestError):
            replace_link(tx, self.merchant, payment_id, by="Olga", accepts_risk=True)
            self.replaced[payment_id] += 1
        if not pays_both:
            return
        for _ in range(4):
            self.do(pick, "done")
        with self.tx() as tx:
            made = [link.uid for link in links.links_of(tx, payment_id)]
            for uid in made[-2:]:
                report(tx, self.merchant, uid, FactStatus.APPROVED, ASKED, f"both {uid}")

    @precondition(lambda self: self.payments)
    @rule(pick=st.integers(min_value=0))
    def accept(self, pick: int) -> None:
        """A person takes what came, once, in the amount that came."""
        payment_id = self.payments[pick % len(self.payments)]
        with self.tx() as tx, contextlib.suppress(RequestError):
            found = offered(tx, payment_id)
            accept_amount(tx, self.merchant, payment_id, by="Olga")
            assert found is not None
            assert links.find_link(tx, found.link.uid) != found.link

    def expire(self) -> None:
        self.wait(timedelta(days=8))
        with self.tx() as tx:
            payment_handler.expire_payments(tx)

    @precondition(lambda self: self.payments)
    @rule(pick=st.integers(min_value=0), slot=st.integers(min_value=1, max_value=2))
    def remind(self, pick: int, slot: int) -> None:
        """I11: whoever plans a slot again plans nothing."""
        payment_id = self.payments[pick % len(self.payments)]
        with self.tx() as tx:
            payment, link = payments.read(tx, payment_id), links.current_link(tx, payment_id)
            if payment is None or link is None:
                return
            key = f"reminder:{payment_id}:{slot}"
            for again in (False, True):
                is_new = plan_message(
                    tx,
                    self.merchant,
                    payment,
                    Purpose.REMINDER,
                    key=key,
                    link=link,
                    route=payment.route,
                    payload=REMINDED,
                )
                assert not (again and is_new), "I11"

    def say(self, reach: str) -> None:
        at = Address(ChannelName.WHATSAPP, PHONE)
        with self.tx() as tx:
            people.set_reach(tx, at, reach=reach, reason="wrote it")

    @invariant()
    def holds(self) -> None:
        with self.tx() as tx:
            check_books(tx, self.ever_paid)
        for payment_id, uids in self.shown.items():
            decided = self.replaced[payment_id]
            assert len(uids) <= 1 + decided, f"more links shown than decided: {self.shown}"
