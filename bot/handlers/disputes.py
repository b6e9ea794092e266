"""Payments that a customer does not recognise: nothing more is asked, and a person decides."""

from bot.domain.delivery import ASKING
from bot.domain.payment import Alert, Payment
from bot.handlers import cards
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.handlers.series import begin, take_back
from bot.store import ledger, payments, promises, waiting
from bot.store.engine import Tx
from bot.texts.clean import no_links

_WORDS_CHARS = 300
_STOPPED = "the customer does not recognise it"


def take_dispute(tx: Tx, rules: Rules, payment_id: str, words: str) -> None:
    """Stop reminding and have staff look. Safe to repeat."""
    payment = payments.read(tx, payment_id, lock=True)
    if payment is None or not promises.dispute(tx, payment_id, words):
        return
    take_back(tx, waiting.cancel_waiting(tx, payment_id=payment_id, purposes=ASKING, why=_STOPPED))
    said = no_links(words, _WORDS_CHARS)
    detail = f"{_STOPPED}; they wrote: {said}" if said else _STOPPED
    alarm(tx, rules, Alert.DISPUTED, key=payment_id, detail=detail, payment=payment, reopens=True)
    cards.refresh(tx, payment_id)


def resolve_dispute(tx: Tx, rules: Rules, payment: Payment, *, by: str) -> bool:
    """Ask for it again as before, since a person has settled it; False if nobody disputed it."""
    if not promises.resolve(tx, payment.id):
        return False
    ledger.decide(tx, payment.id, "dispute resolved", f"settled with the customer, says {by}")
    ledger.close_alert(tx, Alert.DISPUTED, key=payment.id, by=by)
    begin(tx, rules, payment)
    cards.refresh(tx, payment.id)
    return True
