"""A member of staff has settled a payment with the customer who did not recognise it."""

from bot.domain.commands import Asked
from bot.domain.payment import Payment
from bot.handlers.disputes import resolve_dispute
from bot.handlers.staff_desk import Desk
from bot.store import staff as staff_store


def resolve(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Ask for it again as before."""
    if not resolve_dispute(desk.tx, desk.rules, payment, by=desk.staff.actor):
        desk.say("not_disputed", {"id": payment.id})
        return
    staff_store.audit(desk.tx, desk.staff.actor, "dispute resolved", payment.id, None, None)
    desk.say("dispute_resolved", {"id": payment.id})
