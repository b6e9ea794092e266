"""What a member of staff wrote or tapped: who may do it is decided before anything is done."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.domain.commands import NEEDS, Asked, Command, parse_command
from bot.domain.pins import looks_like_pin
from bot.domain.staff import Action
from bot.handlers import (
    bulk,
    bulk_approval,
    menus,
    staff_alerts,
    staff_approval,
    staff_charge,
    staff_invite,
    staff_language,
    staff_payments,
    staff_pin,
    staff_risks,
    staff_schedule,
    staff_talk,
)
from bot.handlers.rules import Rules
from bot.handlers.staff_desk import IDLE, Desk
from bot.store import conversations, inbox, people
from bot.store import staff as staff_store
from bot.store.engine import Tx
from bot.store.staff import Staff
from bot.texts.clean import one_line
from bot.texts.locales import resolve_locale
from channels.base import ChannelName, InboundMessage

_NUMBER = re.compile(r"[1-9][0-9]?", re.ASCII)
_NAME_CHARS = 60


class ConversationMovedError(Exception):
    """Somebody else wrote the conversation meanwhile; the message is to be handled again."""


def on_staff_message(
    tx: Tx,
    rules: Rules,
    staff: Staff,
    message: InboundMessage,
    *,
    inbox_id: int,
    received_at: datetime,
) -> None:
    """Do what an active member of staff asks for, and answer.

    Raises:
        ConversationMovedError: two messages of one chat met; nothing of this one is kept.
    """
    people.saw_inbound(tx, message.sender, at=message.at or received_at, customer_id=None)
    conversation = conversations.read(tx, message.sender)
    desk = Desk(tx, rules, staff, message, inbox_id, conversation)
    _hear(desk)
    if desk.conversation is not conversation and not conversations.save(tx, desk.conversation):
        raise ConversationMovedError


def join(tx: Tx, rules: Rules, message: InboundMessage, token: str, *, inbox_id: int) -> bool:
    """Let somebody in by an invitation; False if it is none that is valid, told to nobody.

    A Telegram invitation binds to the numeric id of whoever uses it, a WhatsApp one to their number
    and to a PIN that they choose.
    """
    sender = message.sender
    is_telegram = sender.channel is ChannelName.TELEGRAM and message.user_id is not None
    is_number = sender.channel is ChannelName.WHATSAPP and sender.value.startswith("+")
    if not (is_telegram or is_number):
        return False
    used = staff_store.use_invite(tx, token)
    if used is None:
        return False
    people.saw_inbound(tx, sender, at=message.at or tx.now, customer_id=None)
    name = one_line(message.sender_name or "", _NAME_CHARS) or used.role.value
    spoken = message.extra.get("language_code")
    locale = None if spoken is None else resolve_locale(spoken, rules.locale)
    member = staff_store.admit(tx, used, sender, user_id=message.user_id, name=name, locale=locale)
    conversation = conversations.read(tx, sender)
    desk = Desk(tx, rules, member, message, inbox_id, conversation)
    desk.go_to(IDLE)
    desk.say("welcome", {"name": member.name, "role": member.role.value})
    if is_telegram:
        menus.owe_staff_menu(tx, rules, member, key=f"join:{inbox_id}")
    else:
        staff_pin.ask_new(desk)
    if not conversations.save(tx, desk.conversation):
        raise ConversationMovedError
    return True


def _hear(desk: Desk) -> None:
    message = desk.message
    token = message.payload or _numbered(desk)
    if token is not None:
        _on_token(desk, token)
    elif message.extra.get("file_id"):
        _on_file(desk)
    elif message.extra.get("attachment") and staff_talk.holds_any(desk):
        # Its words alone would reach the customer without what they speak of.
        desk.say("not_passed_on")
    elif message.text.lstrip().startswith("/"):
        _on_command(desk, parse_command(message.text.strip()))
    elif message.text.strip():
        _on_text(desk)
    else:
        desk.say("help", _help(desk))


def _numbered(desk: Desk) -> str | None:
    """The button behind a typed number, where a number is no answer to something else."""
    text, choices = desk.message.text.strip(), desk.conversation.choices
    waits_for_text = desk.conversation.state in (staff_pin.PIN, staff_pin.NEW_PIN) or (
        desk.conversation.state == staff_charge.FORM and not staff_charge.shows_choices(desk)
    )
    if waits_for_text or not _NUMBER.fullmatch(text) or int(text) > len(choices):
        return None
    return choices[int(text) - 1]


def _on_token(desk: Desk, token: str) -> None:
    found = conversations.take(desk.tx, token, desk.message.sender, desk.message.user_id)
    if found is None:
        desk.say("button_gone")
        return
    action, data = found
    _act(desk, action, data, is_proved=False)


def _act(desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool) -> None:
    """Do what a button, or a PIN that was asked for, stands for; the role is looked at again."""
    if action.startswith("charge"):
        _act_on_charge(desk, action, data, is_proved=is_proved)
    elif action == "file" and is_proved:
        desk.go_to(IDLE)
        _fetch_file(desk, data)
    elif action == "alert_done":
        staff_alerts.done(desk, data)
    elif action == "language":
        staff_language.on_button(desk, data)
    elif action.startswith("schedule"):
        staff_schedule.on_button(desk, action, data, is_proved=is_proved)
    elif action in ("replace", "accept"):
        staff_risks.on_button(desk, action, data, is_proved=is_proved)
    elif action in _OF_PAYMENT:
        _act_on_payment(desk, action, data, is_proved=is_proved)
    elif action in _OF_FILE:
        _decide_on_file(desk, action, data, is_proved=is_proved)
    elif action.startswith("bulk_"):
        bulk.on_button(
            desk.tx, desk.rules, desk.staff, desk.message, action, data, inbox_id=desk.inbox_id
        )
    else:
        desk.say("dropped", replaces=desk.tapped)


def _act_on_charge(desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool) -> None:
    if action == "charge" and is_proved:
        staff_charge.charge(desk, data)
    else:
        staff_charge.on_button(desk, action, data)


_OF_PAYMENT = {
    "settle": (Action.SETTLE, staff_payments.settle),
    "approve": (Action.APPROVE, staff_approval.approve),
    "refuse": (Action.APPROVE, staff_approval.refuse),
}


def _act_on_payment(
    desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool
) -> None:
    needed, act = _OF_PAYMENT[action]
    payment = staff_pin.admit(desk, needed, action, data, is_proved=is_proved)
    if payment is not None:
        act(desk, payment)


_OF_FILE = {"file_approve": bulk_approval.approve, "file_refuse": bulk_approval.refuse}


def _decide_on_file(
    desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool
) -> None:
    """Be the second person for a file, by PIN where that is needed."""
    if desk.may(Action.APPROVE) and desk.needs_pin(Action.APPROVE) and not is_proved:
        staff_pin.ask(desk, action, data)
        return
    if is_proved:
        desk.go_to(IDLE)
    _OF_FILE[action](desk, str(data["batch"]))


def _on_file(desk: Desk) -> None:
    if not desk.may(Action.BULK):
        desk.say("forbidden")
    elif desk.needs_pin(Action.BULK):
        names = ("file_id", "file_name", "size")
        file = {name: desk.message.extra[name] for name in names if name in desk.message.extra}
        staff_pin.ask(desk, "file", file)
    else:
        _fetch_file(desk, desk.message.extra)


def _fetch_file(desk: Desk, file: Mapping[str, object]) -> None:
    bulk.on_document(desk.tx, desk.rules, desk.staff, desk.message, file, inbox_id=desk.inbox_id)


def _on_command(desk: Desk, asked: Asked | None) -> None:
    if asked is None:
        desk.say("unknown_command")
        return
    is_leaving = asked.command is Command.CANCEL and not asked.words
    if is_leaving and desk.conversation.state != IDLE:
        desk.go_to(IDLE)
        desk.say("dropped")
        return
    desk.go_to(IDLE)
    if not desk.may(NEEDS[asked.command]):
        desk.say("forbidden")
    elif asked.command in _PLAIN:
        _PLAIN[asked.command](desk, asked)
    else:
        _on_payment_command(desk, asked)


def _on_payment_command(desk: Desk, asked: Asked) -> None:
    if asked.reference is None:
        desk.say("needs_reference", {"command": asked.command.value})
        return
    if asked.command is Command.APPROVE and asked.reference.startswith(bulk_approval.PREFIX):
        _decide_on_file(desk, "file_approve", {"batch": asked.reference}, is_proved=False)
        return
    payment = desk.find(asked.reference)
    if payment is not None:
        staff_payments.OF_PAYMENT[asked.command](desk, payment, asked)


def _charge(desk: Desk, asked: Asked) -> None:
    staff_charge.begin(desk, asked.words)


def _tell_help(desk: Desk, asked: Asked) -> None:
    desk.say("help", _help(desk))


def _help(desk: Desk) -> dict[str, object]:
    return {
        "name": desk.staff.name,
        "role": desk.staff.role.value,
        "can": {action.value: desk.may(action) for action in Action},
    }


_PLAIN: dict[Command, Callable[[Desk, Asked], None]] = {
    Command.CHARGE: _charge,
    Command.SCHEDULE: staff_schedule.schedule,
    Command.MINE: staff_payments.list_mine,
    Command.INVITE: staff_invite.invite,
    Command.TAKE: staff_talk.take,
    Command.RELEASE: staff_talk.release,
    Command.ALERTS: staff_alerts.show,
    Command.LANGUAGE: staff_language.ask,
    Command.HELP: _tell_help,
}


def _may_be_pin(desk: Desk) -> bool:
    """Whether this is an answer to a question for the PIN, or a PIN that nobody asked for."""
    if desk.conversation.state in (staff_pin.NEW_PIN, staff_pin.PIN):
        return True
    if desk.conversation.state == staff_charge.FORM:
        return False
    return desk.staff.pin_hash is not None and looks_like_pin(desk.message.text.strip())


def _on_text(desk: Desk) -> None:
    """Free text: an answer to what was asked, else something for a customer, else help."""
    if _may_be_pin(desk):
        inbox.forget_body(desk.tx, desk.inbox_id)
    match desk.conversation.state:
        case staff_pin.NEW_PIN:
            staff_pin.on_new(desk)
        case staff_pin.PIN:
            proved = staff_pin.on_answer(desk)
            if proved is not None:
                _act(desk, *proved, is_proved=True)
        case staff_charge.FORM:
            staff_charge.on_answer(desk)
        case _ if _may_be_pin(desk):
            # A PIN that comes too late must not be passed on to a customer.
            desk.say("pin_unexpected")
        case _:
            staff_talk.on_text(desk, _help(desk))
