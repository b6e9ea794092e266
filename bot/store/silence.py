"""Links that were shown and of which nothing was reported."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.payment import UNPAID, LinkStatus
from bot.store.engine import Tx
from bot.store.schema import fact, link, payment

_IS_SILENT = (
    link.c.exposed_at.is_not(None)
    & (link.c.status == LinkStatus.OPEN.value)
    & link.c.superseded_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class SilentLink:
    """A link without news, whose payment is still asked for."""

    payment_id: str
    uid: str
    exposed_at: datetime


def silent_links(tx: Tx, *, since: datetime, until: datetime, limit: int) -> list[SilentLink]:
    """Links first shown between two times and still without news, oldest first."""
    statement = (
        sa.select(link.c.payment_id, link.c.uid, link.c.exposed_at)
        .join(payment, payment.c.id == link.c.payment_id)
        .where(
            _IS_SILENT,
            link.c.exposed_at > since,
            link.c.exposed_at <= until,
            payment.c.status.in_([status.value for status in UNPAID]),
        )
        .order_by(link.c.exposed_at)
        .limit(limit)
    )
    return [SilentLink(row.payment_id, row.uid, row.exposed_at) for row in tx.run(statement)]


def count_silent(tx: Tx, *, since: datetime, until: datetime) -> int:
    """How many links were first shown between two times and have no news, whoever asks for them."""
    statement = sa.select(sa.func.count()).where(
        _IS_SILENT, link.c.exposed_at > since, link.c.exposed_at <= until
    )
    return int(tx.run(statement).scalar_one())


def last_news_at(tx: Tx) -> datetime | None:
    """When Migo last reported anything."""
    statement = sa.select(fact.c.received_at).order_by(fact.c.id.desc()).limit(1)
    return tx.run(statement).scalar()
