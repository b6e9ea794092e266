"""The outbox as people look at it: the messages of a payment, and how much waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.store.claims import target
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.schema import customer, outbox


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row as it stands, for showing."""

    id: int
    kind: str
    purpose: str | None
    status: str
    channel: str | None
    address: str | None
    delivery: str | None
    provider_id: str | None
    tries: int
    not_before: datetime
    updated_at: datetime
    last_error: str | None


def rows_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[Row]]:
    """The messages of these payments in order of planning, in one statement."""
    found: dict[str, list[Row]] = {}
    for row in tx.run(_ROWS, {"b_ids": list(payment_ids)}):
        found.setdefault(row.payment_id, []).append(
            Row(
                row.id,
                row.kind,
                row.purpose,
                row.status,
                row.channel,
                row.target,
                row.delivery,
                row.provider_id,
                row.tries,
                row.not_before,
                row.updated_at,
                row.last_error,
            )
        )
    return found


_ROWS = (
    sa.select(outbox, target.label("target"))
    .outerjoin(customer, customer.c.id == outbox.c.customer_id)
    .where(among(outbox.c.payment_id, "b_ids"))
    .order_by(outbox.c.id)
)


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """How much waits, and since when."""

    due: int
    sending: int
    dead: int
    oldest_due_at: datetime | None


def figures(tx: Tx) -> QueueFigures:
    """The state of the queue for metrics and readiness."""
    due = (outbox.c.status == "pending") & (outbox.c.not_before <= tx.now)
    row = tx.run(
        sa.select(
            sa.func.count().label("number"), sa.func.min(outbox.c.not_before).label("oldest_at")
        ).where(due)
    ).one()
    grouped = tx.run(
        sa.select(outbox.c.status, sa.func.count().label("number"))
        .where(outbox.c.status.in_(["sending", "dead"]))
        .group_by(outbox.c.status)
    )
    counts = {row.status: row.number for row in grouped}
    return QueueFigures(
        due=row.number,
        sending=counts.get("sending", 0),
        dead=counts.get("dead", 0),
        oldest_due_at=row.oldest_at,
    )
