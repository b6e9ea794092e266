"""What staff ask of payments that exist: look, send again, cancel, show, explain, settle."""

from collections.abc import Callable

from bot.domain.commands import Asked, Command, parse_channel
from bot.domain.delivery import Purpose
from bot.domain.payment import (
    UNPAID,
    FactStatus,
    Link,
    LinkStatus,
    Payment,
    PaymentStatus,
    came_of,
    may_move,
)
from bot.domain.staff import Action
from bot.handlers import cards, staff_approval, staff_dispute, staff_pin, staff_risks
from bot.handlers.payment import RequestError, cancel_payment, resend
from bot.handlers.planning import news_route, plan_message, told_amount
from bot.handlers.settlement import settle_by_hand
from bot.handlers.staff_desk import Desk
from bot.store import attempts, links, reading, reported, sales
from bot.store import staff as staff_store

_LISTED = 10
_REASONS = 8
"""As many as one WhatsApp message surely holds."""

_REVIVED = frozenset({PaymentStatus.EXPIRED, PaymentStatus.HELD})
"""Where asking for a link makes one again, if there was none."""


def list_mine(desk: Desk, asked: Asked) -> None:
    """The newest payments: one's own, or everybody's for those who sell nothing themselves."""
    sells = desk.may(Action.CHARGE)
    prefix = desk.staff.actor_prefix if sells else None
    found = sales.newest(desk.tx, actor_prefix=prefix, limit=_LISTED)
    desk.say("mine", {"payments": [cards.view_of(desk.tx, payment) for payment in found]})


def show(desk: Desk, payment: Payment, asked: Asked) -> None:
    """How a payment stands, as a card that is kept up to date from now on."""
    can_edit = desk.message.sender.channel in desk.rules.edits
    cards.open_card(
        desk.tx, payment, desk.message.sender, locale=desk.staff.locale, can_edit=can_edit
    )


def send_again(desk: Desk, payment: Payment, asked: Asked) -> None:
    """The same link again, over the channel named or the payment's own route."""
    channel = None
    if len(asked.words) > 1:
        channel = parse_channel(asked.words[-1])
        if channel is None or channel not in desk.rules.couriers:
            desk.say("wrong_channel", {"channels": sorted(desk.rules.couriers)})
            return
    if payment.held_reason == cards.APPROVAL:
        desk.say("needs_second", {"id": payment.id})
        return
    try:
        resend(desk.tx, desk.rules, payment.id, by=desk.staff.actor, channel=channel)
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return
    _audit(desk, "link again", payment)
    cards.refresh(desk.tx, payment.id)
    named = None if channel is None else {"word": f"channel.{channel}"}
    desk.say("sent_again", {"id": payment.id, "channel": named})


