"""Payments: what was asked and where it stands. Every move leaves a ledger entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bot.domain.money import Money
from bot.domain.payment import (
    UNPAID,
    Customer,
    Payment,
    PaymentId,
    PaymentStatus,
    may_move,
)
from bot.store import ledger
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.people import customer_of
from bot.store.rows import bound, reader
from bot.store.schema import customer, payment


class IllegalMoveError(Exception):
    """The payment cannot go there from where it is."""


class TakenError(Exception):
    """Somebody else wrote a payment under the same key or external id a moment ago."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment as asked for, checked and complete."""

    id: PaymentId
    customer_id: int
    money: Money
    route: tuple[str, ...]
    concept: str | None
    external_id: str | None
    idempotency_key: str | None
    request_hash: str
    created_by: str
    notify: str | None
    reminders: object
    send_at: datetime | None
    due_at: datetime | None
    expires_at: datetime | None


def request_hash(body: Mapping[str, object]) -> str:
    """A fingerprint of a request, to tell a repeat from another request under the same key."""
    return hashlib.sha256(
        json.dumps(body, sort_keys=True, default=str, separators=(",", ":")).encode()
    ).hexdigest()


COLUMNS = tuple(
    payment.c[name]
    for name in (
        "id",
        "customer_id",
        "amount_minor",
        "currency",
        "status",
        "route",
        "concept",
        "external_id",
        "created_by",
        "created_at",
        "version",
        "send_at",
        "due_at",
        "expires_at",
        "is_overpaid",
        "is_multi_link",
        "held_reason",
        "notify",
    )
)
"""What `payment_of` reads, in the order of its fields."""


_values = reader(COLUMNS)


def payment_of(row: RowMapping, prefix: str = "") -> Payment:
    """Read a payment from a row that has `COLUMNS` under `prefix`."""
    values = _values(prefix)(row)
    payment_id, customer_id, minor, currency, status, route, concept, external_id = values[:8]
    created_by, created_at, version, send_at, due_at, expires_at, *flags, held, notify = values[8:]
    is_overpaid, is_multi_link = flags
    return Payment(
        PaymentId(payment_id),
        customer_id,
        Money(minor, currency),
        PaymentStatus(status),
        tuple(route),
        concept,
        external_id,
        created_by,
        created_at,
        version,
        send_at,
        due_at,
        expires_at,
        bool(is_overpaid),
        bool(is_multi_link),
        held,
        notify,
    )


def insert(tx: Tx, new: NewPayment) -> None:
    """Write a new payment and its first ledger entry.

    Raises:
        TakenError: its external id or idempotency key is taken; this transaction is lost.
    """
    try:
        tx.run(_INSERT, _values_of(tx, new))
    except IntegrityError as error:
        raise TakenError from error
    ledger.enter(tx, new.id, version=0, old=None, new=PaymentStatus.REQUESTED, why=new.created_by)


_INSERT = payment.insert()


def _values_of(tx: Tx, new: NewPayment) -> dict[str, object]:
    return {
        "id": new.id,
        "customer_id": new.customer_id,
        "amount_minor": new.money.minor,
        "currency": new.money.currency,
        "status": PaymentStatus.REQUESTED.value,
        "version": 0,
        "route": list(new.route),
        "concept": new.concept,
        "external_id": new.external_id,
        "idempotency_key": new.idempotency_key,
        "request_hash": new.request_hash,
        "created_by": new.created_by,
        "notify": new.notify,
        "reminders": new.reminders,
        "send_at": new.send_at,
        "due_at": new.due_at,
        "expires_at": new.expires_at,
        "created_at": tx.now,
        "updated_at": tx.now,
    }


def read(tx: Tx, payment_id: str, *, lock: bool = False) -> Payment | None:
    """The payment with this id; locked until the transaction ends, where asked and supported."""
    statement = _READ_LOCKED if lock and not tx.is_sqlite else _READ
    row = tx.run(statement, {"b_id": payment_id}).mappings().first()
    return None if row is None else payment_of(row)


_READ = sa.select(payment).where(payment.c.id == sa.bindparam("b_id"))
# The weaker kind of lock: rows that refer to the payment may be written by others meanwhile.
_READ_LOCKED = _READ.with_for_update(key_share=True)


def find_repeat(
    tx: Tx, *, idempotency_key: str | None, external_id: str | None
) -> tuple[Payment, str] | None:
    """The payment that already has this key or external id, and the hash of its request."""
    for statement, value in ((_BY_KEY, idempotency_key), (_BY_EXTERNAL_ID, external_id)):
        if value is None:
            continue
        row = tx.run(statement, {"b_value": value}).mappings().first()
        if row is not None:
            return payment_of(row), str(row["request_hash"])
    return None


