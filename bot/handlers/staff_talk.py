"""Conversations with customers that staff take over, answer and give back."""

from collections.abc import Mapping

from bot.domain.cards import hide_cards
from bot.domain.commands import Asked
from bot.domain.staff import Action
from bot.handlers import handoff
from bot.handlers.staff_desk import Desk
from bot.store import conversations, people
from bot.store.conversations import Conversation

_LISTED = 10


def take(desk: Desk, asked: Asked) -> None:
    """Take a customer's conversation by its number; without one, list those that wait."""
    number = _number(asked)
    if number is None:
        _list_waiting(desk)
        return
    taken = handoff.take(desk.tx, number, desk.staff) if _is_customer(desk, number) else None
    if taken is None:
        desk.say("no_such_talk", {"id": number})
    else:
        desk.say("taken", {"id": taken.id, "name": _name(desk, taken)})


def release(desk: Desk, asked: Asked) -> None:
    """Give a conversation back to the bot: the one named, or all of one's own.

    Whoever sees everything may free one by its number that somebody else holds and has left.
    """
    own = conversations.with_staff(desk.tx, owner_id=desk.staff.id)
    number = _number(asked)
    chosen = [each.id for each in own if number in (None, each.id)]
    if not chosen and number is not None and desk.may(Action.SEE_ALL):
        chosen = [number]
    given = [each for each in chosen if handoff.release(desk.tx, desk.rules, each)]
    if given:
        desk.say("released", {"ids": ", ".join(map(str, given))})
    else:
        desk.say("none_held")


def holds_any(desk: Desk) -> bool:
    """Whether something sent here may be meant for a customer."""
    return bool(conversations.with_staff(desk.tx, owner_id=desk.staff.id, limit=1))


def on_text(desk: Desk, help_values: Mapping[str, object]) -> None:
    """Pass free text on to the customer whose conversation is held, else help."""
    text, replied_to = hide_cards(desk.message.text), desk.message.replied_to
    may_talk = desk.may(Action.TALK)
    if may_talk and handoff.to_customer(desk.tx, desk.rules, desk.staff, text, replied_to):
        return
    own = conversations.with_staff(desk.tx, owner_id=desk.staff.id, limit=_LISTED)
    if may_talk and len(own) > 1:
        desk.say("which_talk", {"talks": [_line(desk, each) for each in own]})
    else:
        desk.say("help", help_values)


def _number(asked: Asked) -> int | None:
    word = (asked.reference or "").lstrip("#")
    return int(word) if word.isdecimal() and word.isascii() and len(word) < 10 else None


def _is_customer(desk: Desk, number: int) -> bool:
    """Whether the number is a customer's conversation; nobody takes over a staff chat."""
    found = conversations.find(desk.tx, number)
    return found is not None and found.mode == "human"


def _list_waiting(desk: Desk) -> None:
    waiting = conversations.with_staff(desk.tx, limit=_LISTED)
    free = [each for each in waiting if each.owner_id in (None, desk.staff.id)]
    if free:
        desk.say("talks", {"talks": [_line(desk, each) for each in free]})
    else:
        desk.say("no_talks")


def _line(desk: Desk, talk: Conversation) -> dict[str, object]:
    return {
        "id": talk.id,
        "name": _name(desk, talk),
        "channel": {"word": f"channel.{talk.at.channel.value}"},
        "is_own": talk.owner_id == desk.staff.id,
    }


def _name(desk: Desk, talk: Conversation) -> str:
    if talk.customer_id is None:
        return talk.at.value
    customer = people.read_customer(desk.tx, talk.customer_id)
    return customer.name or customer.phone
