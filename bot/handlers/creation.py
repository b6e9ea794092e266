"""What follows from how a try to make a link ended."""

from datetime import timedelta
from typing import assert_never

from bot.domain.delivery import (
    DIED,
    MAX_RESENDS_WHEN_DIED,
    MAX_UNKNOWN_CREATES,
    Done,
    Found,
    LinkMade,
    Outcome,
    Refused,
    RetryLater,
    Uncertain,
    Unfound,
    create_retry_s,
    unknown_create_s,
)
from bot.domain.payment import UNPAID, Alert, Payment, PaymentStatus
from bot.handlers.facts import on_link_made
from bot.handlers.fallback import tell_misconfigured
from bot.handlers.planning import alarm, has_no_reader, plan_create
from bot.handlers.rules import Rules
from bot.handlers.series import begin_all
from bot.store import attempts, ledger, outbox, payments, reminding, reported
from bot.store.attempts import Attempt
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from channels.base import Refusal

_UNREADABLE = "migo.answer_unreadable"
_BARRED = frozenset({"migo.customer_blocked", "migo.customer_suspended", "migo.customer_excluded"})
"""Migo takes no payment from this customer, whichever link they were sent."""


def on_create_outcome(tx: Tx, rules: Rules, item: OutboxItem, outcome: Outcome) -> None:
    """Decide what follows from the end of one try to make a link."""
    if item.attempt is None or item.payment is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    match outcome:
        case Done(LinkMade() as made):
            outbox.end(tx, item.id, "done")
            was_barred = reminding.unbar(tx, item.payment.customer_id)
            on_link_made(
                tx, rules, item.attempt, uid=made.uid, reference=made.reference, url=made.url
            )
            if was_barred:
                begin_all(tx, rules, item.payment.customer_id)
        case RetryLater() if tx.now < item.give_up_at:
            attempts.end_attempt(tx, item.attempt.id, "planned", error_key=outcome.code)
            wait_s = max(create_retry_s(item.attempts, rules.random), outcome.after_s or 0.0)
            at = tx.now + timedelta(seconds=wait_s)
            outbox.again(tx, item.id, at=at, error=outcome.reason)
        case RetryLater() | Refused():
            if isinstance(outcome, Refused) and outcome.refusal is Refusal.CONFIG:
                tell_misconfigured(tx, rules, item, outcome)
            if outcome.code in _BARRED:
                reminding.bar(tx, item.payment.customer_id, outcome.reason)
            give_up_create(tx, rules, item, outcome.reason, code=outcome.code)
        case Uncertain():
            payment = _note_unknown(tx, item, outcome)
            _on_unknown_create(tx, rules, payment, item.attempt, outcome)
        case Done() | Unfound() | Found():
            raise TypeError("a link's creation cannot end as a message does")
        case _:
            assert_never(outcome)


def give_up_create(
    tx: Tx, rules: Rules, item: OutboxItem, reason: str, *, code: str | None = None
) -> None:
    """End a try that surely made no link; a payment that is still asked for waits for a person."""
    if item.attempt is None or item.payment is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    attempts.end_attempt(tx, item.attempt.id, "refused", error_key=code)
    outbox.end(tx, item.id, "dead", error=reason)
    payment = payments.read(tx, item.payment.id, lock=True)
    if payment is not None and payment.status in UNPAID:
        _hold(tx, rules, payment, Alert.CREATE_REFUSED, reason, code)


def doubt_create(tx: Tx, rules: Rules, item: OutboxItem, reason: str) -> None:
    """Have a person look at Migo whether a link was made, even one that could have no reader."""
    payment = _note_unknown(tx, item, Uncertain(reason))
    _hold(tx, rules, payment, Alert.CREATE_UNKNOWN, reason, None)


def _note_unknown(tx: Tx, item: OutboxItem, outcome: Uncertain) -> Payment:
    """End a try of unknown outcome; give its payment, locked.

    Not as it was at the claim: it may have been cancelled or paid while Migo was asked.
    """
    if item.attempt is None or item.payment is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    attempts.end_attempt(
        tx, item.attempt.id, "unknown", error_key=outcome.code, uid_hint=outcome.uid
    )
    name = f"{item.payment.id}.{item.attempt.attempt_no}"
    reported.look_now(tx, external_id=name, uid=outcome.uid)
    outbox.end(tx, item.id, "uncertain", error=outcome.reason)
    payment = payments.read(tx, item.payment.id, lock=True)
    if payment is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    return payment


def _on_unknown_create(
    tx: Tx, rules: Rules, payment: Payment, attempt: Attempt, outcome: Uncertain
) -> None:
    """The orphan rule: ask Migo again only if an unknown link surely has no reader."""
    unknown = [each for each in attempts.attempts_of(tx, payment.id) if each.state == "unknown"]
    is_safe = has_no_reader(tx, rules) and outcome.uid is None
    most = 1 + MAX_RESENDS_WHEN_DIED if outcome is DIED else MAX_UNKNOWN_CREATES
    if not is_safe or len(unknown) >= most or payment.status not in UNPAID:
        _hold(tx, rules, payment, Alert.CREATE_UNKNOWN, outcome.reason, outcome.code)
        return
    if outcome.code == _UNREADABLE:
        # Migo did make one, and only its dashboard can tell which.
        _alarm(tx, rules, payment, Alert.CREATE_UNKNOWN, outcome.reason)
    wait = timedelta(seconds=unknown_create_s(len(unknown)))
    plan_create(tx, rules, payment, channel=attempt.channel, at=tx.now + wait)
    ledger.decide(
        tx,
        payment.id,
        "new attempt",
        f"nobody knows whether Migo made a link ({outcome.reason}); if it did, it has no reader",
        next_at=tx.now + wait,
    )


def _hold(
    tx: Tx, rules: Rules, payment: Payment, kind: Alert, reason: str, code: str | None
) -> None:
    """Tell a person; a payment that is still asked for waits for what they decide."""
    if payment.status in UNPAID:
        payment = payments.move(
            tx, payment, PaymentStatus.HELD, why=reason, held_reason=code or kind.value
        )
    _alarm(tx, rules, payment, kind, reason)


def _alarm(tx: Tx, rules: Rules, payment: Payment, kind: Alert, reason: str) -> None:
    number = len(attempts.attempts_of(tx, payment.id))
    alarm(tx, rules, kind, key=f"{payment.id}:{number}", detail=reason, payment=payment)
