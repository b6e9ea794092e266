"""What a manager takes upon them by name: a further link, money in another amount than asked."""

from collections.abc import Mapping

from bot.domain.commands import Asked
from bot.domain.money import Money
from bot.domain.payment import Payment
from bot.domain.staff import Action
from bot.handlers import cards, staff_pin
from bot.handlers.acceptance import accept_amount, offered
from bot.handlers.payment import RequestError
from bot.handlers.replacement import replace_link, replaceable
from bot.handlers.staff_desk import Desk


def ask_replace(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Ask whether another link is worth that both may be paid."""
    try:
        link = replaceable(desk.tx, payment)
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return
    choices = (
        desk.choice("replace", "replace", payment=payment.id, uid=link.uid),
        desk.choice("drop", "nothing"),
    )
    view = cards.view_of(desk.tx, payment) | {"old": link.reference}
    desk.say("ask_replace", view, choices=choices)


def ask_accept(desk: Desk, payment: Payment, asked: Asked) -> None:
    """Show what came instead of what was asked, and ask whether it is enough."""
    found = offered(desk.tx, payment.id)
    if found is None:
        desk.say("nothing_to_accept", {"id": payment.id})
        return
    came = {"minor": found.money.minor, "currency": found.money.currency}
    choices = (
        desk.choice("accept", "accept", payment=payment.id, came=came),
        desk.choice("drop", "nothing"),
    )
    view = cards.view_of(desk.tx, payment) | {"came": came}
    desk.say("ask_accept", view, choices=choices)


def on_button(desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool) -> None:
    """Do what was asked, for the link or the amount that was shown and no other."""
    needed = Action(action)
    payment = staff_pin.admit(desk, needed, action, data, is_proved=is_proved)
    if payment is not None:
        try:
            _do(desk, needed, payment, data)
        except RequestError as error:
            desk.say("not_possible", {"why": {"reason": str(error)}})


def _do(desk: Desk, action: Action, payment: Payment, data: Mapping[str, object]) -> None:
    if action is Action.REPLACE:
        moved = replace_link(
            desk.tx,
            desk.rules,
            payment.id,
            by=desk.staff.actor,
            accepts_risk=True,
            uid=str(data["uid"]),
        )
        desk.say("replaced", cards.view_of(desk.tx, moved), replaces=desk.tapped)
        return
    money = _money(data["came"])
    paid = accept_amount(desk.tx, desk.rules, payment.id, by=desk.staff.actor, money=money)
    came = {"minor": money.minor, "currency": money.currency}
    desk.say("accepted", cards.view_of(desk.tx, paid) | {"came": came}, replaces=desk.tapped)


def _money(came: object) -> Money:
    if not isinstance(came, Mapping):
        raise TypeError("the button of an amount names it")
    return Money(int(str(came["minor"])), str(came["currency"]))
