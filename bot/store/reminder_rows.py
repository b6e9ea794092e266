"""Reminders as rows of the outbox: put off, reworded, taken up again, given back their dates."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.outbox import NewItem, topic
from bot.store.reminding import Slot
from bot.store.schema import delivery, outbox, reminder_slot


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


def free_dates(tx: Tx, outbox_ids: Sequence[int]) -> list[Slot]:
    """Give back the dates of reminders of which surely no try left; give what was freed.

    Only for rows that are over: their date may then have another.
    """
    tried = tx.run(_TRIED, {"b_ids": list(outbox_ids)}).all()
    if not tried:
        return []
    # Slots are found by their payment, and a row has some of those that it took along.
    payments = {row.payment_id for row in tried}
    payments |= {str(each) for row in tried for each in row.payload.get("with", [])}
    may_have_left = sa.exists().where(
        delivery.c.outbox_id == reminder_slot.c.outbox_id,
        delivery.c.outcome.not_in(["not_sent", "refused"]),
    )
    freed = tx.run(
        reminder_slot.delete()
        .where(
            reminder_slot.c.payment_id.in_(sorted(payments)),
            reminder_slot.c.outbox_id.in_(outbox_ids),
            ~may_have_left,
        )
        .returning(reminder_slot)
    )
    return [
        Slot(row.payment_id, date.fromisoformat(row.local_date), row.outbox_id) for row in freed
    ]


# Built once: every payment that is paid asks this of what it cancels.
_TRIED = sa.select(outbox.c.payment_id, outbox.c.payload).where(
    among(outbox.c.id, "b_ids"),
    outbox.c.purpose == Purpose.REMINDER.value,
    outbox.c.tries > 0,
)


def went_along(outbox_id: int) -> str:
    """What is kept in a row that went in the message of another."""
    return f"in one message, row {outbox_id}"


def bring_back(tx: Tx, slot: Slot) -> None:
    """Let a reminder wait again that was to go along with one that never left."""
    mine = (outbox.c.payment_id == slot.payment_id) & (outbox.c.purpose == Purpose.REMINDER.value)
    is_back = tx.run(
        outbox.update()
        .where(mine, outbox.c.status == "cancelled")
        .where(outbox.c.last_error == went_along(slot.outbox_id))
        .values(status="pending", not_before=tx.now, last_error=None, updated_at=tx.now)
        .returning(outbox.c.id, outbox.c.lane)
    ).first()
    if is_back is None:
        return
    tx.run(
        outbox.update()
        .where(mine, outbox.c.status == "pending", outbox.c.id != is_back.id)
        .values(status="cancelled", last_error="an earlier one waits again", updated_at=tx.now)
    )
    tx.wake(topic(is_back.lane))
