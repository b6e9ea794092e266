"""What time will bring: whether anything is under way now, and when the next thing is due."""

from datetime import datetime

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.store.engine import Tx
from bot.store.schema import inbox, outbox, schedule


def is_quiet(tx: Tx) -> bool:
    """Whether no row is worked on, nor could be now."""
    owed = sa.select(outbox.c.id).where(
        (outbox.c.status == "sending")
        | ((outbox.c.status == "pending") & (outbox.c.not_before <= tx.now))
    )
    heard = sa.select(inbox.c.id).where(
        (inbox.c.status == "claimed") | ((inbox.c.status == "new") & (inbox.c.not_before <= tx.now))
    )
    return tx.run(owed.limit(1)).first() is None and tx.run(heard.limit(1)).first() is None


def next_coming(tx: Tx) -> datetime | None:
    """When the next reminder or recurring payment is due; None if none is planned."""
    reminder = sa.select(sa.func.min(outbox.c.not_before)).where(
        outbox.c.status == "pending", outbox.c.purpose == Purpose.REMINDER.value
    )
    recurring = sa.select(sa.func.min(schedule.c.next_at)).where(schedule.c.status == "active")
    moments = (tx.run(reminder).scalar(), tx.run(recurring).scalar())
    return min((at for at in moments if at is not None), default=None)