_BY_KEY, _BY_EXTERNAL_ID = (
    sa.select(payment).where(column == bound(column, "value"))
    for column in (payment.c.idempotency_key, payment.c.external_id)
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of payments ended: newest first."""

    created_at: datetime
    id: str


def page(
    tx: Tx,
    *,
    statuses: Sequence[PaymentStatus] = (),
    channel: str | None = None,
    created_after: datetime | None = None,
    before: Cursor | None = None,
    limit: int = 50,
) -> list[Payment]:
    """Payments, newest first, `limit` at most.

    Args:
        tx: the transaction.
        statuses: only these; all of them if empty.
        channel: only those whose route starts with it.
        created_after: only those made later.
        before: only those after this cursor in the listing.
        limit: how many at most.
    """
    statement = sa.select(payment).order_by(payment.c.created_at.desc(), payment.c.id.desc())
    if statuses:
        statement = statement.where(payment.c.status.in_([status.value for status in statuses]))
    if channel is not None:
        # JSON text of a route begins with its first channel on both engines.
        statement = statement.where(sa.cast(payment.c.route, sa.Text).like(f'["{channel}"%'))
    if created_after is not None:
        statement = statement.where(payment.c.created_at > created_after)
    if before is not None:
        statement = statement.where(
            sa.tuple_(payment.c.created_at, payment.c.id)
            < sa.tuple_(
                sa.literal(before.created_at, type_=payment.c.created_at.type),
                sa.literal(before.id),
            )
        )
    return [payment_of(row) for row in tx.run(statement.limit(limit)).mappings()]


def move(
    tx: Tx,
    current: Payment,
    new: PaymentStatus,
    *,
    why: str,
    uid: str | None = None,
    money: Money | None = None,
    cause_inbox_id: int | None = None,
    held_reason: str | None = None,
) -> Payment:
    """Move a payment by the table and write the ledger entry; one conditional statement.

    Raises:
        IllegalMoveError: the table forbids it, or somebody else moved the payment first.
    """
    if not may_move(current.status, new):
        raise IllegalMoveError(f"{current.status} may not become {new}")
    return _advance(
        tx,
        current,
        new,
        why=why,
        uid=uid,
        money=money,
        cause_inbox_id=cause_inbox_id,
        held_reason=held_reason,
    )


def _advance(
    tx: Tx,
    current: Payment,
    new: PaymentStatus,
    *,
    why: str,
    uid: str | None,
    money: Money | None,
    cause_inbox_id: int | None,
    held_reason: str | None,
) -> Payment:
    """Write the new version and its ledger entry, if nobody did meanwhile."""
    result = tx.run(
        _MOVE,
        {
            "b_id": current.id,
            "b_version": current.version,
            "b_status": current.status.value,
            "b_new_status": new.value,
            "b_new_version": current.version + 1,
            "b_now": tx.now,
            "b_held_reason": held_reason,
        },
    )
    if result.rowcount != 1:
        raise IllegalMoveError(f"payment {current.id} was moved by somebody else")
    ledger.enter(
        tx,
        current.id,
        version=current.version + 1,
        old=current.status,
        new=new,
        why=why,
        uid=uid,
        money=money,
        cause_inbox_id=cause_inbox_id,
    )
    version = current.version + 1
    return replace(current, status=new, version=version, held_reason=held_reason)


def book(
    tx: Tx, current: Payment, *, uid: str, money: Money, why: str, cause_inbox_id: int | None
) -> Payment:
    """Enter money that moved without moving the payment, as a second link that was paid.

    Raises:
        IllegalMoveError: somebody else moved the payment first.
    """
    return _advance(
        tx,
        current,
        current.status,
        why=why,
        uid=uid,
        money=money,
        cause_inbox_id=cause_inbox_id,
        held_reason=current.held_reason,
    )


_MOVE = (
    payment.update()
    .where(
        payment.c.id == sa.bindparam("b_id"),
        payment.c.version == sa.bindparam("b_version"),
        payment.c.status == sa.bindparam("b_status"),
    )
    .values(
        status=sa.bindparam("b_new_status"),
        version=sa.bindparam("b_new_version"),
        updated_at=sa.bindparam("b_now", type_=payment.c.updated_at.type),
        held_reason=sa.bindparam("b_held_reason"),
    )
)


def set_expiry(tx: Tx, payment_id: str, expires_at: datetime) -> None:
    """Give a payment a new end of its time."""
    tx.run(payment.update().where(payment.c.id == payment_id).values(expires_at=expires_at))


def flag_overpaid(tx: Tx, payment_id: str) -> None:
    """Remember that two links of this payment were paid."""
    tx.run(payment.update().where(payment.c.id == payment_id).values(is_overpaid=True))


def flag_multi_link(tx: Tx, payment_id: str) -> None:
    """Remember that two links of this payment may be in somebody's hands."""
    tx.run(payment.update().where(payment.c.id == payment_id).values(is_multi_link=True))


def expired(tx: Tx, *, limit: int) -> list[Payment]:
    """Payments whose time has run out and that are still asked for, in one order for all."""
    statement = (
        sa.select(payment)
        .where(
            payment.c.status.in_([status.value for status in UNPAID]),
            payment.c.expires_at <= tx.now,
        )
        .order_by(payment.c.id)
        .limit(limit)
    )
    return [payment_of(row) for row in tx.run(statement).mappings()]


def customers_of(tx: Tx, payments: Sequence[Payment]) -> dict[int, Customer]:
    """The customers of these payments by id, in one statement."""
    ids = {item.customer_id for item in payments}
    rows = tx.run(_CUSTOMERS, {"b_ids": list(ids)}).mappings()
    return {row["id"]: customer_of(row) for row in rows}


_CUSTOMERS = sa.select(customer).where(among(customer.c.id, "b_ids"))
