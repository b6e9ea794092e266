"""Reports of money that went back, each of which the books have once."""

from dataclasses import dataclass

import sqlalchemy as sa

from bot.domain.money import Money
from bot.domain.payment import FactStatus, PaymentStatus
from bot.store.engine import Tx
from bot.store.schema import fact, ledger


@dataclass(frozen=True, slots=True)
class Refund:
    """One report of a refund; its amount is None where it names none that can be taken."""

    uid: str
    money: Money | None
    inbox_id: int


def unbooked(tx: Tx, payment_id: str) -> list[Refund]:
    """Refunds of a payment that no ledger entry was made for, oldest first."""
    entry = sa.select(ledger.c.seq).where(
        ledger.c.payment_id == payment_id, ledger.c.cause_inbox_id == fact.c.inbox_id
    )
    rows = tx.run(
        sa.select(fact)
        .where(
            fact.c.payment_id == payment_id,
            fact.c.status == FactStatus.REFUNDED.value,
            ~entry.exists(),
        )
        .order_by(fact.c.id)
    )
    return [
        Refund(
            row.uid,
            None if row.amount_minor is None else Money(row.amount_minor, row.currency),
            row.inbox_id,
        )
        for row in rows
    ]


is_income = (ledger.c.to_status == PaymentStatus.PAID.value) & (
    ledger.c.from_status.is_distinct_from(PaymentStatus.PAID.value)
    | ~sa.exists().where(
        fact.c.inbox_id == ledger.c.cause_inbox_id, fact.c.status == FactStatus.REFUNDED.value
    )
)
"""Entries of money that came: of one that was paid twice a part may go back and it stays paid."""
