"""Promises to pay: kept in their words, nothing is asked before their day, checked after it."""

from datetime import date, datetime, timedelta

from bot.domain.heard import MakePromise
from bot.domain.payment import UNPAID, Customer, Payment, PaymentStatus
from bot.domain.promising import start_of
from bot.handlers import cards
from bot.handlers.accounts import zone_of_customer
from bot.handlers.rules import Rules
from bot.handlers.series import forget_day, remind_on
from bot.store import ledger, payments, people, promises
from bot.store.engine import Tx
from bot.store.promises import Due, PromiseState

_WORDING_CHARS = 200
_STILL_OWED = (*UNPAID, PaymentStatus.HELD, PaymentStatus.EXPIRED)
_GIVEN_UP = frozenset({PaymentStatus.CANCELLED})
_DAY = timedelta(days=1)


def make_promise(
    tx: Tx, rules: Rules, customer: Customer, made: MakePromise, *, words: str, channel: str
) -> None:
    """Keep a promise and be silent until its day, on which one message is sent.

    Whoever promises for today is not written to again before tomorrow.
    """
    zone = zone_of_customer(rules, customer)
    today = tx.now.astimezone(zone).date()
    silent_until = made.day if made.day > today else today + _DAY
    for payment in _promised(tx, made):
        at = _remind(tx, rules, payment, made.day, today)
        if at is not None:
            # Where that day is closed to us, it is the day before it on which we write.
            silent_until = min(silent_until, at.astimezone(zone).date())
    next_at = start_of(silent_until, zone.key)
    people.pause_reminders(tx, customer.id, until=next_at, may_shorten=True)
    for payment in _promised(tx, made):
        promises.make(
            tx,
            customer.id,
            payment.id,
            made.day,
            wording=words[:_WORDING_CHARS],
            channel=channel,
        )
        why = f"the customer promised to pay on {made.day}"
        ledger.decide(tx, payment.id, "reminders paused", why, next_at=next_at)
        cards.refresh(tx, payment.id)


def _promised(tx: Tx, made: MakePromise) -> list[Payment]:
    """The payments of a promise that are still asked for, locked."""
    found = [payments.read(tx, each, lock=True) for each in sorted(made.payment_ids)]
    return [each for each in found if each is not None and each.status in UNPAID]


def _remind(tx: Tx, rules: Rules, payment: Payment, day: date, today: date) -> datetime | None:
    """Have the day's message written; who promises for today needs none."""
    if day > today:
        return remind_on(tx, rules, payment.id, day)
    forget_day(tx, rules, payment)
    return None


def end_promises(tx: Tx, rules: Rules) -> int:
    """End what was kept, what was broken, and what nobody asks for any more."""
    return sum(_end(tx, rules, due) for due in promises.due(tx, _STILL_OWED))


def _end(tx: Tx, rules: Rules, due: Due) -> bool:
    state = _state_of(tx, rules, due)
    if state is PromiseState.OPEN:
        return False
    promise = due.promise
    promises.end(tx, promise.id, state)
    if state is PromiseState.BROKEN:
        why = f"the customer promised to pay on {promise.day}, and nothing was reported"
        ledger.decide(tx, promise.payment_id, "promise broken", why)
    cards.refresh(tx, promise.payment_id)
    return True


def _state_of(tx: Tx, rules: Rules, due: Due) -> PromiseState:
    if due.status in _GIVEN_UP:
        return PromiseState.REPLACED
    if due.status not in _STILL_OWED:
        return PromiseState.KEPT
    owner = Customer(due.promise.customer_id, due.phone, time_zone=due.time_zone)
    today = tx.now.astimezone(zone_of_customer(rules, owner)).date()
    return PromiseState.BROKEN if today > due.promise.day else PromiseState.OPEN
