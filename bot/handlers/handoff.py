"""Conversations that staff hold: the bot is silent there and relays what both sides write."""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.payment import Alert
from bot.domain.staff import Action, may
from bot.handlers.planning import alarm, parse_target
from bot.handlers.replies import Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store import claims, conversations, deliveries, ledger, people
from bot.store import staff as staff_store
from bot.store.claims import OutboxItem
from bot.store.conversations import Conversation
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import Address, InboundMessage

IDLE = timedelta(hours=12)
"""After so long without a word the bot answers again."""

_HUMAN, _BOT = "human", "bot"
_SAID = "customer.said"
_DESK = "desk"
_PASSED_ON = ":passed"


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


def to_staff(
    tx: Tx,
    rules: Rules,
    conversation: Conversation,
    message: InboundMessage,
    customer_id: int | None,
) -> None:
    """Relay what a customer wrote to whoever holds the conversation, else to the staff chat."""
    current = conversations.find(tx, conversation.id)
    if current is None or not (message.text or "attachment" in message.extra):
        return
    # Whose chat it is may have become known only after staff took it.
    current = replace(current, customer_id=customer_id or current.customer_id)
    conversations.save(tx, replace(current, last_inbound_at=tx.now))
    _tell_staff(tx, rules, current, Reply("handoff.message", _sent(tx, current, message)), "in")


def tell_of_file(tx: Tx, rules: Rules, conversation: Conversation, message: InboundMessage) -> None:
    """Tell staff that a file came with words that the bot answered, for it looks at none."""
    current = conversations.find(tx, conversation.id)
    if current is not None:
        reply = Reply("handoff.file", _sent(tx, current, message))
        _tell_staff(tx, rules, current, reply, "file")


def _sent(tx: Tx, current: Conversation, message: InboundMessage) -> dict[str, object]:
    """What a customer sent, as the phrases for staff take it."""
    kind = message.extra.get("attachment")
    return {
        "id": current.id,
        "name": _name_of(tx, current),
        "kind": None if kind is None else {"word": f"attachment.{kind}"},
        "text": {"text": message.text},
    }


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
    _say(tx, rules, current, Reply(_SAID, {"text": {"text": text}, "id": current.id}), "out")
    return True


def on_lost(tx: Tx, rules: Rules, item: OutboxItem, why: str) -> None:
    """Say so where words between a customer and a person reach nobody. Safe to repeat.

    What staff wrote goes back to whoever holds the conversation; what a customer wrote goes once to
    others of the staff. Any other reply is let go: who wrote can write again.
    """
    phrase, values = str(item.payload.get("phrase")), item.payload.get("values")
    number = values.get("id") if isinstance(values, dict) else None
    about = conversations.find(tx, number) if isinstance(number, int) else None
    if about is None or not isinstance(values, dict) or not _is_of_talk(phrase):
        return
    name, key = _name_of(tx, about), f"{item.id}:{item.tries}"
    if phrase == _SAID:
        told = {"id": about.id, "name": name, "text": values["text"], "why": {"reason": why}}
        _tell_staff(tx, rules, about, Reply("handoff.lost", told), f"lost:{key}")
        detail = f"conversation {about.id}: what staff wrote did not reach the customer: {why}"
    else:
        if not item.key.endswith(_PASSED_ON):
            _pass_on(tx, rules, item, Reply(phrase, values))
        detail = f"conversation {about.id}: what the customer wrote did not reach staff: {why}"
    alarm(tx, rules, Alert.UNDELIVERABLE, key=key, detail=detail)


def _is_of_talk(phrase: str) -> bool:
    return phrase == _SAID or phrase.startswith("handoff.")


def _pass_on(tx: Tx, rules: Rules, item: OutboxItem, reply: Reply) -> None:
    """Give what one member could not be told to the staff chat and all others."""
    for hearer in _all_hearers(tx, rules):
        if hearer.at.channel != item.channel or hearer.at.value != item.address:
            key = f"{item.key}:{hearer.name}{_PASSED_ON}"
            owe_reply(tx, hearer.at, reply, key=key, customer_id=None, locale=hearer.locale)


def _replied_conversation(tx: Tx, replied_to: str | None) -> Conversation | None:
    known = None if replied_to is None else deliveries.find_delivery(tx, replied_to)
    item = None if known is None else claims.read(tx, known.outbox_id)
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
    """Tell whoever holds the conversation, else the staff chat, else all who may take it."""
    owner = None if about.owner_id is None else staff_store.read(tx, about.owner_id)
    holds = None if owner is None else _hearer(rules, owner)
    everybody = _all_hearers(tx, rules)
    desk = [hearer for hearer in everybody if hearer.name == _DESK]
    for hearer in [holds] if holds is not None else desk or everybody:
        owe_reply(
            tx,
            hearer.at,
            reply,
            key=f"handoff:{about.id}:{about.version}:{what}:{hearer.name}",
            customer_id=None,
            locale=hearer.locale,
        )


@dataclass(frozen=True, slots=True)
class _Hearer:
    """Somebody of the staff who can be written to; `name` tells them apart in keys."""

    name: str
    at: Address
    locale: str | None


def _all_hearers(tx: Tx, rules: Rules) -> list[_Hearer]:
    """The staff chat, and everybody who may take a conversation."""
    desk = None if rules.staff is None else parse_target(rules.staff)
    members = [each for each in staff_store.active(tx) if may(each.role, Action.TALK)]
    found = [_hearer(rules, member) for member in members]
    others = [each for each in found if each is not None and each.at != desk]
    if desk is None or desk.channel not in rules.couriers:
        return others
    return [_Hearer(_DESK, desk, None), *others]


def _hearer(rules: Rules, member: Staff) -> _Hearer | None:
    at = member.at
    if member.removed_at is not None or at is None or at.channel not in rules.couriers:
        return None
    return _Hearer(str(member.id), at, member.locale)
