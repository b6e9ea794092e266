"""Reports of money that went back, each of which the books have once."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from bot.domain.money import Money
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.store.engine import Tx
from bot.store.schema import RETURNED_FACT, alert, fact, ledger


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

_LOOKED_AT_FOR = timedelta(days=7)


def without_approval(tx: Tx, *, older_than: timedelta) -> list[tuple[str, str]]:
    """Uids, and their payments, of which only the return was reported, and nobody was told."""
    approved = fact.alias()
    key = sa.literal(f"{Alert.RETURN_WITHOUT_APPROVAL.value}:") + fact.c.uid
    rows = tx.run(
        sa.select(fact.c.uid, fact.c.payment_id)
        .distinct()
        .where(
            sa.text(RETURNED_FACT),
            fact.c.received_at <= tx.now - older_than,
            fact.c.received_at > tx.now - _LOOKED_AT_FOR,
            fact.c.payment_id.is_not(None),
            ~sa.exists().where(
                approved.c.uid == fact.c.uid,
                approved.c.status == FactStatus.APPROVED.value,
            ),
            ~sa.exists().where(alert.c.key == key),
        )
        .order_by(fact.c.uid)
    )
    return [(row.uid, row.payment_id) for row in rows]
