"""Turns decisions into outbox rows: what is owed to the customer, to staff and to Migo."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.delivery import MANNERS, Purpose
from bot.domain.money import Money
from bot.domain.payment import Alert, Link, Payment
from bot.handlers.replies import owe_message
from bot.handlers.rules import Dispatches, Rules
from bot.store import attempts, deliveries, ledger, links, outbox
from bot.store.engine import Tx
from bot.store.staff import find_active, has_left
from channels.base import Address, ChannelName

_CREATE_FOR = timedelta(hours=24)

MIGO = "migo"
"""The key of alerts about Migo itself."""


def has_no_reader(tx: Tx, rules: Rules) -> bool:
    """Whether a link that we never learnt of surely reached nobody: Migo messages no customer."""
    if rules.dispatches is not Dispatches.NO:
        return False
    return not ledger.is_open(tx, Alert.MIGO_WRITES, key=MIGO)


def plan_create(
    tx: Tx, rules: Rules, payment: Payment, *, channel: str, at: datetime
) -> attempts.Attempt:
    """Owe a link: the attempt and its key are on disk before Migo is asked."""
    attempt = attempts.plan_attempt(
        tx, payment.id, channel=channel, migo_channel=rules.migo_channels[channel]
    )
    outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.CREATE_LINK,
                lane=outbox.MIGO_LANE,
                key=f"create:{payment.id}:{attempt.attempt_no}",
                not_before=at,
                give_up_at=at + _CREATE_FOR,
                payment_id=payment.id,
                attempt_id=attempt.id,
                customer_id=payment.customer_id,
            )
        ],
    )
    return attempt


def plan_message(
    tx: Tx,
    rules: Rules,
    payment: Payment,
    purpose: Purpose,
    *,
    key: str,
    link: Link | None,
    route: tuple[str, ...],
    at: datetime | None = None,
    payload: Mapping[str, object] | None = None,
) -> bool:
    """Owe the customer a message over the first channel of `route` that can be sent over.

    False if no channel can, or if it is owed already.
    """
    found = rules.next_courier(route)
    if found is None:
        ledger.decide(
            tx, payment.id, f"{purpose.value} not sent", "no channel of the route carries messages"
        )
        return False
    channel, route_left = found
    start = at or tx.now
    made = outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.SEND,
                lane=channel.value,
                key=key,
                purpose=purpose,
                payment_id=payment.id,
                link_id=None if link is None else link.id,
                customer_id=payment.customer_id,
                channel=channel,
                route_left=route_left if MANNERS[purpose].follows_route else (),
                not_before=start,
                give_up_at=start + MANNERS[purpose].give_up,
                payload=payload or {},
            )
        ],
    )
    return bool(made)


def plan_link(tx: Tx, rules: Rules, payment: Payment, link: Link, route: tuple[str, ...]) -> None:
    """Owe the customer the link."""
    plan_message(
        tx,
        rules,
        payment,
        Purpose.LINK,
        key=f"link:{link.id}",
        link=link,
        route=route,
        payload=void_of(tx, payment),
    )


def void_of(tx: Tx, payment: Payment) -> dict[str, object]:
    """What a message with the link says of the one that it took the place of by a person's word."""
    old = links.replaced_link(tx, payment.id) if payment.is_multi_link else None
    return {} if old is None else {"instead": True, "void": old.reference}


def news_route(tx: Tx, payment: Payment) -> tuple[str, ...]:
    """The channels for news about money: the one that delivered first, then the others."""
    delivered = deliveries.delivered_channel(tx, payment.id)
    if delivered is None:
        return payment.route
    others = tuple(name for name in payment.route if name != delivered.value)
    return (delivered.value, *others)


def told_amount(payment: Payment, came: Money | None) -> dict[str, object]:
    """What a message about money says of the amount, where another came than was asked for."""
    if came is None or came == payment.money:
        return {}
    return {"came": {"minor": came.minor, "currency": came.currency}}


def parse_target(text: str) -> Address | None:
    """Read `telegram:<chat id>`, `whatsapp:+502…`, `email:…` as an address."""
    name, separator, value = text.partition(":")
    if not separator or not value or name not in set(ChannelName):
        return None
    return Address(ChannelName(name), value)


def tell_staff(
    tx: Tx,
    rules: Rules,
    payment: Payment | None,
    what: str,
    *,
    key: str,
    detail: str = "",
    notify: str | None = None,
    came: Money | None = None,
) -> None:
    """Owe news to the staff address where one is set, and to whoever created the payment.

    `notify` is whom else it concerns where there is no payment; `came` is what was paid. Whoever
    left hears nothing more.
    """
    amount = {} if payment is None else told_amount(payment, came)
    targets = {payment.notify if payment is not None else notify, rules.staff}
    for number, target in enumerate(sorted(filter(None, targets))):
        at = parse_target(target)
        if at is None or at.channel not in rules.couriers:
            continue
        if target != rules.staff and has_left(tx, at):
            continue
        owe_message(
            tx,
            at,
            Purpose.STAFF,
            {"what": what, "detail": detail, **amount, **_language_at(tx, at)},
            key=f"staff:{what}:{key}:{number}",
            customer_id=None if payment is None else payment.customer_id,
            payment_id=None if payment is None else payment.id,
        )


def _language_at(tx: Tx, at: Address) -> dict[str, object]:
    """The language of whoever of the staff has this chat, where it is known."""
    # A private chat with a Telegram bot has the number of the person in it.
    member = find_active(tx, at, at.value)
    return {} if member is None or member.locale is None else {"locale": member.locale}


def alarm(
    tx: Tx,
    rules: Rules,
    kind: Alert,
    *,
    key: str,
    detail: str,
    payment: Payment | None = None,
    inbox_id: int | None = None,
    reopens: bool = False,
) -> None:
    """Open an alert and tell staff, once however often it is raised.

    One that `reopens` is told again where somebody closed it since.
    """
    is_new = ledger.raise_alert(
        tx,
        kind,
        key=key,
        detail=detail,
        payment_id=None if payment is None else payment.id,
        inbox_id=inbox_id,
        reopens=reopens,
    )
    if not is_new:
        return
    if payment is not None:
        ledger.decide(tx, payment.id, f"alert {kind.value}", detail)
    told = f"{kind.value}:{key}:{tx.now:%Y%m%dT%H%M%S}" if reopens else f"{kind.value}:{key}"
    tell_staff(tx, rules, payment, "held", key=told, detail=detail)
