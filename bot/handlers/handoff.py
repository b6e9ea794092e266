"""Conversations that staff hold: the bot is silent there and relays what both sides write."""

from dataclasses import replace
from datetime import timedelta

from bot.domain.payment import Alert
from bot.handlers.planning import parse_target
from bot.handlers.replies import Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store import conversations, deliveries, ledger, outbox, people
from bot.store import staff as staff_store
from bot.store.conversations import Conversation
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import Address, InboundMessage

IDLE = timedelta(hours=12)
"""After so long without a word the bot answers again."""

_HUMAN, _BOT = "human", "bot"


def give_to_staff(
    tx: Tx, rules: Rules, conversation: Conversation, why: str, *, said: str = ""
) -> None:
    """Let staff answer here from now on, and tell them. Safe to repeat."""
    current = conversations.find(tx, conversation.id)
    if current is None or current.mode == _HUMAN:
        return
    given = replace(current, mode=_HUMAN, owner_id=None, mode_since=tx.now)
    conversations.save(tx, given)
    name = _name_of(tx, given)
    detail = f"conversation {given.id} over {given.at.channel.value}: the customer {why}"
    ledger.raise_alert(tx, Alert.WANTS_PERSON, key=f"{given.id}:{given.version}", detail=detail)
    values = {
        "id": given.id,
        "name": name,
        "channel": {"word": f"channel.{given.at.channel.value}"},
        "why": {"reason": why},
        "text": {"text": said} if said else None,
    }
    _tell_staff(tx, rules, given, Reply("handoff.waiting", values), "waiting")


def take(tx: Tx, conversation_id: int, staff: Staff) -> Conversation | None:
    """Make a conversation this member's; None if there is no such one, or it is another's."""
    current = conversations.find(tx, conversation_id)
    if current is None or current.owner_id not in (None, staff.id):
        return None
    taken = replace(current, mode=_HUMAN, owner_id=staff.id, mode_since=tx.now)
    return conversations.find(tx, conversation_id) if conversations.save(tx, taken) else None


def release(tx: Tx, rules: Rules, conversation_id: int) -> bool:
    """Give a conversation back to the bot and say so to the customer; False if staff hold none."""
    current = conversations.find(tx, conversation_id)
    if current is None or current.mode != _HUMAN:
        return False
    _give_back(tx, current)
    _say(tx, rules, current, Reply("customer.returned"), "returned")
    return True


def return_idle(tx: Tx, rules: Rules) -> int:
    """Give conversations back to the bot where nothing was written for 12 hours."""
    found = conversations.idle_with_staff(tx, before=tx.now - IDLE)
    for each in found:
        _tell_staff(tx, rules, each, Reply("handoff.returned", {"id": each.id}), "returned")
        _give_back(tx, each)
    return len(found)


def to_staff(tx: Tx, rules: Rules, conversation: Conversation, message: InboundMessage) -> None:
    """Relay what a customer wrote to whoever holds the conversation, else to the staff chat."""
    text = message.text or message.extra.get("MediaContentType0", "")
    if not text:
        return
    current = conversations.find(tx, conversation.id)
    if current is None:
        return
    conversations.save(tx, replace(current, last_inbound_at=tx.now))
    values = {"id": current.id, "name": _name_of(tx, current), "text": {"text": text}}
    _tell_staff(tx, rules, current, Reply("handoff.message", values), "in")


def to_customer(tx: Tx, rules: Rules, staff: Staff, text: str, replied_to: str | None) -> bool:
    """Send what a member of staff typed to the customer they talk with.

    That is the conversation of the message they replied to, else the only one they hold.

    Returns:
        False if there is none, or it is another's: then nothing was sent.
    """
    current = _replied_conversation(tx, replied_to) or _only_of(tx, staff)
    if current is None or current.mode != _HUMAN or current.owner_id not in (None, staff.id):
        return False
    owned = replace(
        current,
        owner_id=staff.id,
        mode_since=current.mode_since if current.owner_id else tx.now,
        last_inbound_at=tx.now,
    )
    if not conversations.save(tx, owned):
        return False
    _say(tx, rules, current, Reply("customer.said", {"text": {"text": text}}), "out")
    return True


def _replied_conversation(tx: Tx, replied_to: str | None) -> Conversation | None:
    known = None if replied_to is None else deliveries.find_delivery(tx, replied_to)
    item = None if known is None else outbox.read(tx, known.outbox_id)
    if item is None or not str(item.payload.get("phrase", "")).startswith("handoff."):
        return None
    values = item.payload.get("values")
    number = values.get("id") if isinstance(values, dict) else None
    return conversations.find(tx, number) if isinstance(number, int) else None


def _only_of(tx: Tx, staff: Staff) -> Conversation | None:
    held = conversations.with_staff(tx, owner_id=staff.id, limit=2)
    return held[0] if len(held) == 1 else None


def _give_back(tx: Tx, current: Conversation) -> None:
    conversations.save(
        tx, replace(current, mode=_BOT, owner_id=None, mode_since=tx.now, state="idle")
    )


def _name_of(tx: Tx, conversation: Conversation) -> str:
    if conversation.customer_id is None:
        return conversation.at.value
    customer = people.read_customer(tx, conversation.customer_id)
    return customer.name or customer.phone


def _say(tx: Tx, rules: Rules, to: Conversation, reply: Reply, what: str) -> None:
    customer = None if to.customer_id is None else people.read_customer(tx, to.customer_id)
    language = to.slots.get("language")
    spoken = language if isinstance(language, str) else rules.locale
    owe_reply(
        tx,
        to.at,
        reply,
        key=f"handoff:{to.id}:{to.version}:{what}",
        customer_id=to.customer_id,
        locale=(None if customer is None else customer.locale) or spoken,
    )


def _tell_staff(tx: Tx, rules: Rules, about: Conversation, reply: Reply, what: str) -> None:
    owner = None if about.owner_id is None else staff_store.read(tx, about.owner_id)
    to, locale = _desk(rules), None
    if owner is not None and owner.removed_at is None and owner.at is not None:
        to, locale = owner.at, owner.locale
    if to is None or to.channel not in rules.couriers:
        return
    owe_reply(
        tx,
        to,
        reply,
        key=f"handoff:{about.id}:{about.version}:{what}",
        customer_id=None,
        locale=locale,
    )


def _desk(rules: Rules) -> Address | None:
    return None if rules.staff is None else parse_target(rules.staff)
