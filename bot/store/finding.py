"""Looking for messages that may have left: to whom of ours a provider's id belongs already."""

from collections.abc import Sequence

import sqlalchemy as sa

from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.schema import delivery, outbox


def owners_of(tx: Tx, provider_ids: Sequence[str]) -> dict[str, set[int]]:
    """Which rows were sent under these ids; nobody else takes one of them meanwhile."""
    if not tx.is_sqlite:
        # In one order for everybody, so that two that look at once do not wait for each other.
        for provider_id in sorted(set(provider_ids)):
            tx.run(_LOCK, {"b_id": provider_id})
    rows = tx.run(
        sa.select(delivery.c.provider_id, delivery.c.outbox_id).where(
            delivery.c.provider_id.in_(provider_ids)
        )
    )
    owners: dict[str, set[int]] = {}
    for row in rows:
        owners.setdefault(row.provider_id, set()).add(row.outbox_id)
    return owners


_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("b_id"), 1)))


def has_rival(tx: Tx, item: OutboxItem, *, hides: bool) -> bool:
    """Whether what was found may be another row's, of which nobody can say yet.

    That is one to the same person that is being sent right now. Where messages look alike that are
    not the same, it is also one that may have left and is looked for.
    """
    is_open = (outbox.c.status == "sending") & (outbox.c.looks_left == 0)
    if hides:
        is_open |= outbox.c.status.in_(["sending", "pending"]) & (outbox.c.looks_left > 0)
    to_same = outbox.c.address == item.address
    if item.customer is not None:
        to_same |= outbox.c.customer_id == item.customer.id
    statement = sa.select(outbox.c.id).where(
        is_open,
        outbox.c.id != item.id,
        outbox.c.lane == item.lane,
        outbox.c.purpose == (None if item.purpose is None else item.purpose.value),
        to_same,
    )
    return tx.run(statement.limit(1)).first() is not None
