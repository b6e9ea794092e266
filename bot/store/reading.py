"""What a page of payments shows: each kind of row for all of them in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.payment import Alert, Link, Payment
from bot.store.engine import Tx
from bot.store.ledger import OpenAlert
from bot.store.links import link_of
from bot.store.listed import among
from bot.store.payments import payment_of
from bot.store.schema import address, alert, decision, ledger, link, link_attempt, payment
from channels.base import ChannelName


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a payment's story; `next_at` is when what waits may go at the soonest."""

    at: datetime
    what: str
    why: str
    next_at: datetime | None = None


def payments_of(tx: Tx, payment_ids: Sequence[str]) -> list[Payment]:
    """These payments in the order asked for; an id that is unknown is left out."""
    rows = tx.run(_PAYMENTS, {"b_ids": list(payment_ids)}).mappings()
    found = {row["id"]: payment_of(row) for row in rows}
    return [found[payment_id] for payment_id in payment_ids if payment_id in found]


_PAYMENTS = sa.select(payment).where(among(payment.c.id, "b_ids"))


def links_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[Link]]:
    """Every link of these payments, oldest first."""
    found: dict[str, list[Link]] = {}
    for row in tx.run(_LINKS, {"b_ids": list(payment_ids)}).mappings():
        found.setdefault(row["payment_id"], []).append(link_of(row, attempt_no=row["attempt_no"]))
    return found


_LINKS = (
    sa.select(link, link_attempt.c.attempt_no)
    .join(link_attempt, link_attempt.c.id == link.c.attempt_id)
    .where(among(link.c.payment_id, "b_ids"))
    .order_by(link.c.id)
)


def timeline(tx: Tx, payment_id: str) -> list[TimelineEntry]:
    """Moves and decisions of one payment in order."""
    return timelines(tx, [payment_id]).get(payment_id, [])


def timelines(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[TimelineEntry]]:
    """Moves and decisions of these payments in order; at one instant the move comes first."""
    found: dict[str, list[TimelineEntry]] = {}
    for row in tx.run(_TIMELINES, {"b_ids": list(payment_ids)}):
        entry = TimelineEntry(row.at, row.what, row.why, row.next_at)
        found.setdefault(row.payment_id, []).append(entry)
    return found


_moves = sa.select(
    ledger.c.payment_id,
    ledger.c.at,
    ledger.c.to_status.label("what"),
    ledger.c.why,
    sa.null().cast(decision.c.next_at.type).label("next_at"),
    sa.literal(0).label("rank"),
    ledger.c.seq.label("number"),
).where(among(ledger.c.payment_id, "b_ids"))
_decisions = sa.select(
    decision.c.payment_id,
    decision.c.at,
    decision.c.what,
    decision.c.why,
    decision.c.next_at,
    sa.literal(1).label("rank"),
    decision.c.id.label("number"),
).where(among(decision.c.payment_id, "b_ids"))
_TIMELINES = sa.union_all(_moves, _decisions).order_by("at", "rank", "number")


def alerts_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[OpenAlert]]:
    """What waits for a person about these payments, oldest first."""
    found: dict[str, list[OpenAlert]] = {}
    for row in tx.run(_ALERTS, {"b_ids": list(payment_ids)}):
        entry = OpenAlert(row.id, Alert(row.kind), row.payment_id, row.detail, row.raised_at)
        found.setdefault(row.payment_id, []).append(entry)
    return found


_ALERTS = (
    sa.select(alert)
    .where(among(alert.c.payment_id, "b_ids"), alert.c.closed_at.is_(None))
    .order_by(alert.c.id)
)


def telegram_chats(tx: Tx, customer_ids: Sequence[int]) -> dict[int, str]:
    """The chat that each of these customers is bound to, the newest if there are several."""
    rows = tx.run(_CHATS, {"b_ids": list(customer_ids)})
    return {row.customer_id: row.value for row in rows}


_CHATS = (
    sa.select(address.c.customer_id, address.c.value)
    .where(
        among(address.c.customer_id, "b_ids"),
        address.c.channel == ChannelName.TELEGRAM.value,
    )
    .order_by(address.c.last_inbound_at.asc().nulls_first(), address.c.id)
)
