"""The second person: a large amount waits, held and without a link, for somebody else's yes."""

from bot.domain import identity
from bot.domain.payment import Payment
from bot.domain.staff import Action, may
from bot.handlers import cards
from bot.handlers.payment import cancel_payment, resend
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.rules import Rules
from bot.handlers.staff_desk import Desk
from bot.store import conversations, people
from bot.store import staff as staff_store
from bot.store.engine import Tx
from bot.store.staff import Staff


def ask_others(desk: Desk, payment: Payment) -> None:
    """Tell everybody who may agree; whoever asked for the money may not."""
    others = [
        member
        for member in staff_store.active(desk.tx)
        if may_ask(desk.tx, desk.rules, desk.staff, member)
    ]
    if not others:
        desk.say("nobody_approves")
    for member in others:
        _ask(desk, payment, member)


def may_ask(tx: Tx, rules: Rules, asker: Staff, member: Staff) -> bool:
    """Whether a member is a second person to what another asks for, and can be written to."""
    can_hear = member.at is not None and member.at.channel in rules.couriers
    is_other = not is_same_person(tx, asker, member)
    return can_hear and is_other and may(member.role, Action.APPROVE)


def is_same_person(tx: Tx, one: Staff, other: Staff) -> bool:
    """Whether two memberships are known to be one person's, who joined on two channels.

    A Telegram chat whose owner shared their own contact is known by its number.
    """
    if one.id == other.id:
        return True
    mine, theirs = _number_of(tx, one), _number_of(tx, other)
    return mine is not None and theirs is not None and identity.is_same_person(mine, theirs)


def _number_of(tx: Tx, member: Staff) -> str | None:
    if member.phone is not None or member.at is None:
        return member.phone
    reach = people.reach_of(tx, member.at)
    if reach is None or reach.customer_id is None:
        return None
    return people.read_customer(tx, reach.customer_id).phone


def _ask(desk: Desk, payment: Payment, member: Staff) -> None:
    to = member.at
    if to is None:
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
    asker = staff_store.by_actor(desk.tx, payment.created_by)
    if asker is not None and is_same_person(desk.tx, asker, desk.staff):
        desk.say("not_your_own")
        return False
    return True
