"""Reminders as rows of the outbox: put off, reworded, taken up again, given back their dates."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.store.engine import Tx
from bot.store.outbox import NewItem, topic
from bot.store.schema import outbox, reminder_slot


def put_off(tx: Tx, outbox_id: int, *, at: datetime, give_up_at: datetime, why: str) -> None:
    """Give a reminder back to wait until `at`, as if it had not been claimed."""
    was_claimed = outbox.c.status == "sending"
    tx.run(
        outbox.update()
        .where(outbox.c.id == outbox_id)
        .values(
            status="pending",
            attempts=sa.case((was_claimed, outbox.c.attempts - 1), else_=outbox.c.attempts),
            tries=sa.case((was_claimed, outbox.c.tries - 1), else_=outbox.c.tries),
            not_before=at,
            give_up_at=give_up_at,
            lease_until=None,
            last_error=why,
            updated_at=tx.now,
        )
    )


def set_payload(tx: Tx, outbox_id: int, payload: Mapping[str, object]) -> None:
    """Change what a reminder says."""
    tx.run(
        outbox.update()
        .where(outbox.c.id == outbox_id)
        .values(payload=dict(payload), updated_at=tx.now)
    )


def revive(tx: Tx, wanted: Sequence[NewItem]) -> int:
    """Let cancelled reminders wait again, as these say; give how many.

    One that is the reminder of a date, or went along with another on it, stays as it is.
    """
    return sum(_revive(tx, item) for item in wanted)


def _revive(tx: Tx, item: NewItem) -> bool:
    held = sa.exists().where(
        reminder_slot.c.payment_id == outbox.c.payment_id,
        (reminder_slot.c.outbox_id == outbox.c.id)
        | (reminder_slot.c.local_date == str(item.payload["day"])),
    )
    result = tx.run(
        outbox.update()
        .where(outbox.c.key == item.key, outbox.c.status == "cancelled", ~held)
        .values(
            status="pending",
            lane=item.lane,
            channel=None if item.channel is None else item.channel.value,
            link_id=item.link_id,
            route_left=list(item.route_left),
            payload=dict(item.payload),
            not_before=item.not_before,
            give_up_at=item.give_up_at,
            attempts=0,
            uncertain_count=0,
            looks_left=0,
            last_error=None,
            updated_at=tx.now,
        )
    )
    if result.rowcount:
        tx.wake(topic(item.lane))
    return result.rowcount == 1
