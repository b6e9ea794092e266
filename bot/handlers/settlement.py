"""Money that came by other means: a named person's word, booked like one more paid link.

What Migo reports later is still booked. A link that is paid as well makes the payment overpaid, and
the return of such a link leaves it paid, since the other money stays.
"""

from bot.domain.payment import Payment, PaymentStatus, may_move
from bot.handlers import cards
from bot.handlers.payment import RequestError, stop_asking
from bot.store import ledger, links, payments, sales
from bot.store.engine import Tx


def settle_by_hand(tx: Tx, payment_id: str, *, by: str) -> Payment:
    """Book a payment as paid by other means and stop asking for it. No receipt is sent.

    Raises:
        RequestError: no such payment, or money came or went back already.
    """
    payment = payments.read(tx, payment_id, lock=True)
    if payment is None or not may_move(payment.status, PaymentStatus.PAID):
        status = "unknown" if payment is None else payment.status.value
        raise RequestError(f"a payment that is {status} cannot be booked as paid")
    stop_asking(tx, payment, why=sales.SETTLED)
    ledger.record_override(
        tx,
        payment.id,
        who=by,
        what=sales.SETTLED,
        wording="the money came by other means than Migo's link",
    )
    moved = payments.move(
        tx, payment, PaymentStatus.PAID, why=f"{sales.SETTLED}, says {by}", money=payment.money
    )
    if links.current_link(tx, payment.id) is not None:
        ledger.decide(
            tx,
            payment.id,
            "no more messages",
            "Migo's link may still be payable; if it is paid too, that is told",
        )
    cards.refresh(tx, payment.id)
    return moved
