"""Callbacks that were refused and may matter all the same: kept for a person, never acted on."""

import hashlib
from enum import StrEnum

import sqlalchemy as sa

from bot.store.engine import Tx
from bot.store.schema import quarantine

MOST = 1_000
"""Of each kind: who sends them has proved nothing, and may send as many as they like."""


class Why(StrEnum):
    """What a callback was refused for."""

    WRONG_KEY = "wrong_key"
    """It names one of our transactions and came without the right key."""
    TOO_LARGE = "too_large"
    """It came with the right key and is larger than any callback; only its start is kept."""


def keep(tx: Tx, why: Why, body: bytes) -> int | None:
    """Keep some bytes once; their row, or None where there is no room left for them."""
    digest = hashlib.sha256(body).hexdigest()
    known = tx.run(
        sa.select(quarantine.c.id).where(
            quarantine.c.why == why.value, quarantine.c.body_hash == digest
        )
    ).scalar()
    if known is not None:
        return int(known)
    kept = tx.run(
        sa.select(sa.func.count()).select_from(quarantine).where(quarantine.c.why == why.value)
    ).scalar_one()
    if kept >= MOST:
        return None
    row: dict[str, object] = {
        "why": why.value,
        "body_hash": digest,
        "body": body,
        "received_at": tx.now,
    }
    ids = tx.insert_ignoring(quarantine, [row], conflict=("why", "body_hash"))
    return ids[0] if ids else None
