"""What staff ask about payments: by the name they have for one, their own, and their sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.identity import person_key
from bot.domain.money import Money
from bot.domain.payment import Payment, PaymentStatus
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.payments import payment_of
from bot.store.rows import bound
from bot.store.schema import card, customer, link, outbox, override, payment
from channels.base import Address, ChannelName

SETTLED = "paid by other means"


def find(tx: Tx, reference: str) -> list[Payment]:
    """Payments with this id, external id or Migo reference, newest first; two at most."""
    with_reference = sa.select(link.c.payment_id).where(link.c.reference == reference)
    statement = (
        sa.select(payment)
        .where(
            (payment.c.id == reference.lower())
            | (payment.c.external_id == reference)
            | payment.c.id.in_(with_reference)
        )
        .order_by(payment.c.created_at.desc(), payment.c.id.desc())
        .limit(2)
    )
    return [payment_of(row) for row in tx.run(statement).mappings()]


def newest(tx: Tx, *, actor_prefix: str | None, limit: int = 10) -> list[Payment]:
    """The newest payments of one member of staff, or of everybody."""
    statement = sa.select(payment).order_by(payment.c.created_at.desc(), payment.c.id.desc())
    if actor_prefix is not None:
        statement = statement.where(payment.c.created_by.startswith(actor_prefix, autoescape=True))
    return [payment_of(row) for row in tx.run(statement.limit(limit)).mappings()]


def asked_since(tx: Tx, *, actor_prefix: str, currency: str, since: datetime) -> int:
    """How much a member of staff asked for since then, in minor units of a currency.

    Cancelled payments count: their links may still be payable.
    """
    statement = sa.select(sa.func.coalesce(sa.func.sum(payment.c.amount_minor), 0)).where(
        payment.c.created_at > since,
        payment.c.currency == currency,
        payment.c.created_by.startswith(actor_prefix, autoescape=True),
    )
    return int(tx.run(statement).scalar_one())


def same_since(tx: Tx, *, phone: str, money: Money, since: datetime) -> Payment | None:
    """The newest payment asked of this number for this amount since then that still stands."""
    statement = (
        sa.select(payment)
        .join(customer, customer.c.id == payment.c.customer_id)
        .where(
            customer.c.person_key == person_key(phone),
            payment.c.amount_minor == money.minor,
            payment.c.currency == money.currency,
            payment.c.created_at > since,
            payment.c.status != PaymentStatus.CANCELLED.value,
        )
        .order_by(payment.c.created_at.desc())
        .limit(1)
    )
    row = tx.run(statement).mappings().first()
    return None if row is None else payment_of(row)


def all_since(tx: Tx, since: datetime) -> set[tuple[str, Money]]:
    """Who was asked since then, by person key, and for how much; what was cancelled is left out."""
    statement = (
        sa.select(customer.c.person_key, payment.c.amount_minor, payment.c.currency)
        .join(customer, customer.c.id == payment.c.customer_id)
        .where(payment.c.created_at > since, payment.c.status != PaymentStatus.CANCELLED.value)
    )
    return {(row.person_key, Money(row.amount_minor, row.currency)) for row in tx.run(statement)}


def is_settled(tx: Tx, payment_id: str) -> bool:
    """Whether a person said that the payment was paid by other means."""
    statement = sa.select(override.c.id).where(
        override.c.payment_id == payment_id, override.c.what == SETTLED
    )
    return tx.run(statement.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class Card:
    """A message in a staff chat that tells how a payment stands.

    `shown` is what it says now, as its owner wrote it; `provider_id` names the message where the
    provider took it, and `is_under_way` is True until it did or could not.
    """

    id: int
    payment_id: str
    to: Address
    outbox_id: int | None
    shown: str
    provider_id: str | None
    is_under_way: bool


def keep_card(tx: Tx, payment_id: str, to: Address, *, outbox_id: int | None, shown: str) -> None:
    """Remember what a card says now, and the message that says it."""
    values: dict[str, object] = {"outbox_id": outbox_id, "shown": shown, "updated_at": tx.now}
    key = {"payment_id": payment_id, "channel": to.channel.value, "address": to.value}
    if not tx.insert_ignoring(card, [key | values], conflict=list(key)):
        which = [card.c[name] == value for name, value in key.items()]
        tx.run(card.update().where(*which).values(**values))


_CARDS = (
    sa.select(card, outbox.c.provider_id, outbox.c.status)
    .outerjoin(outbox, outbox.c.id == card.c.outbox_id)
    .order_by(card.c.id)
)


_CARDS_OF = _CARDS.where(among(card.c.payment_id, "b_ids"))


def cards_of(tx: Tx, payment_ids: Sequence[str]) -> list[Card]:
    """The cards of these payments."""
    rows = tx.run(_CARDS_OF, {"b_ids": list(payment_ids)})
    return [
        Card(
            id=row.id,
            payment_id=row.payment_id,
            to=Address(ChannelName(row.channel), row.address),
            outbox_id=row.outbox_id,
            shown=row.shown or "",
            provider_id=row.provider_id,
            is_under_way=row.status in ("pending", "sending"),
        )
        for row in rows
    ]


def shown_payment(tx: Tx, outbox_id: int) -> str | None:
    """The payment that a message is about, if somebody of staff is shown it."""
    return tx.run(_SHOWN_PAYMENT, {"b_id": outbox_id}).scalar()


_SHOWN_PAYMENT = (
    sa.select(payment.c.id)
    .join(outbox, outbox.c.payment_id == payment.c.id)
    .where(outbox.c.id == bound(outbox.c.id), payment.c.notify.is_not(None))
)


def payments_of_cards(tx: Tx, outbox_ids: Sequence[int]) -> list[str]:
    """The payments whose cards are these messages."""
    statement = sa.select(card.c.payment_id).where(card.c.outbox_id.in_(outbox_ids))
    return list(tx.run(statement).scalars())
