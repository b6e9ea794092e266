"""Where the rows of a bulk file stand: counted, and one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.domain.payment import PaymentStatus
from bot.store import handing, reading
from bot.store.batches import Row, row_of
from bot.store.engine import Tx
from bot.store.schema import batch_row, link, outbox, payment


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rows stand where; `sent`, `waiting`, `later` and `stuck` divide `created`.

    `waiting` has a link to be made or to leave, `later` is planned for another day, and `stuck`
    will not leave without a person.
    """

    ready: int
    wrong: int
    failed: int
    created: int
    sent: int
    waiting: int
    later: int
    stuck: int


@dataclass(frozen=True, slots=True)
class Result:
    """A row with what became of it."""

    row: Row
    payment_id: str | None
    payment_status: str | None
    url: str | None
    channel: str | None
    message: str | None
    delivery: str | None
    error: str | None


_IS_LINK = outbox.c.purpose == Purpose.LINK.value
_rank = sa.func.max(
    sa.case(
        (outbox.c.status.in_(["pending", "sending"]), 3),
        (outbox.c.status == "done", 2),
        (outbox.c.id.is_not(None), 1),
        else_=0,
    )
)
_STOPPED = [each.value for each in (PaymentStatus.HELD, PaymentStatus.EXPIRED)]


def progress(tx: Tx, batch_id: str) -> Progress:
    """Count the rows of a batch by where they stand, in two statements."""
    states = tx.run(
        sa.select(batch_row.c.state, sa.func.count().label("number"))
        .where(batch_row.c.batch_id == batch_id)
        .group_by(batch_row.c.state)
    )
    counts = {row.state: row.number for row in states}
    places = _places(tx, batch_id)
    return Progress(
        ready=counts.get("ready", 0),
        wrong=counts.get("wrong", 0),
        failed=counts.get("failed", 0),
        created=counts.get("created", 0),
        sent=places.get("sent", 0),
        waiting=places.get("waiting", 0),
        later=places.get("later", 0),
        stuck=places.get("stuck", 0),
    )


def _places(tx: Tx, batch_id: str) -> dict[str, int]:
    by_payment = (
        sa.select(payment.c.status, payment.c.send_at, _rank.label("rank"))
        .select_from(batch_row)
        .join(payment, payment.c.id == batch_row.c.payment_id)
        .outerjoin(outbox, (outbox.c.payment_id == payment.c.id) & _IS_LINK)
        .where(batch_row.c.batch_id == batch_id)
        .group_by(payment.c.id)
        .subquery()
    )
    is_new = by_payment.c.status == PaymentStatus.REQUESTED.value
    stopped = [*_STOPPED, PaymentStatus.CANCELLED.value]
    place = sa.case(
        (is_new & (by_payment.c.send_at > tx.now), "later"),
        (is_new | (by_payment.c.rank == 3), "waiting"),
        (by_payment.c.rank == 2, "sent"),
        ((by_payment.c.rank == 1) | by_payment.c.status.in_(stopped), "stuck"),
        else_="sent",
    ).label("place")
    rows = tx.run(sa.select(place, sa.func.count().label("number")).group_by(place))
    return {row.place: row.number for row in rows}


_newest_link = (
    sa.select(sa.func.max(link.c.id))
    .where(link.c.payment_id == batch_row.c.payment_id, link.c.superseded_at.is_(None))
    .correlate(batch_row)
    .scalar_subquery()
)
_newest_message = (
    sa.select(sa.func.max(outbox.c.id))
    .where(outbox.c.payment_id == batch_row.c.payment_id, _IS_LINK)
    .correlate(batch_row)
    .scalar_subquery()
)


def results(tx: Tx, batch_id: str, *, after: int = 0, limit: int = 500) -> list[Result]:
    """Rows after this number with their payment, link and message, in the order of the file.

    Links that are told are latched as handed out, so a file with them may leave once this is
    committed.
    """
    statement = (
        sa.select(
            batch_row,
            payment.c.status.label("payment_status"),
            payment.c.held_reason,
            link.c.id.label("link_id"),
            outbox.c.channel,
            outbox.c.status.label("message"),
            outbox.c.delivery,
            outbox.c.last_error,
        )
        .outerjoin(payment, payment.c.id == batch_row.c.payment_id)
        .outerjoin(link, link.c.id == _newest_link)
        .outerjoin(outbox, outbox.c.id == _newest_message)
        .where(batch_row.c.batch_id == batch_id, batch_row.c.row_no > after)
        .order_by(batch_row.c.row_no)
        .limit(limit)
    )
    found = tx.run(statement).mappings().all()
    urls = _urls(tx, [row["payment_id"] for row in found if row["link_id"] is not None])
    return [
        Result(
            row=row_of(row),
            payment_id=row["payment_id"],
            payment_status=row["payment_status"],
            url=urls.get(row["link_id"]),
            channel=row["channel"],
            message=row["message"],
            delivery=row["delivery"],
            error=row["last_error"] or row["held_reason"],
        )
        for row in found
    ]


def _urls(tx: Tx, payment_ids: Sequence[str]) -> dict[int, str]:
    known = reading.links_of(tx, payment_ids) if payment_ids else {}
    return handing.tell(tx, [each for links in known.values() for each in links])
