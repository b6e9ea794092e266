"""Links at Migo: what was made, who may have seen it, and what took its place."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bot.domain.payment import Link, LinkStatus, PaymentId
from bot.store.attempts import Attempt
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.rows import bound, reader
from bot.store.schema import link, link_attempt

LINK_COLUMNS = tuple(
    link.c[name]
    for name in (
        "id",
        "payment_id",
        "uid",
        "reference",
        "url",
        "migo_channel",
        "status",
        "exposed_at",
        "superseded_at",
        "handed_out_at",
    )
)
"""What `link_of` reads, in the order of its fields."""


_link_values = reader(LINK_COLUMNS)


def link_of(row: RowMapping, prefix: str = "", *, attempt_no: int = 0) -> Link:
    """Read a link from a row that has `LINK_COLUMNS` under `prefix`."""
    link_id, payment_id, uid, reference, url, migo_channel, status, *when = _link_values(prefix)(
        row
    )
    return Link(
        link_id,
        PaymentId(payment_id),
        attempt_no,
        uid,
        reference,
        url,
        migo_channel,
        LinkStatus(status),
        *when,
    )


def insert_link(tx: Tx, attempt: Attempt, *, uid: str, reference: str | None, url: str) -> Link:
    """Keep a link that Migo made.

    Raises:
        sqlalchemy.exc.IntegrityError: the uid is known already.
    """
    told: dict[str, object] = {
        "payment_id": attempt.payment_id,
        "attempt_id": attempt.id,
        "uid": uid,
        "reference": reference,
        "url": url,
        "migo_channel": attempt.migo_channel,
        "status": LinkStatus.OPEN.value,
        "created_at": tx.now,
    }
    return link_of(tx.run(_INSERT_LINK, told).mappings().one(), attempt_no=attempt.attempt_no)


_INSERT_LINK = link.insert().returning(link)


def links_of(tx: Tx, payment_id: str) -> list[Link]:
    """Every link of a payment, oldest first."""
    rows = tx.run(_LINKS_OF, {"b_payment": payment_id}).mappings()
    return [link_of(row, attempt_no=row["attempt_no"]) for row in rows]


_LINKS_OF = (
    sa.select(link, link_attempt.c.attempt_no)
    .join(link_attempt, link_attempt.c.id == link.c.attempt_id)
    .where(link.c.payment_id == sa.bindparam("b_payment"))
    .order_by(link.c.id)
)


def current_link(tx: Tx, payment_id: str) -> Link | None:
    """The newest link of a payment that is not superseded."""
    live = [item for item in links_of(tx, payment_id) if item.superseded_at is None]
    return live[-1] if live else None


def replaced_link(tx: Tx, payment_id: str) -> Link | None:
    """The newest link that a person had replaced, of those that somebody may have seen first."""
    statement = (
        sa.select(link)
        .where(link.c.payment_id == payment_id, link.c.override_id.is_not(None))
        .order_by(sa.case((link.c.exposed_at.is_(None), 1), else_=0), link.c.id.desc())
        .limit(1)
    )
    row = tx.run(statement).mappings().first()
    return None if row is None else link_of(row)


def find_link(tx: Tx, uid: str) -> Link | None:
    """The link with this uid."""
    row = tx.run(_FIND_LINK, {"b_uid": uid}).mappings().first()
    return None if row is None else link_of(row)


_FIND_LINK = sa.select(link).where(link.c.uid == sa.bindparam("b_uid"))


def link_of_attempt(tx: Tx, attempt_id: int) -> Link | None:
    """The link that an attempt made, if it made one."""
    row = tx.run(sa.select(link).where(link.c.attempt_id == attempt_id)).mappings().first()
    return None if row is None else link_of(row)


def with_reference(tx: Tx, reference: str) -> list[Link]:
    """The links that Migo gave this reference; two at most."""
    rows = tx.run(sa.select(link).where(link.c.reference == reference).limit(2))
    return [link_of(row) for row in rows.mappings()]


def lock_uid(tx: Tx, uid: str) -> None:
    """Keep other transactions off this uid until the end of this one.

    Without it a callback and the commit of its link's creation may each miss the other, and the
    payment stays parked for ever. SQLite has one writer and needs no lock.
    """
    if not tx.is_sqlite:
        tx.run(_LOCK_UID, {"b_uid": uid})


_LOCK_UID = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(bound(link.c.uid), 0)))


def expose(tx: Tx, link_ids: Sequence[int], *, is_handed_out: bool = False) -> set[int]:
    """Latch these links as perhaps seen by somebody; give those that may be shown.

    Committed before the first byte of a message with the URL leaves. A link that is superseded, or
    whose payment has another live exposed link, is not among the result. One that `is_handed_out`
    is told otherwise than by a message, and so is never replaced by itself.
    """
    try:
        with tx.conn.begin_nested():
            return _expose(tx, link_ids, _HAND_OUT if is_handed_out else _EXPOSE)
    except IntegrityError:
        if len(link_ids) == 1:
            return set()
        alone = (expose(tx, [link_id], is_handed_out=is_handed_out) for link_id in link_ids)
        return set().union(*alone)


def unseen(tx: Tx) -> list[int]:
    """Links in use of which nothing says that anybody may have seen them."""
    is_unseen = link.c.exposed_at.is_(None) & link.c.superseded_at.is_(None)
    return list(tx.run(sa.select(link.c.id).where(is_unseen)).scalars())


def _expose(tx: Tx, link_ids: Sequence[int], latch: sa.Executable) -> set[int]:
    return set(tx.run(latch, {"b_ids": list(link_ids), "b_now": tx.now}).scalars())


def _first(column: "sa.Column[datetime]") -> "sa.ColumnElement[datetime]":
    return sa.func.coalesce(column, sa.bindparam("b_now", type_=column.type))


_EXPOSE = (
    link.update()
    .where(among(link.c.id, "b_ids"), link.c.superseded_at.is_(None))
    .values(exposed_at=_first(link.c.exposed_at))
    .returning(link.c.id)
)
_HAND_OUT = _EXPOSE.values(handed_out_at=_first(link.c.handed_out_at))


def _now(tx: Tx) -> "sa.BindParameter[datetime]":
    return sa.literal(tx.now, type_=link.c.exposed_at.type)


def supersede(
    tx: Tx,
    link_id: int,
    *,
    why: str,
    unsent_proof: Sequence[Mapping[str, object]] | None = None,
    override_id: int | None = None,
) -> bool:
    """Take a link out of use; False if it was out already.

    A never exposed link needs nothing more. An exposed one needs the list of outcomes that prove
    that no message with it ever left, or a person's override.

    Raises:
        sqlalchemy.exc.IntegrityError: the link is exposed and neither is given.
    """
    result = tx.run(
        link.update()
        .where(link.c.id == link_id, link.c.superseded_at.is_(None))
        .values(
            superseded_at=tx.now,
            superseded_why=why,
            unsent_proof=None if unsent_proof is None else list(unsent_proof),
            override_id=override_id,
        )
    )
    return result.rowcount == 1


def set_status(tx: Tx, link_id: int, status: LinkStatus) -> None:
    """Write what the facts of a link add up to."""
    tx.run(_SET_STATUS, {"b_id": link_id, "b_status": status.value})


_SET_STATUS = (
    link.update().where(link.c.id == sa.bindparam("b_id")).values(status=sa.bindparam("b_status"))
)
