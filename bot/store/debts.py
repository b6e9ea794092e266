"""What one customer owes and paid, as their chat shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.money import Money
from bot.domain.payment import UNPAID, Link, Payment, PaymentStatus
from bot.store.engine import Tx
from bot.store.links import link_of
from bot.store.payments import payment_of
from bot.store.schema import ledger, link, payment

_KEPT = timedelta(days=90)
_SHOWN = (*UNPAID, PaymentStatus.HELD, PaymentStatus.EXPIRED, PaymentStatus.PAID)


@dataclass(frozen=True, slots=True)
class Account:
    """One payment of a customer, its links, oldest first, and when and what was paid, if it was.

    `is_disputed` is set where the customer does not recognise it and no person has settled that.
    """

    payment: Payment
    links: tuple[Link, ...]
    paid_at: datetime | None
    paid: Money | None = None
    is_disputed: bool = False

    @property
    def live_link(self) -> Link | None:
        """The link that may be shown, if there is one."""
        live = [each for each in self.links if each.superseded_at is None]
        return live[-1] if live else None


def of_customer(tx: Tx, customer_id: int, *, limit: int = 60) -> list[Account]:
    """The payments of the last 90 days that are open, expired, held or paid, oldest first."""
    statement = (
        sa.select(payment)
        .where(
            payment.c.customer_id == customer_id,
            payment.c.status.in_([status.value for status in _SHOWN]),
            payment.c.created_at > tx.now - _KEPT,
        )
        .order_by(payment.c.created_at.desc(), payment.c.id.desc())
        .limit(limit)
    )
    rows = tx.run(statement).mappings().all()[::-1]
    ids = [row["id"] for row in rows]
    links, paid = _links_of(tx, ids), _paid(tx, ids)
    return [
        _account(row, links.get(row["id"], ()), *paid.get(row["id"], (None, None))) for row in rows
    ]


def _account(
    row: RowMapping, links: Sequence[Link], paid_at: datetime | None, paid: Money | None
) -> Account:
    is_disputed = row["disputed_at"] is not None
    return Account(payment_of(row), tuple(links), paid_at, paid, is_disputed)


def _links_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = {}
    statement = sa.select(link).where(link.c.payment_id.in_(list(payment_ids))).order_by(link.c.id)
    for row in tx.run(statement).mappings() if payment_ids else ():
        found.setdefault(row["payment_id"], []).append(link_of(row))
    return found


def _paid(tx: Tx, payment_ids: Sequence[str]) -> dict[str, tuple[datetime, Money | None]]:
    """When money of these payments moved last, and how much made each of them paid."""
    if not payment_ids:
        return {}
    statement = (
        sa.select(ledger.c.payment_id, ledger.c.at, ledger.c.amount_minor, ledger.c.currency)
        .where(
            ledger.c.payment_id.in_(list(payment_ids)),
            ledger.c.to_status == PaymentStatus.PAID.value,
        )
        .order_by(ledger.c.payment_id, ledger.c.version)
    )
    found: dict[str, tuple[datetime, Money | None]] = {}
    for row in tx.run(statement):
        money = None if row.amount_minor is None else Money(row.amount_minor, row.currency)
        _, first = found.get(row.payment_id, (row.at, money))
        found[row.payment_id] = (row.at, first)
    return found
