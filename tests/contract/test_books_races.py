"""Two transactions at the same moment on PostgreSQL, whichever comes first: nothing is lost.

SQLite has one writer, so that none of this can happen there.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from bot.domain.delivery import Done, LinkMade, Outcome, Purpose, Refused, Sent, Uncertain
from bot.domain.payment import Alert, FactStatus, Payment, PaymentStatus
from bot.handlers import delivery, facts, outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.payment import RequestError
from bot.handlers.planning import plan_message
from bot.handlers.rules import Dispatches
from bot.holding import LEASE
from bot.store import attempts, links, people
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from channels.base import DeliveryReport, DeliveryState, Refusal
from tests.contract.holding import WAIT_S, Work, booking_held, claim_held
from tests.contract.world import ASKED, World, report

pytestmark = pytest.mark.postgres

ROUNDS = 100
MANY = 100


@pytest.fixture
async def pair(empty_postgres_url: str) -> AsyncIterator[tuple[World, World]]:
    """Two processes' worth of connections to the same books, with one clock and one rule book."""
    first = World(empty_postgres_url)
    second = World(empty_postgres_url, clock=first.clock, rules=first.rules)
    first.store.open()
    second.store.open()
    yield first, second
    await first.store.close()
    await second.store.close()


async def collide(
    pair: tuple[World, World], *works: Work, commit_together: bool = False
) -> list[object]:
    """Start each work in its own transaction at the same moment; give how each ended."""
    barrier = threading.Barrier(len(works))

    def held(work: Work) -> Work:
        def start(tx: Tx) -> object:
            barrier.wait(WAIT_S)
            result = work(tx)
            if commit_together:
                barrier.wait(WAIT_S)
            return result

        return start

    return await asyncio.gather(
        *(pair[number % 2].run(held(work)) for number, work in enumerate(works)),
        return_exceptions=True,
    )


def settling(world: World, item: OutboxItem, outcome: Outcome) -> Work:
    return lambda tx: outgoing.settle(tx, world.rules, [(item, outcome)])


def approving(world: World, uid: str) -> Work:
    return lambda tx: report(tx, world.rules, uid, FactStatus.APPROVED, ASKED, f"approved {uid}")


def claiming(world: World, lane: str, token: str) -> Callable[[Tx], list[OutboxItem]]:
    return lambda tx: outgoing.claim(
        tx, world.rules, lane=lane, limit=10, lease=LEASE, token=token, worker="w"
    )


def made(uid: str) -> Outcome:
    return Done(LinkMade(uid, None, f"https://pay.example/{uid}"))


def cancelling(*payments: Payment) -> Work:
    """Cancel them; what one that cancels a single payment gives is that payment."""

    def cancel(tx: Tx) -> Payment:
        done = [payment_handler.cancel_payment(tx, each.id, by="ana") for each in payments]
        return done[-1]

    return cancel


def reporting(world: World, word: DeliveryReport) -> Work:
    return lambda tx: delivery.on_report(tx, world.rules, word)


def second_link(tx: Tx, payment_id: str, uid: str) -> list[int]:
    attempt = attempts.plan_attempt(tx, payment_id, channel="sms", migo_channel="sms")
    links.insert_link(tx, attempt, uid=uid, reference=None, url="https://x/2")
    return [link.id for link in links.links_of(tx, payment_id)]


def exposing(link_id: int) -> Work:
    return lambda tx: links.expose(tx, [link_id])


async def being_created(world: World) -> tuple[Payment, OutboxItem]:
    payment = await world.create(("email",))
    return payment, await world.claim_one("migo")


async def parked(world: World) -> int:
    [(number,)] = await world.select("select count(*) from fact where payment_id is null")
    return int(str(number))


async def test_a_callback_and_the_commit_of_its_link_always_meet(pair: tuple[World, World]) -> None:
    world = pair[0]
    for number in range(ROUNDS):
        payment, item = await being_created(world)
        uid = f"u{number}"
        ends = await collide(pair, settling(world, item, made(uid)), approving(world, uid))
        assert ends[0] is None, ends
        assert ends[1] in ("booked", "parked"), ends
        assert await world.status(payment.id) is PaymentStatus.PAID
    assert await parked(world) == 0
    assert await world.select("select count(*) from outbox where purpose = 'receipt'") == [
        (ROUNDS,)
    ]


