"""Shows a customer who asks for it the link of one of their payments, in the chat they ask in."""

from bot.domain.delivery import Purpose
from bot.domain.heard import Say
from bot.domain.money import Money
from bot.domain.payment import UNPAID, PaymentStatus
from bot.handlers.payment import RequestError, must_read, resend
from bot.handlers.planning import void_of
from bot.handlers.replies import owe_message
from bot.handlers.rules import Rules
from bot.handlers.series import begin
from bot.store import ledger, links, payments
from bot.store.engine import Tx
from channels.base import InboundMessage


def show_link(
    tx: Tx, message: InboundMessage, payment_id: str, *, key: str, locale: str
) -> Say | None:
    """Owe the link of a payment as an answer; what to say instead where it may not be shown.

    An answer goes also to somebody who said stop, for they asked. The link is latched as exposed in
    this transaction, so before its first byte leaves.
    """
    payment = payments.read(tx, payment_id, lock=True)
    link = links.current_link(tx, payment_id)
    if payment is None or link is None or payment.status not in UNPAID:
        return Say("customer.not_found")
    if link.id not in links.expose(tx, [link.id]):
        values = {"amount": _value(payment.money), "concept": payment.concept}
        return Say("customer.waiting", values)
    void = void_of(tx, payment)
    owe_message(
        tx,
        message.sender,
        Purpose.REPLY,
        {
            "what": "replacement" if void else "resend",
            "answers": message.tap_id,
            "locale": locale,
            **void,
        },
        key=key,
        customer_id=payment.customer_id,
        payment_id=payment.id,
        link_id=link.id,
    )
    ledger.decide(tx, payment.id, "link shown", "the customer asked for it in chat")
    return None


def renew(
    tx: Tx, rules: Rules, message: InboundMessage, payment_id: str, *, key: str, locale: str
) -> Say | None:
    """Ask for an expired payment again: the same URL at once, or its first link when it is made.

    Raises:
        RequestError: its link may not be replaced or shown without a person.
    """
    payment = payments.read(tx, payment_id, lock=True)
    if payment is None or payment.status not in UNPAID | {PaymentStatus.EXPIRED}:
        raise RequestError("a person must look at it first")
    if links.current_link(tx, payment_id) is None:
        resend(tx, rules, payment_id, by="customer", channel=message.sender.channel.value)
        return Say("customer.link_coming", {"amount": _value(payment.money)})
    if payment.status is PaymentStatus.EXPIRED:
        payments.move(tx, payment, PaymentStatus.LINKED, why="the customer asked for it again")
        payments.set_expiry(tx, payment.id, tx.now + rules.link_ttl)
        begin(tx, rules, must_read(tx, payment.id))
    return show_link(tx, message, payment_id, key=key, locale=locale)


def _value(money: Money) -> dict[str, object]:
    return {"minor": money.minor, "currency": money.currency}
