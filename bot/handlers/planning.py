"""Turns decisions into outbox rows: what is owed to the customer, to staff and to Migo."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.delivery import MANNERS, Purpose
from bot.domain.payment import Alert, Link, Payment
from bot.handlers.replies import owe_message
from bot.handlers.rules import Rules
from bot.store import deliveries, ledger, links, outbox
from bot.store.engine import Tx
from channels.base import Address, ChannelName

_CREATE_FOR = timedelta(hours=24)


def plan_create(
    tx: Tx, rules: Rules, payment: Payment, *, channel: str, at: datetime
) -> links.Attempt:
    """Owe a link: the attempt and its key are on disk before Migo is asked."""
    attempt = links.plan_attempt(
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
    plan_message(tx, rules, payment, Purpose.LINK, key=f"link:{link.id}", link=link, route=route)


def news_route(tx: Tx, payment: Payment) -> tuple[str, ...]:
    """The channels for news about money: the one that delivered first, then the others."""
    delivered = deliveries.delivered_channel(tx, payment.id)
    if delivered is None:
        return payment.route
    others = tuple(name for name in payment.route if name != delivered.value)
    return (delivered.value, *others)


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
) -> None:
    """Owe news to the staff address where one is set, and to whoever created the payment.

    `notify` is whom else it concerns where there is no payment.
    """
    targets = {payment.notify if payment is not None else notify, rules.staff}
    for number, target in enumerate(sorted(filter(None, targets))):
        at = parse_target(target)
        if at is None or at.channel not in rules.couriers:
            continue
        owe_message(
            tx,
            at,
            Purpose.STAFF,
            {"what": what, "detail": detail},
            key=f"staff:{what}:{key}:{number}",
            customer_id=None if payment is None else payment.customer_id,
            payment_id=None if payment is None else payment.id,
        )


def alarm(
    tx: Tx,
    rules: Rules,
    kind: Alert,
    *,
    key: str,
    detail: str,
    payment: Payment | None = None,
    inbox_id: int | None = None,
) -> None:
    """Open an alert and tell staff, once however often it is raised."""
    is_new = ledger.raise_alert(
        tx,
        kind,
        key=key,
        detail=detail,
        payment_id=None if payment is None else payment.id,
        inbox_id=inbox_id,
    )
    if not is_new:
        return
    if payment is not None:
        ledger.decide(tx, payment.id, f"alert {kind.value}", detail)
    tell_staff(tx, rules, payment, "held", key=f"{kind.value}:{key}", detail=detail)
