"""Two transactions at the same moment on PostgreSQL, many thousand times.

Most are the races of the contract suite, which runs each of them a hundred times.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from bot.domain.delivery import Refused
from bot.domain.payment import Payment
from bot.handlers import outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.payment import Created, PaymentRequest, RequestError
from bot.holding import LEASE
from bot.store import people
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.payments import TakenError
from channels.base import Refusal
from tests.contract import test_books_races as suite
from tests.contract import test_schedules_races as schedules_suite
from tests.contract.databases import empty
from tests.contract.test_books_races import cancelling, claiming, collide, drain, owe_reminder
from tests.contract.world import ASKED, PHONE, World
from tests.crash.progress import shown
from tests.crash.report import Report

Pair = tuple[World, World]
Race = Callable[[Pair], Awaitable[None]]
FRESH_EVERY = 1000
"""Rounds on one set of tables: the suite reads whole tables, which must not grow for ever."""


async def two_people_ask_under_one_key(pair: Pair) -> None:
    """One payment comes of it, and who was slower by a moment is told to read it."""
    world = pair[0]
    for number in range(suite.ROUNDS):
        request = PaymentRequest(
            PHONE, ASKED, ("email",), "ana", "h", email="a@b.gt", idempotency_key=f"k{number}"
        )
        asking = partial(_create, world=world, request=request)
        ends = await collide(pair, asking, asking)
        new = [end for end in ends if isinstance(end, Created) and end.is_new]
        rest = [end for end in ends if end not in new]
        assert len(new) == 1, ends
        assert all(isinstance(end, Created | TakenError) for end in rest), ends
        found = "select count(*) from payment where idempotency_key = :key"
        assert await world.select(found, key=f"k{number}") == [(1,)]
        await world.run(cancelling(new[0].payment))


def _create(tx: Tx, world: World, request: PaymentRequest) -> Created:
    return payment_handler.create_payment(tx, world.rules, request)


async def two_staff_move_one_payment(pair: Pair) -> None:
    """One sends the link again while the other cancels: nothing is owed to a cancelled payment."""
    world = pair[0]
    for number in range(suite.ROUNDS):
        payment = await world.linked(f"u{number}", ("email",))
        sending = partial(
            payment_handler.resend, rules=world.rules, payment_id=payment.id, by="ana"
        )
        ends = await collide(pair, sending, cancelling(payment), cancelling(payment))
        assert all(not isinstance(end, Exception) or isinstance(end, RequestError) for end in ends)
        owed = await world.outbox(payment.id, "link")
        assert all(row.status in ("done", "cancelled") for row in owed), owed
        [(moves,)] = await world.select(
            "select count(*) from ledger where payment_id = :id and to_status = 'cancelled'",
            id=payment.id,
        )
        assert moves == 1, ends
        await drain(world)


async def a_stale_token_and_the_next_claim(pair: Pair) -> None:
    """A worker that was given up comes back while another one claims: its end is not written."""
    world = pair[0]
    for number in range(suite.ROUNDS):
        payment = await world.create(("email",))
        stale = await world.claim_one("migo")
        world.clock.advance(seconds=LEASE.total_seconds() + 1)
        await world.run(lambda tx: outgoing.give_back_lapsed(tx, world.rules))
        world.clock.advance(minutes=1)
        late = suite.settling(world, stale, suite.made(f"u{number}"))
        ends = await collide(pair, late, claiming(world, "migo", f"next{number}"))
        assert ends[0] is None, ends
        assert await world.links(payment.id) == [], ends
        assert isinstance(ends[1], list), ends
        await world.run(cancelling(payment))


async def two_sweeps_take_back_one_claim(pair: Pair) -> None:
    """Two schedulers in the same second: one of them takes a dead worker's row back."""
    world = pair[0]
    for _ in range(suite.ROUNDS):
        payment = await world.create(("email",))
        await world.claim_one("migo")
        world.clock.advance(seconds=LEASE.total_seconds() + 1)
        sweep = partial(_give_back, world=world)
        ends = await collide(pair, sweep, sweep)
        assert sorted(map(str, ends)) == ["0", "1"], ends
        await world.run(cancelling(payment))


def _give_back(tx: Tx, world: World) -> int:
    return outgoing.give_back_lapsed(tx, world.rules)


async def two_replacements(pair: Pair) -> None:
    """A refusal written twice replaces the link once, and nothing carries the old one any more."""
    world, replaced = pair[0], 0
    for number in range(suite.ROUNDS):
        payment = await world.create(("whatsapp", "sms"))
        await world.make_link(f"u{number}")
        item = await world.claim_one("whatsapp")
        refused = suite.settling(world, item, Refused("no", None, Refusal.ADDRESS))
        again = partial(payment_handler.resend, rules=world.rules, payment_id=payment.id, by="ana")
        ends = await collide(pair, refused, refused, again)
        assert ends[:2] == [None, None], ends
        assert isinstance(ends[2], Payment | RequestError), ends
        [(_, _, is_replaced)] = await world.links(payment.id)
        assert len(await world.claim("migo")) == is_replaced, ends
        left = await world.claim_all("whatsapp", "sms")
        assert not (is_replaced and left), left
        replaced += is_replaced
        await world.run(cancelling(payment))
    # A few rounds may all end alike; many that do are no race.
    assert suite.ROUNDS < suite.MANY or 0 < replaced < suite.ROUNDS, "only one ever came first"


