"""What a person's message means: who wrote it, and whose dialogue it belongs to."""

from dataclasses import replace
from datetime import datetime

from bot.domain.cards import has_hidden_card
from bot.domain.heard import Act, Option, Say, Scope, Turn
from bot.domain.identity import PhoneError, parse_phone
from bot.domain.payment import Customer
from bot.domain.words import Word, understand
from bot.handlers import staff
from bot.handlers.consent import (
    carry_stop,
    is_stopped,
    keep_stopped,
    learn_block,
    learn_return,
    set_consent,
)
from bot.handlers.customer import converse, dialogue_of, perform
from bot.handlers.replies import Reply, owe_reply
from bot.handlers.rules import Rules
from bot.handlers.series import begin_all
from bot.handlers.visit import Visit
from bot.store import conversations, people, waiting
from bot.store.addresses import number_at
from bot.store.engine import Tx
from bot.store.staff import find_active
from channels.base import Address, ChannelName, InboundMessage, ReachChange

_START = "/start"
_STOPS = (Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS)
_PROVIDER_STOP, _PROVIDER_START = "STOP", "START"


def on_message(
    tx: Tx, rules: Rules, message: InboundMessage, *, inbox_id: int, received_at: datetime
) -> None:
    """Give a message to the dialogue of whoever wrote it."""
    member = find_active(tx, message.sender, message.user_id)
    if member is not None:
        staff.on_staff_message(
            tx, rules, member, message, inbox_id=inbox_id, received_at=received_at
        )
        return
    token = _start_token(message)
    if token is not None and staff.join(tx, rules, message, token, inbox_id=inbox_id):
        return
    on_customer_message(
        tx,
        rules,
        message,
        inbox_id=inbox_id,
        received_at=received_at,
        token=token,
        has_card=has_hidden_card(message.text),
    )


def is_stop(message: InboundMessage) -> bool:
    """Whether somebody may be saying that they want to hear no more."""
    meaning = understand(message.text)
    return message.opt_out is not None or (meaning is not None and meaning.word in _STOPS)


def on_flood(
    tx: Tx,
    rules: Rules,
    message: InboundMessage,
    *,
    inbox_id: int,
    received_at: datetime,
    is_first: bool,
) -> None:
    """Let go what a customer writes beyond what can be answered, and say so once; staff may."""
    if find_active(tx, message.sender, message.user_id) is not None:
        on_message(tx, rules, message, inbox_id=inbox_id, received_at=received_at)
        return
    if not is_first:
        return
    customer = _who(tx, message, _phone_of(rules, message))
    owe_reply(
        tx,
        message.sender,
        Reply("customer.too_many"),
        key=f"reply:{inbox_id}:1",
        customer_id=None if customer is None else customer.id,
        locale=None if customer is None else customer.locale,
        answers=message.tap_id,
    )


def on_customer_message(
    tx: Tx,
    rules: Rules,
    message: InboundMessage,
    *,
    inbox_id: int,
    received_at: datetime,
    token: str | None = None,
    has_card: bool = False,
) -> None:
    """Answer a customer, and learn from their writing that they can be reached."""
    conversation = conversations.read(tx, message.sender)
    phone = _phone_of(rules, message)
    customer = _who(tx, message, phone)
    if customer is not None:
        phone = customer.phone
    customer_id = None if customer is None else customer.id
    at = message.at or received_at
    for address in _heard_at(message, customer):
        if customer is not None:
            carry_stop(tx, address, customer)
        people.saw_inbound(tx, address, at=at, customer_id=customer_id)
    visit = Visit(tx, rules, message, inbox_id, conversation, customer, phone)
    if message.opt_out is not None and not _is_an_answer(visit):
        _on_provider_word(visit)
    elif message.contact is not None:
        _on_contact(visit)
    elif token is not None:
        _on_invitation(visit, token)
    else:
        converse(visit, has_card=has_card)


def _start_token(message: InboundMessage) -> str | None:
    """What came with a Telegram deep link."""
    command, _, token = message.text.strip().partition(" ")
    return token.strip() if command == _START and token.strip() else None


def _phone_of(rules: Rules, message: InboundMessage) -> str | None:
    """The number that the sender's address proves, in any of the addresses it is known by."""
    for address in (message.sender, *message.aliases):
        if address.channel is ChannelName.TELEGRAM:
            continue
        try:
            return parse_phone(address.value, rules.region).e164
        except PhoneError:
            continue
    return None


