"""What a page of payments shows: each kind of row for all of them in one statement."""

from collections.abc import Sequence

import sqlalchemy as sa

from bot.domain.payment import Alert, Link, Payment
from bot.store.engine import Tx
from bot.store.ledger import OpenAlert, TimelineEntry
from bot.store.links import link_of
from bot.store.payments import payment_of
from bot.store.schema import address, alert, decision, ledger, link, link_attempt, payment
from channels.base import ChannelName


def payments_of(tx: Tx, payment_ids: Sequence[str]) -> list[Payment]:
    """These payments in the order asked for; an id that is unknown is left out."""
    rows = tx.run(sa.select(payment).where(payment.c.id.in_(list(payment_ids)))).mappings()
    found = {row["id"]: payment_of(row) for row in rows}
    return [found[payment_id] for payment_id in payment_ids if payment_id in found]


def links_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[Link]]:
    """Every link of these payments, oldest first."""
    statement = (
        sa.select(link, link_attempt.c.attempt_no)
        .join(link_attempt, link_attempt.c.id == link.c.attempt_id)
        .where(link.c.payment_id.in_(list(payment_ids)))
        .order_by(link.c.id)
    )
    found: dict[str, list[Link]] = {}
    for row in tx.run(statement).mappings():
        found.setdefault(row["payment_id"], []).append(link_of(row, attempt_no=row["attempt_no"]))
    return found


def timelines(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[TimelineEntry]]:
    """Moves and decisions of these payments in order; at one instant the move comes first."""
    moves = sa.select(
        ledger.c.payment_id,
        ledger.c.at,
        ledger.c.to_status.label("what"),
        ledger.c.why,
        sa.null().cast(decision.c.next_at.type).label("next_at"),
        sa.literal(0).label("rank"),
        ledger.c.seq.label("number"),
    ).where(ledger.c.payment_id.in_(list(payment_ids)))
    decisions = sa.select(
        decision.c.payment_id,
        decision.c.at,
        decision.c.what,
        decision.c.why,
        decision.c.next_at,
        sa.literal(1).label("rank"),
        decision.c.id.label("number"),
    ).where(decision.c.payment_id.in_(list(payment_ids)))
    found: dict[str, list[TimelineEntry]] = {}
    for row in tx.run(sa.union_all(moves, decisions).order_by("at", "rank", "number")):
        entry = TimelineEntry(row.at, row.what, row.why, row.next_at)
        found.setdefault(row.payment_id, []).append(entry)
    return found


def alerts_of(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[OpenAlert]]:
    """What waits for a person about these payments, oldest first."""
    statement = (
        sa.select(alert)
        .where(alert.c.payment_id.in_(list(payment_ids)), alert.c.closed_at.is_(None))
        .order_by(alert.c.id)
    )
    found: dict[str, list[OpenAlert]] = {}
    for row in tx.run(statement):
        entry = OpenAlert(row.id, Alert(row.kind), row.payment_id, row.detail, row.raised_at)
        found.setdefault(row.payment_id, []).append(entry)
    return found


def telegram_chats(tx: Tx, customer_ids: Sequence[int]) -> dict[int, str]:
    """The chat that each of these customers is bound to, the newest if there are several."""
    statement = (
        sa.select(address.c.customer_id, address.c.value)
        .where(
            address.c.customer_id.in_(list(customer_ids)),
            address.c.channel == ChannelName.TELEGRAM.value,
        )
        .order_by(address.c.last_inbound_at.asc().nulls_first(), address.c.id)
    )
    return {row.customer_id: row.value for row in tx.run(statement)}
