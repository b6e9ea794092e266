"""Links told to somebody beside a message: by `/v1`, in a file, as a QR code, in a list of debts.

No try tells what became of such a URL, so that somebody may pay it at any time: a link that was
handed out is never replaced by itself.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.domain.payment import Link
from bot.store.engine import Tx
from bot.store.links import expose
from bot.store.schema import link, outbox, payment
from channels.base import ChannelName

_WITHOUT_COURIER = {"web", "app"}


def hand_out(tx: Tx, link_ids: Sequence[int]) -> set[int]:
    """Latch these links as handed out and so as exposed; give those that may be told.

    Committed before the answer that tells them leaves.
    """
    return expose(tx, link_ids, is_handed_out=True) if link_ids else set()


def url_of(tx: Tx, asked: Link | None) -> str:
    """The URL of a link for somebody who asks for just this one; empty where it may not be told."""
    if asked is None or asked.superseded_at is not None:
        return ""
    if asked.handed_out_at is None and not (asked.url and hand_out(tx, [asked.id])):
        return ""
    return asked.url


def is_handed_out(tx: Tx, link_id: int) -> bool:
    """Whether somebody was told this link; nobody is until the end of this transaction."""
    statement = sa.select(link.c.handed_out_at).where(link.c.id == link_id)
    if not tx.is_sqlite:
        statement = statement.with_for_update()
    return tx.run(statement).scalar() is not None


def tell(tx: Tx, known: Sequence[Link]) -> dict[int, str]:
    """The URLs of these links that their reader may have, by link id; what is told is handed out.

    Withheld are links out of use, and those that may yet be replaced: a message with another
    channel left waits to be taken. One that was told before costs no write.
    """
    live = [each for each in known if each.url and each.superseded_at is None]
    fresh = {each.id: each.payment_id for each in live if each.handed_out_at is None}
    told = {each.id for each in live} - fresh.keys()
    if fresh:
        waiting = _replaceable(tx, sorted(set(fresh.values())))
        told |= hand_out(tx, sorted(fresh.keys() - waiting))
    return {each.id: each.url for each in live if each.id in told}


def goes_by_hand(route: Sequence[str]) -> bool:
    """Whether a link on this route is given to the customer by whoever reads it."""
    return not _WITHOUT_COURIER.isdisjoint(route)


def _replaceable(tx: Tx, payment_ids: Sequence[str]) -> set[int | None]:
    statement = (
        sa.select(outbox.c.link_id, outbox.c.route_left, payment.c.route)
        .join(payment, payment.c.id == outbox.c.payment_id)
        .where(
            outbox.c.payment_id.in_(list(payment_ids)),
            outbox.c.purpose == Purpose.LINK.value,
            outbox.c.status.in_(["pending", "sending"]),
        )
    )
    couriers = {name.value for name in ChannelName}
    return {
        row.link_id
        for row in tx.run(statement)
        if not couriers.isdisjoint(row.route_left) and not goes_by_hand(row.route)
    }
