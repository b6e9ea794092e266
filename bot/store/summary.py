"""What a day brought, for those who run the shop. Reads only, and each table once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import UNPAID, Alert, PaymentStatus
from bot.store.engine import Tx
from bot.store.refunds import is_income
from bot.store.schema import alert, decision, delivery, ledger, outbox, payment

NOT_REMINDED = "reminder not sent"
"""What is decided of a reminder that is let go."""


@dataclass(frozen=True, slots=True)
class Day:
    """Counts of the day and of those before it, oldest first, the day itself last.

    `income` is what came that day and `owed` what is open now, one sum a currency.
    """

    sent: tuple[int, ...]
    paid: tuple[int, ...]
    income: tuple[Money, ...]
    owed: tuple[Money, ...]
    open: int
    held: int
    failed: int
    reminders: int
    reminders_dropped: int
    alerts: int


def is_planned(tx: Tx, key: str) -> bool:
    """Whether an outbox row of this key exists."""
    statement = sa.select(outbox.c.id).where(outbox.c.key == key)
    return tx.run(statement).first() is not None


def read_day(tx: Tx, starts: Sequence[datetime]) -> Day:
    """Add up what happened.

    Args:
        tx: the transaction.
        starts: when each day began, oldest first, and at the end when the last one ends.
    """
    today = starts[-2]
    statuses = _open_payments(tx)
    return Day(
        sent=_sent(tx, starts, Purpose.LINK),
        paid=_per_day(tx, ledger.c.at, starts, is_income),
        income=_income(tx, today),
        owed=tuple(Money(minor, code) for code, (_, minor) in sorted(statuses.items())),
        open=sum(number for number, _ in statuses.values()),
        held=_count(tx, payment.c.status == PaymentStatus.HELD.value),
        failed=_count(tx, alert.c.kind == Alert.UNDELIVERABLE.value, alert.c.raised_at >= today),
        reminders=_sent(tx, starts[-2:], Purpose.REMINDER)[-1],
        reminders_dropped=_count(tx, decision.c.what == NOT_REMINDED, decision.c.at >= today),
        alerts=_count(tx, alert.c.closed_at.is_(None)),
    )


def _count(tx: Tx, *which: "sa.ColumnElement[bool]") -> int:
    return int(tx.run(sa.select(sa.func.count()).where(*which)).scalar_one())


def _sent(tx: Tx, starts: Sequence[datetime], purpose: Purpose) -> tuple[int, ...]:
    """Messages of a purpose that a provider took, day by day."""
    which = (delivery.c.outcome == "accepted") & (outbox.c.purpose == purpose.value)
    source = delivery.join(outbox, outbox.c.id == delivery.c.outbox_id)
    return _per_day(tx, delivery.c.at, starts, which, source=source)


def _per_day(
    tx: Tx,
    at: "sa.ColumnElement[datetime]",
    starts: Sequence[datetime],
    which: "sa.ColumnElement[bool]",
    *,
    source: "sa.FromClause | None" = None,
) -> tuple[int, ...]:
    days = itertools.pairwise(starts)
    sums = [
        sa.func.coalesce(sa.func.sum(sa.case(((at >= start) & (at < end), 1), else_=0)), 0)
        for start, end in days
    ]
    statement = sa.select(*sums).where(which, at >= starts[0])
    if source is not None:
        statement = statement.select_from(source)
    return tuple(map(int, tx.run(statement).one()))


def _income(tx: Tx, since: datetime) -> tuple[Money, ...]:
    statement = (
        sa.select(ledger.c.currency, sa.func.sum(ledger.c.amount_minor).label("minor"))
        .where(
            is_income,
            ledger.c.currency.is_not(None),
            ledger.c.at >= since,
        )
        .group_by(ledger.c.currency)
        .order_by(ledger.c.currency)
    )
    return tuple(Money(int(row.minor), row.currency) for row in tx.run(statement))


def _open_payments(tx: Tx) -> dict[str, tuple[int, int]]:
    """How many payments are asked for in each currency, and what they make."""
    statement = (
        sa.select(
            payment.c.currency,
            sa.func.count().label("number"),
            sa.func.sum(payment.c.amount_minor).label("minor"),
        )
        .where(payment.c.status.in_([status.value for status in UNPAID]))
        .group_by(payment.c.currency)
    )
    return {row.currency: (row.number, int(row.minor)) for row in tx.run(statement)}
