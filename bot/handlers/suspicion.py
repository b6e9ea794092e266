"""Callbacks that cannot be believed and must not be overlooked either."""

from bot.domain.payment import Alert
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import links, payments
from bot.store.engine import Tx

_DETAIL = (
    "a callback about it came without the right key and was refused: either somebody tries to fake "
    "it, or Migo's key was changed; look the payment up at Migo and compare MIGO_CALLBACK_SECRET"
)


def on_wrong_key(tx: Tx, rules: Rules, uid: str) -> None:
    """Tell staff, once a uid, if it is one of ours; nothing of the callback is kept or believed."""
    link = links.find_link(tx, uid)
    if link is None:
        return
    payment = payments.read(tx, link.payment_id)
    alarm(tx, rules, Alert.WRONG_KEY, key=uid, detail=_DETAIL, payment=payment)
