"""Invites customers to the Telegram bot over another channel, by a link that works once.

Only the token is kept with the outbox row: the link itself needs the bot's name, which Telegram
tells, and so it is made when the message is worded.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.delivery import MANNERS, Purpose
from bot.domain.heard import Say
from bot.handlers.rules import Rules
from bot.store import ledger, outbox, people
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from channels.base import Address, ChannelName

_USUAL_ROUTE = (ChannelName.WHATSAPP, ChannelName.SMS, ChannelName.EMAIL)
_SELDOM = timedelta(days=30)
_AFTER_THE_LINK = timedelta(seconds=3)
_TOKEN_BYTES = 24


def invite_where_missing(tx: Tx, rules: Rules, item: OutboxItem) -> None:
    """Let an invitation follow a link that had to pass Telegram by, for no chat is known there.

    Once in 30 days for each customer, over the channel that gets the link.
    """
    found = rules.next_courier(item.route_left)
    if item.purpose is not Purpose.LINK or item.customer is None or found is None:
        return
    if people.invited_since(tx, item.customer.id, tx.now - _SELDOM):
        return
    channel, left = found
    key = f"invite:{item.customer.id}:{item.id}"
    at = tx.now + _AFTER_THE_LINK
    _owe(tx, item.customer.id, (channel.value, *left), key=key, by="bot", at=at)
    if item.payment is not None:
        why = "the route names it, and no chat is known"
        ledger.decide(tx, item.payment.id, "invited to Telegram", why, outbox_id=item.id)


def invite_by_staff(tx: Tx, rules: Rules, customer_id: int, *, by: str) -> bool:
    """Invite a customer over what usually reaches them, once a day; False if that was done."""
    route = tuple(name.value for name in _USUAL_ROUTE if name in rules.couriers)
    key = f"invite:{customer_id}:{tx.now.date().isoformat()}"
    return bool(route) and _owe(tx, customer_id, route, key=key, by=by, at=tx.now)


def invite_in_chat(
    tx: Tx, rules: Rules, to: Address, customer_id: int, *, key: str, locale: str
) -> Say | None:
    """Answer somebody who asks for Telegram in another chat; what to say where it is off."""
    if ChannelName.TELEGRAM not in rules.couriers:
        return Say("telegram.off")
    _owe(
        tx,
        customer_id,
        (to.channel.value,),
        key=key,
        by="customer",
        at=tx.now,
        to=to,
        payload={"locale": locale},
    )
    return None


def _owe(
    tx: Tx,
    customer_id: int,
    route: tuple[str, ...],
    *,
    key: str,
    by: str,
    at: datetime,
    to: Address | None = None,
    payload: Mapping[str, object] | None = None,
) -> bool:
    """Owe the message with a fresh token; False if it is owed already."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    purpose = Purpose.INVITE if to is None else Purpose.REPLY
    item = outbox.NewItem(
        kind=outbox.SEND,
        lane=route[0],
        key=key,
        purpose=purpose,
        customer_id=customer_id,
        channel=ChannelName(route[0]),
        address=None if to is None else to.value,
        route_left=route[1:],
        not_before=at,
        give_up_at=at + MANNERS[purpose].give_up,
        payload={"phrase": "telegram.invite", "start_token": token, **(payload or {})},
    )
    if not outbox.add(tx, [item]):
        return False
    people.invite_customer(tx, customer_id, token, by=by)
    return True