async def schedulers_one_slot(pair: Pair, number: int) -> None:
    """The race of the schedules' suite, for as many rounds as the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules_suite, "RACES", suite.ROUNDS)
        # Each store has connections enough for two of them.
        await schedules_suite.test_a_slot_fires_once_however_many_fire_it([*pair, *pair], number)


async def workers_one_customer(pair: Pair, number: int, payments: int = 2) -> None:
    """Each takes another of four due rows of one customer: one message goes."""
    world = pair[0]
    for turn in range(suite.ROUNDS):
        # A week apart, so that no cap or gap of the round before holds anything back.
        world.clock.advance(days=6)
        uids = [f"u{turn}.{each}" for each in range(payments)]
        owed = await world.run(partial(_linked, world=world, uids=uids))
        world.clock.advance(days=2)
        await world.run(partial(_plan_reminders, world=world, owed=owed))
        works = [partial(_claim_one, world=world, token=f"{turn}.{each}") for each in range(number)]
        ends = await collide(pair, *works)
        assert all(isinstance(end, list) for end in ends), ends
        went = [item for end in ends if isinstance(end, list) for item in end]
        # What another worker held then comes to its turn, and finds the date taken.
        went += await world.claim("email")
        assert len(went) == 1, ends
        slots = await world.select(
            "select count(*), count(distinct outbox_id) from reminder_slot where local_date = :day",
            day=world.clock.now.date().isoformat(),
        )
        assert slots in ([(1, 1)], [(2, 1)]), slots
        await world.run(cancelling(*owed))


async def workers_one_slot(pair: Pair) -> None:
    """Without the customer's lock the date's own row still lets only one of a payment's rows go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "lock_reminded", lambda tx, customer_ids: None)
        await workers_one_customer(pair, number=4, payments=1)


def _linked(tx: Tx, world: World, uids: Sequence[str]) -> list[Payment]:
    return [world.linked_in(tx, uid, ("email",)) for uid in uids]


def _plan_reminders(tx: Tx, world: World, owed: Sequence[Payment]) -> None:
    for row in range(4):
        payment = owed[row % len(owed)]
        owe_reminder(tx, world, payment, f"{payment.id}:{row}")


def _claim_one(tx: Tx, world: World, token: str) -> list[OutboxItem]:
    return outgoing.claim(
        tx, world.rules, lane="email", limit=1, lease=LEASE, token=token, worker="w"
    )


RACES: dict[str, Race] = {
    "create_x_callback": suite.test_a_callback_and_the_commit_of_its_link_always_meet,
    "pay_x_reminder": suite.test_a_reminder_leaves_before_the_money_or_not_at_all,
    "two_lanes": suite.test_two_lanes_decide_on_debts_of_one_customer,
    "pay_x_cancel": suite.test_money_wins_over_a_cancel,
    "pay_x_expiry": suite.test_money_and_the_expiry_of_the_same_payment,
    "two_staff": two_staff_move_one_payment,
    "one_key": two_people_ask_under_one_key,
    "late_worker": suite.test_a_late_worker_and_the_lapse_of_its_claim,
    "stale_token": a_stale_token_and_the_next_claim,
    "two_links": suite.test_two_links_of_one_payment_are_never_both_shown,
    "two_replacements": two_replacements,
    "one_claimer": suite.test_a_row_has_one_claimer,
    "two_sweeps": two_sweeps_take_back_one_claim,
    "two_schedulers": partial(schedulers_one_slot, number=2),
    "four_schedulers": partial(schedulers_one_slot, number=4),
    "two_reminding": partial(workers_one_customer, number=2),
    "four_reminding": partial(workers_one_customer, number=4),
    "reminder_slot": workers_one_slot,
}


_SLOW = {"two_reminding", "four_reminding", "reminder_slot", "two_replacements", "two_lanes"}
"""Those of many transactions a round."""


def short(name: str) -> int:
    """How often at every change: the contract suite runs most of them, and here they must work."""
    run = RACES[name]
    if name in _SLOW:
        return 4
    is_of_suite = not isinstance(run, partial) and run.__module__ == suite.__name__
    return 10 if is_of_suite or isinstance(run, partial) else 40


async def race(name: str, url: str, *, count: int) -> Report:
    """Run one race `count` times; the first round that breaks a promise ends it."""
    report, ran, began = Report("races", {"name": name}), 0, time.monotonic()
    before = suite.ROUNDS
    try:
        for done in shown(range(0, count, FRESH_EVERY), name):
            # An even number, for some races alternate.
            suite.ROUNDS = min(FRESH_EVERY, count - done) // 2 * 2 or 2
            empty(url)
            await _run(RACES[name], url, report)
            ran += suite.ROUNDS
            if not report.is_ok:
                break
    finally:
        suite.ROUNDS = before
    report.figures |= {"n": ran, "secs": time.monotonic() - began}
    return report


async def _run(run: Race, url: str, report: Report) -> None:
    first = World(url)
    second = World(url, clock=first.clock, rules=first.rules)
    first.store.open()
    second.store.open()
    try:
        await run((first, second))
    except AssertionError as error:
        report.violations.append(str(error)[:2000] or "an assertion failed")
    finally:
        await first.store.close()
        await second.store.close()