def cancel(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Stop asking."""
    try:
        cancel_payment(desk.tx, payment.id, by=desk.staff.actor)
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return
    _audit(desk, "cancelled", payment)
    has_link = links.current_link(desk.tx, payment.id) is not None
    desk.say("cancelled", {"id": payment.id, "has_link": has_link})


def show_qr(desk: Desk, payment: Payment, asked: Asked) -> None:
    """The link as a QR code to hold up at the counter, as soon as there is one."""
    has_link = links.current_link(desk.tx, payment.id) is not None
    is_asked = payment.status in UNPAID
    if not is_asked and (has_link or payment.status not in _REVIVED):
        desk.say("no_qr", {"id": payment.id})
        return
    if not has_link and not _make_link(desk, payment):
        return
    can_edit = desk.message.sender.channel in desk.rules.edits
    _audit(desk, "shown as QR", payment)
    cards.want_qr(
        desk.tx, payment, desk.message.sender, locale=desk.staff.locale, can_edit=can_edit
    )


def _make_link(desk: Desk, payment: Payment) -> bool:
    """See to it that a link is on its way; one to be handed over if none was asked for yet."""
    earlier = attempts.attempts_of(desk.tx, payment.id)
    if any(each.state in ("planned", "sending") for each in earlier):
        desk.say("qr_soon", {"id": payment.id})
        return True
    try:
        resend(desk.tx, desk.rules, payment.id, by=desk.staff.actor, channel="web")
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return False
    desk.say("qr_soon", {"id": payment.id})
    return True


def send_receipt(desk: Desk, payment: Payment, asked: Asked) -> None:
    """The receipt to the customer once more."""
    paid = [each for each in links.links_of(desk.tx, payment.id) if each.status is LinkStatus.PAID]
    if not paid:
        desk.say("no_receipt", {"id": payment.id})
        return
    plan_message(
        desk.tx,
        desk.rules,
        payment,
        Purpose.RECEIPT,
        key=f"receipt:{paid[-1].uid}:again:{desk.inbox_id}",
        link=paid[-1],
        route=news_route(desk.tx, payment),
        payload=_receipt_of(desk, payment, paid[-1]),
    )
    _audit(desk, "receipt again", payment)
    desk.say("receipt_sent", {"id": payment.id})


def _receipt_of(desk: Desk, payment: Payment, link: Link) -> dict[str, object]:
    """When the money of a link came, and how much where another amount was accepted."""
    told = reported.facts_of(desk.tx, link.uid)
    came_at = min(fact.received_at for fact in told if fact.status is FactStatus.APPROVED)
    amount = told_amount(payment, came_of(payment.money, told))
    return {"paid_at": came_at.isoformat(), **amount}


def explain(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Every decision about a payment with its reason, the newest last, a page at a time.

    Pages are counted from the newest back; "/porque REF 2" shows what came before the first.
    """
    entries = reading.timeline(desk.tx, payment.id)
    pages = max(1, -(-len(entries) // _REASONS))
    page = min(_page(asked), pages)
    end = len(entries) - (page - 1) * _REASONS
    shown = [
        {
            "at": {"at": entry.at.isoformat()},
            "what": {"reason": entry.what},
            "why": {"reason": entry.why},
            "next": None if entry.next_at is None else {"at": entry.next_at.isoformat()},
        }
        for entry in entries[max(0, end - _REASONS) : end]
    ]
    more = max(0, end - _REASONS)
    values = {"id": payment.id, "entries": shown, "more": more, "older": page + 1}
    desk.say("why", values)


def _page(asked: Asked) -> int:
    """The page that the last word names, the newest where it names none."""
    word = asked.words[-1] if len(asked.words) > 1 else ""
    is_number = word.isascii() and word.isdecimal() and len(word) < 4
    return max(1, int(word)) if is_number else 1


def ask_settle(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Ask whether the money really came by other means."""
    if not may_move(payment.status, PaymentStatus.PAID):
        desk.say("cannot_settle", cards.view_of(desk.tx, payment))
        return
    choices = (
        desk.choice("settle", "settle", payment=payment.id),
        desk.choice("drop", "nothing"),
    )
    desk.say("ask_settle", cards.view_of(desk.tx, payment), choices=choices)


def settle(desk: Desk, payment: Payment) -> None:
    """Book it as paid by other means."""
    before = {"status": payment.status.value}
    try:
        moved = settle_by_hand(desk.tx, payment.id, by=desk.staff.actor)
    except RequestError:
        desk.say("cannot_settle", cards.view_of(desk.tx, payment))
        return
    after = {"status": moved.status.value, "how": sales.SETTLED}
    staff_store.audit(desk.tx, desk.staff.actor, "settled by hand", payment.id, before, after)
    desk.say("settled", cards.view_of(desk.tx, moved), replaces=desk.tapped)


def ask_approve(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Agree to somebody else's large amount, by PIN where that is needed."""
    if desk.needs_pin(Action.APPROVE):
        staff_pin.ask(desk, "approve", {"payment": payment.id})
    else:
        staff_approval.approve(desk, payment)


def _audit(desk: Desk, what: str, payment: Payment) -> None:
    staff_store.audit(desk.tx, desk.staff.actor, what, payment.id, None, None)


OF_PAYMENT: dict[Command, Callable[[Desk, Payment, Asked], None]] = {
    Command.STATE: show,
    Command.RESEND: send_again,
    Command.CANCEL: cancel,
    Command.QR: show_qr,
    Command.RECEIPT: send_receipt,
    Command.WHY: explain,
    Command.SETTLE: ask_settle,
    Command.REPLACE: staff_risks.ask_replace,
    Command.ACCEPT: staff_risks.ask_accept,
    Command.APPROVE: ask_approve,
    Command.RESOLVE: staff_dispute.resolve,
}
"""The commands that name a payment."""
