"""What customers promised to pay and when, and what they do not recognise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import sqlalchemy as sa

from bot.domain.payment import PaymentStatus
from bot.store.engine import Tx
from bot.store.schema import customer, payment, promise


class PromiseState(StrEnum):
    """Where a promise stands."""

    OPEN = "open"
    """Its day has not passed, or nobody looked yet."""
    KEPT = "kept"
    """The money came."""
    BROKEN = "broken"
    """Its day passed and the money did not come."""
    REPLACED = "replaced"
    """Another promise took its place, or nobody asks for the money any more."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One payment promised for one day."""

    id: int
    customer_id: int
    payment_id: str
    day: date
    state: PromiseState


def make(
    tx: Tx, customer_id: int, payment_id: str, day: date, *, wording: str, channel: str
) -> None:
    """Keep a promise in its customer's words; an open one about the same payment is replaced."""
    tx.run(
        promise.update()
        .where(promise.c.payment_id == payment_id, promise.c.state == PromiseState.OPEN.value)
        .values(state=PromiseState.REPLACED.value, ended_at=tx.now)
    )
    tx.run(
        promise.insert().values(
            customer_id=customer_id,
            payment_id=payment_id,
            promised_on=day.isoformat(),
            wording=wording,
            channel=channel,
            state=PromiseState.OPEN.value,
            made_at=tx.now,
        )
    )


def end(tx: Tx, promise_id: int, state: PromiseState) -> None:
    """End an open promise."""
    tx.run(
        promise.update()
        .where(promise.c.id == promise_id, promise.c.state == PromiseState.OPEN.value)
        .values(state=state.value, ended_at=tx.now)
    )


def newest(tx: Tx, payment_id: str) -> Promise | None:
    """The last promise about a payment, however it ended."""
    statement = (
        sa.select(promise)
        .where(promise.c.payment_id == payment_id)
        .order_by(promise.c.id.desc())
        .limit(1)
    )
    row = tx.run(statement).first()
    return None if row is None else _promise_of(row)


def _promise_of(row: "sa.Row[tuple[object, ...]]") -> Promise:
    return Promise(
        id=row.id,
        customer_id=row.customer_id,
        payment_id=row.payment_id,
        day=date.fromisoformat(row.promised_on),
        state=PromiseState(row.state),
    )


@dataclass(frozen=True, slots=True)
class Due:
    """An open promise that may have ended, with what tells whether it has."""

    promise: Promise
    status: PaymentStatus
    phone: str
    time_zone: str | None


def due(tx: Tx, statuses: Sequence[PaymentStatus], *, limit: int = 500) -> list[Due]:
    """Open promises whose payment left these statuses, or whose day is over somewhere on Earth."""
    statement = (
        sa.select(promise, payment.c.status, customer.c.phone, customer.c.time_zone)
        .join(payment, payment.c.id == promise.c.payment_id)
        .join(customer, customer.c.id == promise.c.customer_id)
        .where(
            promise.c.state == PromiseState.OPEN.value,
            payment.c.status.not_in([status.value for status in statuses])
            | (promise.c.promised_on <= tx.now.date().isoformat()),
        )
        .order_by(promise.c.id)
        .limit(limit)
    )
    return [
        Due(_promise_of(row), PaymentStatus(row.status), row.phone, row.time_zone)
        for row in tx.run(statement)
    ]


def dispute(tx: Tx, payment_id: str, words: str) -> bool:
    """Mark a payment as not recognised; False if it was already."""
    result = tx.run(
        payment.update()
        .where(payment.c.id == payment_id, payment.c.disputed_at.is_(None))
        .values(disputed_at=tx.now, dispute_words=words)
    )
    return result.rowcount == 1


def resolve(tx: Tx, payment_id: str) -> bool:
    """Take the mark away; False if there was none. The words stay."""
    result = tx.run(
        payment.update()
        .where(payment.c.id == payment_id, payment.c.disputed_at.is_not(None))
        .values(disputed_at=None)
    )
    return result.rowcount == 1


def dispute_words(tx: Tx, payment_id: str) -> str | None:
    """What the customer wrote about a payment that they do not recognise; None if they do."""
    statement = sa.select(payment.c.dispute_words).where(
        payment.c.id == payment_id, payment.c.disputed_at.is_not(None)
    )
    found: str | None = tx.run(statement).scalar()
    return found
