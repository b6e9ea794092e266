"""Staff invite a customer to Telegram, by number or by one of their payments."""

from bot.domain.commands import Asked
from bot.domain.identity import PhoneError, mask, parse_phone
from bot.domain.payment import Customer
from bot.handlers.invitation import invite_by_staff
from bot.handlers.staff_desk import Desk
from bot.store import people
from bot.store import staff as staff_store
from channels.base import ChannelName


def invite(desk: Desk, asked: Asked) -> None:
    """Send a customer a link to the bot over what usually reaches them."""
    if ChannelName.TELEGRAM not in desk.rules.couriers:
        desk.say("no_telegram")
        return
    customer = _customer(desk, asked)
    if customer is None:
        return
    is_new = invite_by_staff(desk.tx, desk.rules, customer.id, by=desk.staff.actor)
    if is_new:
        whom = {"customer": customer.id}
        staff_store.audit(desk.tx, desk.staff.actor, "invited to Telegram", None, None, whom)
    desk.say("invited" if is_new else "invited_today", {"phone": {"text": mask(customer.phone)}})


def _customer(desk: Desk, asked: Asked) -> Customer | None:
    """Whom the words name; None after saying so."""
    if asked.reference is None:
        desk.say("invite_whom")
        return None
    try:
        phone = parse_phone(" ".join(asked.words), desk.rules.region).e164
    except PhoneError:
        payment = desk.find(asked.reference)
        return None if payment is None else people.read_customer(desk.tx, payment.customer_id)
    return people.upsert_customer(desk.tx, phone=phone)
