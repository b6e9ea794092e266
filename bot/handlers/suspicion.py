"""Callbacks that cannot be believed and must not be overlooked either."""

from bot.domain.payment import Alert, Payment
from bot.handlers.matching import Named, attempt_named
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import links, payments, quarantine
from bot.store.engine import Tx
from bot.store.quarantine import Why


def on_wrong_key(tx: Tx, rules: Rules, named: Named, body: bytes) -> None:
    """Tell staff, once a uid, if it is about one of ours, and keep it; it is not believed."""
    payment = _payment_of(tx, named)
    if payment is None:
        return
    row = quarantine.keep(tx, Why.WRONG_KEY, body)
    alarm(
        tx,
        rules,
        Alert.WRONG_KEY,
        key=named.uid,
        detail="a callback about it came without the right key and was refused: either somebody "
        "tries to fake it, or Migo's key was changed; look the payment up at Migo and compare "
        f"MIGO_CALLBACK_SECRET; kept in quarantine: {row or '-'}",
        payment=payment,
    )


def _payment_of(tx: Tx, named: Named) -> Payment | None:
    link = links.find_link(tx, named.uid)
    if link is not None:
        return payments.read(tx, link.payment_id)
    attempt = attempt_named(tx, named)
    return None if attempt is None else payments.read(tx, attempt.payment_id)


def on_too_large(tx: Tx, rules: Rules, start: bytes) -> None:
    """Keep the start of a callback with the right key that is larger than any may be."""
    row = quarantine.keep(tx, Why.TOO_LARGE, start)
    alarm(
        tx,
        rules,
        Alert.UNREADABLE,
        key=f"too large {row or '-'}",
        detail="an authentic callback is too large and was refused; look at Migo for what it "
        f"reports; its start is kept in quarantine: {row or '-'}",
    )
