"""Files of payments: what was checked, which rows became payments, and where they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.bulk import BulkRow
from bot.domain.bulk_row import write_faults
from bot.domain.money import Money
from bot.store.engine import Tx
from bot.store.schema import batch, batch_row, outbox, payment

_CHUNK = 500

CHECKED, SENDING, PAUSED, DONE, CANCELLED = "checked", "sending", "paused", "done", "cancelled"
MOVES: Mapping[str, frozenset[str]] = {
    SENDING: frozenset({CHECKED, PAUSED}),
    PAUSED: frozenset({SENDING}),
    CANCELLED: frozenset({CHECKED, SENDING, PAUSED}),
    DONE: frozenset({SENDING}),
}
"""From where each state may be entered; nothing leads out of done and cancelled."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One file; `ended_at` is when nothing of it was under way any more."""

    id: str
    created_by: str
    notify: str | None
    filename: str
    status: str
    total: int
    created_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `request` is what `RowRequest.document` wrote, None for a wrong row."""

    id: int
    number: int
    state: str
    cells: Mapping[str, str]
    request: Mapping[str, object] | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a ready row."""

    row_id: int
    state: str
    payment_id: str | None = None
    reason: str | None = None


def insert(
    tx: Tx,
    batch_id: str,
    rows: Sequence[BulkRow],
    *,
    filename: str,
    created_by: str,
    notify: str | None,
) -> Batch:
    """Keep a checked file with all its rows, wrong ones too."""
    tx.run(
        batch.insert().values(
            id=batch_id,
            created_by=created_by,
            notify=notify,
            filename=filename[:200],
            status=CHECKED,
            total=len(rows),
            created_at=tx.now,
        )
    )
    tx.insert_many(batch_row, [_values_of(batch_id, row) for row in rows])
    return _must_read(tx, batch_id)


def _values_of(batch_id: str, row: BulkRow) -> dict[str, object]:
    request = None if row.request is None else row.request.document()
    return {
        "batch_id": batch_id,
        "row_no": row.number,
        "state": "wrong" if request is None else "ready",
        "request": {"cells": dict(row.cells), "request": request},
        "reason": write_faults(row.faults) or None,
    }


def read(tx: Tx, batch_id: str) -> Batch | None:
    """The batch with this id."""
    row = tx.run(sa.select(batch).where(batch.c.id == batch_id)).mappings().first()
    return None if row is None else _batch_of(row)


def _must_read(tx: Tx, batch_id: str) -> Batch:
    found = read(tx, batch_id)
    if found is None:
        raise LookupError(f"there is no batch {batch_id}")
    return found


def _batch_of(row: RowMapping) -> Batch:
    return Batch(**{name: row[name] for name in Batch.__dataclass_fields__})


def move(tx: Tx, batch_id: str, to: str) -> bool:
    """Move a batch where `MOVES` allows it; False if it is somewhere else by now."""
    values: dict[str, object] = {"status": to}
    if to == SENDING:
        values["confirmed_at"] = sa.func.coalesce(
            batch.c.confirmed_at, sa.literal(tx.now, batch.c.confirmed_at.type)
        )
    result = tx.run(
        batch.update().where(batch.c.id == batch_id, batch.c.status.in_(MOVES[to])).values(**values)
    )
    return result.rowcount == 1


def end(tx: Tx, batch_id: str) -> None:
    """Note that nothing of a batch is under way any more."""
    tx.run(
        batch.update()
        .where(batch.c.id == batch_id, batch.c.ended_at.is_(None))
        .values(ended_at=tx.now)
    )


def sending(tx: Tx, *, limit: int = 10) -> list[Batch]:
    """Batches being sent out, the longest confirmed first, held by this transaction alone."""
    statement = (
        sa.select(batch)
        .where(batch.c.status == SENDING)
        .order_by(batch.c.confirmed_at, batch.c.id)
        .limit(limit)
    )
    if not tx.is_sqlite:
        statement = statement.with_for_update(skip_locked=True)
    return [_batch_of(row) for row in tx.run(statement).mappings()]


def unended(tx: Tx, *, limit: int = 50) -> list[Batch]:
    """Confirmed batches of which something may still be under way, oldest first."""
    statement = (
        sa.select(batch)
        .where(batch.c.confirmed_at.is_not(None), batch.c.ended_at.is_(None))
        .order_by(batch.c.confirmed_at, batch.c.id)
        .limit(limit)
    )
    return [_batch_of(row) for row in tx.run(statement).mappings()]