async def test_without_the_lock_they_miss_each_other_and_the_sweep_finds_them(
    pair: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for the lock: this is what the test above would have to see."""
    world, rounds = pair[0], 10
    monkeypatch.setattr(links, "lock_uid", lambda tx, uid: None)
    for number in range(rounds):
        _, item = await being_created(world)
        uid = f"u{number}"
        works = (settling(world, item, made(uid)), approving(world, uid))
        assert await collide(pair, *works, commit_together=True) == [None, "parked"]
    monkeypatch.undo()
    assert await parked(world) == rounds
    older_than = timedelta(0)
    found = await world.run(lambda tx: facts.match_parked(tx, world.rules, older_than=older_than))
    assert (found, await parked(world)) == (rounds, 0)
    assert await world.select("select distinct status from payment") == [("paid",)]


_DRAIN = sa.text(
    "update outbox set status = 'cancelled'"
    " where status = 'pending' and lane in ('sms', 'email', 'telegram')"
)


async def drain(world: World) -> None:
    """Take out of the way what a round owes, so that the next has its lanes to itself."""
    await world.run(lambda tx: tx.run(_DRAIN))


def owe_reminder(tx: Tx, world: World, payment: Payment, key: str) -> None:
    """Have a reminder due, over the first channel of the payment's route."""
    plan_message(
        tx,
        world.rules,
        payment,
        Purpose.REMINDER,
        key=f"reminder:{key}",
        link=None,
        route=payment.route,
        payload={"day": world.clock.now.date().isoformat(), "tone": "friendly"},
    )


async def plan_reminder(world: World, *payments: Payment) -> None:
    """Have one due of each."""

    def plan(tx: Tx) -> None:
        for payment in payments:
            owe_reminder(tx, world, payment, payment.id)

    await world.run(plan)


async def test_a_reminder_leaves_before_the_money_or_not_at_all(pair: tuple[World, World]) -> None:
    world, left = pair[0], 0
    # By day in Guatemala, and a week apart: nobody is reminded at night or every other hour.
    world.clock.advance(hours=5)
    for number in range(ROUNDS):
        world.clock.advance(days=5)
        payment = await world.linked(f"u{number}", ("email",))
        world.clock.advance(days=2)
        await plan_reminder(world, payment)
        pay, claim = approving(world, f"u{number}"), claiming(world, "email", f"race{number}")
        # The end of a row tells not who committed first: every tenth claim is held to see that. On
        # some machines the claim wins every free race: every tenth booking is held as well.
        works = [pay, claim]
        if number % 10 == 1:
            works = claim_held(pay, claim, payment)
        elif number % 10 == 6:
            works = booking_held(pay, claim)
        ends = await collide(pair, *works)
        assert ends[0] == "booked", ends
        assert isinstance(ends[1], list), ends
        reminders = [item for item in ends[1] if item.purpose is Purpose.REMINDER]
        found = "select status from outbox where key = :key"
        [(status,)] = await world.select(found, key=f"reminder:{payment.id}")
        assert status == ("sending" if reminders else "cancelled")
        assert await world.status(payment.id) is PaymentStatus.PAID
        left += len(reminders)
        await drain(world)
    # A few rounds may all end alike; many that do are no race.
    assert ROUNDS < MANY or 0 < left < ROUNDS, "only one of them ever came first"


async def test_two_lanes_decide_on_debts_of_one_customer(pair: tuple[World, World]) -> None:
    """Each lane has a loop of its own: it is one message, over the first debt's channel."""
    world, at_once = pair[0], 0
    world.clock.advance(hours=5)
    for number in range(ROUNDS):
        world.clock.advance(days=5)
        debts = []
        for lane in ("sms", "email"):
            world.clock.advance(seconds=1)
            debts.append(await world.linked(f"u{number}.{lane}", (lane,)))
        world.clock.advance(days=2)
        await plan_reminder(world, *debts[:: (-1) ** number])
        works = [claiming(world, lane, f"{lane}{number}") for lane in ("sms", "email")]
        ends = await collide(pair, *works)
        assert all(isinstance(end, list) for end in ends), ends
        went = [item for end in ends if isinstance(end, list) for item in end]
        at_once += len(went)
        world.clock.advance(seconds=6)
        went += await world.claim("email") + await world.claim("sms")
        assert [(item.lane, item.payload["with"]) for item in went] == [("sms", [debts[1].id])]
        await world.run(cancelling(*debts))
    # A few rounds may all end alike; many that do are no race.
    assert ROUNDS < MANY or 0 < at_once < ROUNDS, "they never met, or always"


async def test_money_wins_over_a_cancel(pair: tuple[World, World]) -> None:
    world, late = pair[0], 0
    for number in range(ROUNDS):
        payment = await world.linked(f"u{number}", ("email",))
        await plan_reminder(world, payment)
        ends = await collide(pair, approving(world, f"u{number}"), cancelling(payment))
        assert ends[0] == "booked", ends
        assert isinstance(ends[1], Payment | RequestError), ends
        late += isinstance(ends[1], Payment)
        assert await world.status(payment.id) is PaymentStatus.PAID
        await drain(world)
    assert (await world.alerts()).count(Alert.PAID_AFTER_STOP) == min(late, 100)


async def test_money_and_the_expiry_of_the_same_payment(pair: tuple[World, World]) -> None:
    world = pair[0]
    for number in range(ROUNDS):
        payment = await world.linked(f"u{number}", ("email",))
        await plan_reminder(world, payment)
        world.clock.advance(days=8)
        ends = await collide(
            pair,
            approving(world, f"u{number}"),
            payment_handler.expire_payments,
            payment_handler.expire_payments,
        )
        assert ends[0] == "booked", ends
        assert all(isinstance(end, int) for end in ends[1:]), ends
        assert await world.status(payment.id) is PaymentStatus.PAID
        await drain(world)


async def test_two_payments_of_a_new_customer_at_once(pair: tuple[World, World]) -> None:
    for number in range(ROUNDS):
        known = partial(people.upsert_customer, phone=f"+502555{number:05d}")
        first, second = await collide(pair, known, known)
        assert first == second


async def test_a_row_has_one_claimer(pair: tuple[World, World]) -> None:
    world = pair[0]
    for number in range(ROUNDS):
        await world.create(("email",))
        works = [claiming(world, "migo", f"race{number}.{each}") for each in range(4)]
        ends = await collide(pair, *works)
        claimed = [item for end in ends if isinstance(end, list) for item in end]
        assert len(claimed) == 1, ends
        await world.settle(claimed[0], Refused("enough"))


async def test_a_late_worker_and_the_lapse_of_its_claim(pair: tuple[World, World]) -> None:
    world = pair[0]
    for number in range(ROUNDS):
        payment = await world.create(("email",))
        await world.make_link(f"u{number}")
        item = await world.claim_one("email")
        world.clock.advance(seconds=LEASE.total_seconds() + 1)
        ends = await collide(
            pair,
            settling(world, item, Done(Sent(f"m{number}", world.clock.now))),
            lambda tx: outgoing.give_back_lapsed(tx, world.rules),
        )
        assert ends[0] is None, ends
        assert ends[1] in (0, 1), ends
        [row] = await world.outbox(payment.id, "link")
        tries = await world.select("select outcome from delivery where outbox_id = :id", id=row.id)
        assert (row.status, tries) in [
            ("done", [("accepted",)]),
            ("pending", [("uncertain",)]),
        ]
        await world.run(cancelling(payment))


async def test_two_links_of_one_payment_are_never_both_shown(pair: tuple[World, World]) -> None:
    world = pair[0]
    for number in range(ROUNDS):
        payment = await world.create(("email",))
        await world.make_link(f"a{number}")
        ids = await world.run(partial(second_link, payment_id=payment.id, uid=f"b{number}"))
        ends = await collide(pair, *(exposing(each) for each in ids))
        assert ends in ([{ids[0]}, set()], [set(), {ids[1]}])
        await world.run(cancelling(payment))


async def test_news_of_a_message_and_money_do_not_block_each_other(
    pair: tuple[World, World],
) -> None:
    """Each locks rows that the other wants; in the wrong order PostgreSQL would end one of them."""
    world = pair[0]
    world.set_rules(dispatches=Dispatches.YES)
    for number in range(ROUNDS):
        uid = f"u{number}"
        payment = await world.linked(uid, ("sms", "email"))
        await world.run(
            partial(payment_handler.resend, rules=world.rules, payment_id=payment.id, by="ana")
        )
        sending = await world.claim_one("sms")
        world.clock.advance(minutes=10)
        word = DeliveryReport("e", f"out {uid}", DeliveryState.FAILED)
        ends = await collide(
            pair,
            approving(world, uid),
            reporting(world, word),
            lambda tx: outgoing.on_overdue(tx, world.rules),
            settling(world, sending, Refused("no", None, Refusal.ADDRESS)),
        )
        assert ends[0] == "booked", ends
        assert ends[1] is True, ends
        assert ends[2] in (0, 1), ends
        assert ends[3] is None, ends
        assert await world.status(payment.id) is PaymentStatus.PAID
        await drain(world)


async def test_a_create_that_ends_badly_and_a_cancel(pair: tuple[World, World]) -> None:
    world = pair[0]
    for outcome in (Refused("no"), Uncertain("timed out")) * (ROUNDS // 2):
        payment, item = await being_created(world)
        ends = await collide(pair, settling(world, item, outcome), cancelling(payment))
        assert ends[0] is None, ends
        assert isinstance(ends[1], Payment), ends
        assert await world.status(payment.id) is PaymentStatus.CANCELLED
        assert await world.claim("migo") == []
