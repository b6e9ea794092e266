"""Promises to pay: kept in their words, nothing is asked before their day, checked after it."""

from datetime import timedelta

from bot.domain.heard import MakePromise
from bot.domain.payment import UNPAID, Customer, PaymentStatus
from bot.domain.promising import start_of
from bot.handlers import cards
from bot.handlers.accounts import zone_of_customer
from bot.handlers.rules import Rules
from bot.handlers.series import remind_on
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
    people.pause_reminders(
        tx, customer.id, until=start_of(silent_until, zone.key), may_shorten=True
    )
    for payment_id in sorted(made.payment_ids):
        payment = payments.read(tx, payment_id, lock=True)
        if payment is None or payment.status not in UNPAID:
            continue
        promises.make(
            tx,
            customer.id,
            payment_id,
            made.day,
            wording=words[:_WORDING_CHARS],
            channel=channel,
        )
        why = f"the customer promised to pay on {made.day}"
        next_at = start_of(silent_until, zone.key)
        ledger.decide(tx, payment_id, "reminders paused", why, next_at=next_at)
        if made.day > today:
            remind_on(tx, rules, payment_id, made.day)
        cards.refresh(tx, payment_id)


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
