"""The books: every move of a payment, every decision, every alert, every person's override.

Rows here are only added; an alert may be closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.money import Money
from bot.domain.payment import Alert, PaymentStatus
from bot.store.engine import Tx
from bot.store.schema import alert, decision, inbox, ledger, override

_ENTER = ledger.insert()
_DECIDE = decision.insert()


def enter(
    tx: Tx,
    payment_id: str,
    *,
    version: int,
    old: PaymentStatus | None,
    new: PaymentStatus,
    why: str,
    uid: str | None = None,
    money: Money | None = None,
    cause_inbox_id: int | None = None,
) -> None:
    """Write one move; a version can be entered only once."""
    tx.run(
        _ENTER,
        {
            "payment_id": payment_id,
            "version": version,
            "from_status": None if old is None else old.value,
            "to_status": new.value,
            "uid": uid,
            "amount_minor": None if money is None else money.minor,
            "currency": None if money is None else money.currency,
            "cause_inbox_id": cause_inbox_id,
            "why": why,
            "at": tx.now,
        },
    )


def decide(
    tx: Tx,
    payment_id: str,
    what: str,
    why: str,
    *,
    next_at: datetime | None = None,
    outbox_id: int | None = None,
) -> None:
    """Keep what was decided about a payment, and the reason, for whoever asks later."""
    tx.run(
        _DECIDE,
        {
            "payment_id": payment_id,
            "outbox_id": outbox_id,
            "what": what,
            "why": why,
            "next_at": next_at,
            "at": tx.now,
        },
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a payment and why; `next_at` is the next possible time."""

    payment_id: str
    what: str
    why: str
    outbox_id: int | None = None
    next_at: datetime | None = None


def decide_all(tx: Tx, decisions: Sequence[Decision]) -> None:
    """Keep a batch of decisions in one statement."""
    rows: list[dict[str, object]] = [
        {
            "payment_id": each.payment_id,
            "outbox_id": each.outbox_id,
            "what": each.what,
            "why": each.why,
            "next_at": each.next_at,
            "at": tx.now,
        }
        for each in decisions
    ]
    tx.insert_many(decision, rows)


def raise_alert(
    tx: Tx,
    kind: Alert,
    *,
    key: str,
    detail: str,
    payment_id: str | None = None,
    inbox_id: int | None = None,
    reopens: bool = False,
) -> bool:
    """Open an alert for a person; False if this one was raised before.

    One that `reopens` is raised anew once it was closed.
    """
    made = tx.insert_ignoring(
        alert,
        [
            {
                "key": f"{kind.value}:{key}",
                "kind": kind.value,
                "payment_id": payment_id,
                "inbox_id": inbox_id,
                "detail": detail,
                "raised_at": tx.now,
            }
        ],
        conflict=["key"],
    )
    return bool(made) or (reopens and _reopen(tx, f"{kind.value}:{key}", detail))


def _reopen(tx: Tx, full_key: str, detail: str) -> bool:
    result = tx.run(
        alert.update()
        .where(alert.c.key == full_key, alert.c.closed_at.is_not(None))
        .values(detail=detail, raised_at=tx.now, closed_at=None, closed_by=None)
    )
    return result.rowcount == 1


def close_alert(tx: Tx, kind: Alert, *, key: str, by: str) -> bool:
    """Say that an alert needs nobody any more; False if it was not open."""
    result = tx.run(
        alert.update()
        .where(alert.c.key == f"{kind.value}:{key}", alert.c.closed_at.is_(None))
        .values(closed_at=tx.now, closed_by=by)
    )
    return result.rowcount == 1


def was_raised(tx: Tx, kind: Alert, *, key: str) -> bool:
    """Whether this alert was ever raised, open or closed."""
    statement = sa.select(alert.c.id).where(alert.c.key == f"{kind.value}:{key}")
    return tx.run(statement).first() is not None


def is_open(tx: Tx, kind: Alert, *, key: str) -> bool:
    """Whether this alert still waits for a person."""
    statement = sa.select(alert.c.id).where(
        alert.c.key == f"{kind.value}:{key}", alert.c.closed_at.is_(None)
    )
    return tx.run(statement).first() is not None


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """Something that waits for a person."""

    id: int
    kind: Alert
    payment_id: str | None
    detail: str
    raised_at: datetime


def open_alerts(tx: Tx, *, payment_id: str | None = None, limit: int = 100) -> list[OpenAlert]:
    """What waits for a person, oldest first."""
    statement = (
        sa.select(alert).where(alert.c.closed_at.is_(None)).order_by(alert.c.id).limit(limit)
    )
    if payment_id is not None:
        statement = statement.where(alert.c.payment_id == payment_id)
    return [
        OpenAlert(row.id, Alert(row.kind), row.payment_id, row.detail, row.raised_at)
        for row in tx.run(statement)
    ]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An alert, open or closed, with the bytes that it is about where there are any."""

    alert: OpenAlert
    source: str | None
    received_at: datetime | None
    body: bytes | None


def evidence_of(tx: Tx, alert_id: int) -> Evidence | None:
    """What a person needs to judge an alert; None if none has this id."""
    statement = (
        sa.select(alert, inbox.c.source, inbox.c.received_at, inbox.c.body)
        .outerjoin(inbox, inbox.c.id == alert.c.inbox_id)
        .where(alert.c.id == alert_id)
    )
    row = tx.run(statement).first()
    if row is None:
        return None
    found = OpenAlert(row.id, Alert(row.kind), row.payment_id, row.detail, row.raised_at)
    return Evidence(found, row.source, row.received_at, row.body)


def close_alert_by_id(tx: Tx, alert_id: int, *, by: str) -> OpenAlert | None:
    """Say that an alert needs nobody any more; None if none with this id was open."""
    row = tx.run(
        alert.update()
        .where(alert.c.id == alert_id, alert.c.closed_at.is_(None))
        .values(closed_at=tx.now, closed_by=by)
        .returning(alert)
    ).first()
    if row is None:
        return None
    return OpenAlert(row.id, Alert(row.kind), row.payment_id, row.detail, row.raised_at)


def count_open_alerts(tx: Tx) -> dict[str, int]:
    """How many alerts of each kind wait for a person."""
    statement = (
        sa.select(alert.c.kind, sa.func.count().label("number"))
        .where(alert.c.closed_at.is_(None))
        .group_by(alert.c.kind)
    )
    return {row.kind: row.number for row in tx.run(statement)}


def record_override(tx: Tx, payment_id: str, *, who: str, what: str, wording: str) -> int:
    """Keep a person's decision; what it allows refers to it by its id."""
    result = tx.run(
        override.insert()
        .values(payment_id=payment_id, who=who, what=what, wording=wording, at=tx.now)
        .returning(override.c.id)
    )
    return int(result.scalar_one())
