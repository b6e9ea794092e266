"""The second person: a large amount waits, held and without a link, for somebody else's yes."""

from bot.domain.payment import Payment
from bot.domain.staff import Action, may
from bot.handlers import cards
from bot.handlers.payment import cancel_payment, resend
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.staff_desk import Desk
from bot.store import conversations
from bot.store import staff as staff_store
from bot.store.staff import Staff


def ask_others(desk: Desk, payment: Payment) -> None:
    """Tell everybody who may agree; whoever asked for the money may not."""
    others = [
        member
        for member in staff_store.active(desk.tx)
        if member.id != desk.staff.id and may(member.role, Action.APPROVE)
    ]
    if not others:
        desk.say("nobody_approves")
    for member in others:
        _ask(desk, payment, member)


def _ask(desk: Desk, payment: Payment, member: Staff) -> None:
    to = member.at
    if to is None or to.channel not in desk.rules.couriers:
        return
    choices: tuple[Choice, ...] = ()
    # Numbered choices would take the place of whatever this person is answering right now.
    if to.channel in desk.rules.edits:
        choices = tuple(
            Choice(
                f"staff.button.{label}",
                payload=conversations.offer(
                    desk.tx, to, member.telegram_user_id, action, {"payment": payment.id}
                ),
            )
            for label, action in (("approve", "approve"), ("refuse", "refuse"))
        )
    values = cards.view_of(desk.tx, payment) | {"who": desk.staff.name}
    owe_reply(
        desk.tx,
        to,
        Reply("staff.approval", values, choices),
        key=f"approval:{payment.id}:{member.id}",
        customer_id=None,
        locale=member.locale,
    )


def approve(desk: Desk, payment: Payment) -> None:
    """Let the link be made, if this is somebody else's payment and it still waits."""
    if not _may_decide(desk, payment):
        return
    staff_store.audit(desk.tx, desk.staff.actor, "approved", payment.id, None, None)
    resend(desk.tx, desk.rules, payment.id, by=desk.staff.actor, approves=True)
    cards.refresh(desk.tx, payment.id)
    desk.say(
        "approved", {"amount": cards.money_of(payment), "id": payment.id}, replaces=desk.tapped
    )


def refuse(desk: Desk, payment: Payment) -> None:
    """Cancel a payment that waits for a second person."""
    if not _may_decide(desk, payment):
        return
    staff_store.audit(desk.tx, desk.staff.actor, "refused", payment.id, None, None)
    cancel_payment(desk.tx, payment.id, by=desk.staff.actor)
    desk.say(
        "refused_it", {"amount": cards.money_of(payment), "id": payment.id}, replaces=desk.tapped
    )


def _may_decide(desk: Desk, payment: Payment) -> bool:
    if not desk.may(Action.APPROVE):
        desk.say("forbidden")
        return False
    if payment.held_reason != cards.APPROVAL:
        desk.say("nothing_to_approve", {"id": payment.id})
        return False
    if payment.created_by.startswith(desk.staff.actor_prefix):
        desk.say("not_your_own")
        return False
    return True
