"""What a person's message means."""

from collections.abc import Mapping
from datetime import datetime

from bot.domain.delivery import MANNERS, Purpose
from bot.domain.identity import PhoneError, parse_phone
from bot.domain.payment import Customer
from bot.handlers.rules import Rules
from bot.store import outbox, people
from bot.store.engine import Tx
from channels.base import Address, ChannelName, InboundMessage, ReachChange

_STOP = frozenset({"stop", "baja", "alto", "parar", "sair", "pare", "unsubscribe", "stopall"})
_START = frozenset({"start", "alta", "unstop"})


def on_message(
    tx: Tx, rules: Rules, message: InboundMessage, *, inbox_id: int, received_at: datetime
) -> None:
    """Answer a person, and learn from their writing that they can be reached."""
    customer = _who(tx, rules, message.sender)
    people.saw_inbound(
        tx,
        message.sender,
        at=message.at or received_at,
        customer_id=None if customer is None else customer.id,
    )
    if message.contact is not None:
        _on_contact(tx, rules, message, inbox_id=inbox_id)
        return
    word = (message.opt_out or message.text).strip().lower()
    if word in _STOP or word in _START:
        is_given = word in _START
        _on_consent(tx, rules, message, customer, is_given=is_given, inbox_id=inbox_id)
        return
    what = "help"
    if message.sender.channel is ChannelName.TELEGRAM and customer is None:
        what = "contact_request"
    _reply(tx, message, customer, what, inbox_id=inbox_id)


def _who(tx: Tx, rules: Rules, sender: Address) -> Customer | None:
    """The customer behind an address: bound to it, or having it as their number."""
    known = people.reach_of(tx, sender)
    if known is not None and known.customer_id is not None:
        return people.read_customer(tx, known.customer_id)
    if sender.channel is ChannelName.TELEGRAM:
        return None
    try:
        phone = parse_phone(sender.value, rules.region)
    except PhoneError:
        return None
    return people.find_customer(tx, phone=phone.e164)


def _on_contact(tx: Tx, rules: Rules, message: InboundMessage, *, inbox_id: int) -> None:
    """Bind a chat to the number of its owner's own contact card; refuse anybody else's."""
    contact = message.contact
    if contact is None:
        raise TypeError("a contact event has a contact")
    if not contact.is_own:
        _reply(tx, message, None, "contact_refused", inbox_id=inbox_id)
        return
    try:
        phone = parse_phone(contact.phone, rules.region)
    except PhoneError:
        _reply(tx, message, None, "contact_refused", inbox_id=inbox_id)
        return
    customer = people.upsert_customer(tx, phone=phone.e164)
    people.bind(tx, customer.id, message.sender, user_id=message.user_id)
    outbox.revive(tx, customer_id=customer.id, channel=message.sender.channel)
    _reply(tx, message, customer, "contact_bound", inbox_id=inbox_id)


def _on_consent(
    tx: Tx,
    rules: Rules,
    message: InboundMessage,
    customer: Customer | None,
    *,
    is_given: bool,
    inbox_id: int,
) -> None:
    people.set_reach(
        tx,
        message.sender,
        reach="ok" if is_given else "opted_out",
        reason=message.text[:40],
        customer_id=None if customer is None else customer.id,
    )
    people.record_consent(
        tx,
        message.sender,
        customer_id=None if customer is None else customer.id,
        is_given=is_given,
        who="customer",
        how=f"wrote it on {message.sender.channel.value}",
        wording=message.text[:200],
    )
    if message.opt_out is None:
        _reply(tx, message, customer, "resumed" if is_given else "stopped", inbox_id=inbox_id)


def _reply(
    tx: Tx,
    message: InboundMessage,
    customer: Customer | None,
    what: str,
    *,
    inbox_id: int,
    extra: Mapping[str, object] | None = None,
) -> None:
    outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.SEND,
                lane=message.sender.channel.value,
                key=f"reply:{inbox_id}:{what}",
                purpose=Purpose.REPLY,
                customer_id=None if customer is None else customer.id,
                channel=message.sender.channel,
                address=message.sender.value,
                not_before=tx.now,
                give_up_at=tx.now + MANNERS[Purpose.REPLY].give_up,
                payload={"what": what, "answers": message.tap_id, **(extra or {})},
            )
        ],
    )


def on_reach(tx: Tx, change: ReachChange) -> None:
    """Learn that a person blocked us, or came back."""
    if change.is_reachable:
        people.unblock(tx, change.sender, reason="the provider says so")
    else:
        people.set_reach(tx, change.sender, reach="blocked", reason="the provider says so")