def ready(tx: Tx, batch_id: str, *, limit: int) -> list[Row]:
    """The next rows to become payments, in the order of the file."""
    statement = (
        sa.select(batch_row)
        .where(batch_row.c.batch_id == batch_id, batch_row.c.state == "ready")
        .order_by(batch_row.c.batch_id, batch_row.c.row_no)
        .limit(limit)
    )
    if not tx.is_sqlite:
        statement = statement.with_for_update(skip_locked=True)
    return [row_of(row) for row in tx.run(statement).mappings()]


def ready_amounts(tx: Tx, batch_id: str) -> list[Money]:
    """What the rows that are no payment yet ask for."""
    request = batch_row.c.request["request"]
    statement = sa.select(
        request["minor"].as_integer().label("minor"),
        request["currency"].as_string().label("currency"),
    ).where(batch_row.c.batch_id == batch_id, batch_row.c.state == "ready")
    return [Money(row.minor, row.currency) for row in tx.run(statement)]


def still_to_ask(tx: Tx, *, actor_prefix: str, currency: str) -> int:
    """What confirmed files of a member of staff have yet to ask for, in minor units."""
    request = batch_row.c.request["request"]
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(request["minor"].as_integer()), 0))
        .join(batch, batch.c.id == batch_row.c.batch_id)
        .where(
            batch.c.status.in_([SENDING, PAUSED]),
            batch.c.created_by.startswith(actor_prefix, autoescape=True),
            batch_row.c.state == "ready",
            request["currency"].as_string() == currency,
        )
    )
    return int(tx.run(statement).scalar_one())


def row_of(row: RowMapping) -> Row:
    """Read a row from one that has the batch_row table's columns."""
    kept = row["request"]
    return Row(
        row["id"], row["row_no"], row["state"], kept["cells"], kept["request"], row["reason"]
    )


def mark(tx: Tx, marks: Sequence[Mark]) -> None:
    """Write what became of ready rows; a row is marked once."""
    tx.run_many(
        _MARK,
        [
            {
                "row_id": each.row_id,
                "new_state": each.state,
                "made_id": each.payment_id,
                "new_reason": each.reason,
            }
            for each in marks
        ],
    )


_MARK = (
    batch_row.update()
    .where(batch_row.c.id == sa.bindparam("row_id"), batch_row.c.state == "ready")
    .values(
        state=sa.bindparam("new_state"),
        payment_id=sa.bindparam("made_id"),
        reason=sa.bindparam("new_reason"),
    )
)


def known_references(tx: Tx, references: Sequence[str]) -> set[str]:
    """Which of these references belong to payments on the books."""
    found: set[str] = set()
    for start in range(0, len(references), _CHUNK):
        chunk = list(references[start : start + _CHUNK])
        statement = sa.select(payment.c.external_id).where(payment.c.external_id.in_(chunk))
        found.update(tx.run(statement).scalars())
    return found


def waiting_in(tx: Tx, lane: str, *, most: int) -> int:
    """How many things of a lane are due or under way, counted up to `most`."""
    due = (outbox.c.status == "pending") & (outbox.c.not_before <= tx.now)
    which = (
        sa.select(outbox.c.id)
        .where(outbox.c.lane == lane, due | (outbox.c.status == "sending"))
        .limit(most)
    )
    return int(tx.run(sa.select(sa.func.count()).select_from(which.subquery())).scalar_one())


@dataclass(frozen=True, slots=True)
class Card:
    """The message that shows a batch's progress; `provider_id` once the provider has it."""

    status: str
    provider_id: str | None


def card(tx: Tx, key: str) -> Card | None:
    """The message planned under this key."""
    statement = sa.select(outbox.c.status, outbox.c.provider_id).where(outbox.c.key == key)
    row = tx.run(statement).first()
    return None if row is None else Card(row.status, row.provider_id)


def drop_waiting_cards(tx: Tx, *, lane: str, address: str, prefix: str) -> None:
    """Cancel edits of a card that have not left: a newer one says more."""
    tx.run(
        outbox.update()
        .where(
            outbox.c.lane == lane,
            outbox.c.status == "pending",
            outbox.c.address == address,
            outbox.c.key.startswith(prefix, autoescape=True),
        )
        .values(status="cancelled", last_error="a newer one says more", updated_at=tx.now)
    )


def forget_files(tx: Tx, item_ids: Sequence[int]) -> None:
    """Take the content of files out of messages that have ended."""
    if not item_ids:
        return
    rows = tx.run(
        sa.select(outbox.c.id, outbox.c.payload).where(
            outbox.c.id.in_(list(item_ids)), outbox.c.status.not_in(["pending", "sending"])
        )
    ).all()
    for row in rows:
        if row.payload.get("file"):
            tx.run(
                outbox.update()
                .where(outbox.c.id == row.id)
                .values(payload={**row.payload, "file": None})
            )