def _heard_at(message: InboundMessage, customer: Customer | None) -> tuple[Address, ...]:
    """The addresses that a message says something about: whoever wrote can be reached at each."""
    written = (message.sender, *message.aliases)
    number = None if customer is None else number_at(message.sender.channel, customer)
    return written if number is None or number in written else (*written, number)


def _who(tx: Tx, message: InboundMessage, phone: str | None) -> Customer | None:
    """The customer behind a message: bound to its address, or having it as their number."""
    for address in (message.sender, *message.aliases):
        known = people.reach_of(tx, address)
        if known is not None and known.customer_id is not None:
            return people.read_customer(tx, known.customer_id)
    return None if phone is None else people.find_customer(tx, phone=phone)


def _is_an_answer(visit: Visit) -> bool:
    """Whether a YES that the provider took for an opt-in answers our own question.

    It opts nobody in who is not out, and the question would stay open for ever.
    """
    meaning = understand(visit.message.text)
    is_yes = meaning is not None and meaning.word is Word.YES and not meaning.is_guess
    if not is_yes or (visit.message.opt_out or "").upper() != _PROVIDER_START:
        return False
    is_out = is_stopped(visit.tx, visit.message.sender, visit.customer)
    return dialogue_of(visit.conversation).is_asked and not is_out


def _on_provider_word(visit: Visit) -> None:
    """Write down what the provider acted on, and stay silent: it answered already.

    Source: Twilio docs, "Advanced Opt-Out": OptOutType is STOP, START or HELP.
    """
    word = (visit.message.opt_out or "").upper()
    if word not in (_PROVIDER_STOP, _PROVIDER_START):
        return
    set_consent(
        visit.tx,
        visit.message.sender,
        visit.customer,
        Scope.CHANNEL,
        is_given=word == _PROVIDER_START,
        how=f"wrote it on {visit.message.sender.channel.value}; the provider acted on it",
        wording=visit.message.text,
    )
    if visit.customer is not None and word == _PROVIDER_START:
        begin_all(visit.tx, visit.rules, visit.customer.id)


def _on_contact(visit: Visit) -> None:
    """Bind a chat to the number of its owner's own contact card; refuse anybody else's."""
    contact = visit.message.contact
    phone = None
    if contact is not None and contact.is_own:
        try:
            phone = parse_phone(contact.phone, visit.rules.region).e164
        except PhoneError:
            phone = None
    if phone is None:
        share = (Option("customer.label_share_contact", None),)
        _answer(visit, Say("customer.contact_refused", options=share))
        return
    _bind(visit, people.upsert_customer(visit.tx, phone=phone))


def _on_invitation(visit: Visit, token: str) -> None:
    """Bind a chat by the one-time link that its owner got over another channel."""
    by = f"{visit.message.sender.channel.value} user {visit.message.user_id}"
    customer_id = people.use_invite(visit.tx, token, by=by)
    if customer_id is None:
        share = (Option("customer.label_share_contact", None),) if visit.phone is None else ()
        _answer(visit, Say("customer.invite_refused", options=share))
        return
    _bind(visit, people.read_customer(visit.tx, customer_id))


def _bind(visit: Visit, customer: Customer) -> None:
    """Make this chat the customer's, and send what waited for an address here."""
    tx, sender = visit.tx, visit.message.sender
    carry_stop(tx, sender, customer)
    people.bind(tx, customer.id, sender, user_id=visit.message.user_id)
    keep_stopped(tx, sender, customer)
    waiting.revive(tx, customer_id=customer.id, channel=sender.channel)
    visit.customer, visit.phone = customer, customer.phone
    bound = replace(conversations.read(tx, sender), customer_id=customer.id)
    conversations.save(tx, bound)
    options = (
        Option("customer.label_balance", Act.BALANCE),
        Option("customer.label_help", Act.HELP),
    )
    _answer(visit, Say("customer.contact_bound", options=options))


def _answer(visit: Visit, say: Say) -> None:
    perform(visit, Turn(dialogue_of(visit.conversation), (say,)))


def on_reach(tx: Tx, change: ReachChange) -> None:
    """Learn that a person blocked us, or came back."""
    channel = change.sender.channel.value
    if change.is_reachable:
        learn_return(tx, change.sender, how=f"unblocked us on {channel}")
    else:
        learn_block(tx, change.sender, customer_id=None, how=f"blocked us on {channel}")
