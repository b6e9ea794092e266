"""Links at Migo: attempts to make one, what was made, and the facts reported about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bot.domain.money import Money
from bot.domain.payment import Fact, FactStatus, Link, LinkStatus, PaymentId
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.rows import bound, reader
from bot.store.schema import fact, link, link_attempt


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to make a link; `channel` is ours, `migo_channel` Migo's word for it."""

    id: int
    payment_id: PaymentId
    attempt_no: int
    channel: str
    migo_channel: str
    state: str


ATTEMPT_COLUMNS = tuple(
    link_attempt.c[name]
    for name in ("id", "payment_id", "attempt_no", "channel", "migo_channel", "state")
)
"""What `attempt_of` reads."""

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


def attempt_of(row: RowMapping, prefix: str = "") -> Attempt:
    """Read an attempt from a row that has `ATTEMPT_COLUMNS` under `prefix`."""
    return Attempt(
        id=row[f"{prefix}id"],
        payment_id=PaymentId(row[f"{prefix}payment_id"]),
        attempt_no=row[f"{prefix}attempt_no"],
        channel=row[f"{prefix}channel"],
        migo_channel=row[f"{prefix}migo_channel"],
        state=row[f"{prefix}state"],
    )


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


def plan_attempt(tx: Tx, payment_id: str, *, channel: str, migo_channel: str) -> Attempt:
    """Write down the next try before anything is asked of Migo."""
    values: dict[str, object] = {
        "b_payment": payment_id,
        "b_channel": channel,
        "b_migo_channel": migo_channel,
    }
    return attempt_of(tx.run(_PLAN_ATTEMPT, values).mappings().one())


_earlier = link_attempt.alias()
_next_no = (
    sa.select(sa.func.coalesce(sa.func.max(_earlier.c.attempt_no), 0) + 1)
    .where(_earlier.c.payment_id == sa.bindparam("b_payment"))
    .scalar_subquery()
)
_PLAN_ATTEMPT = (
    link_attempt.insert()
    .values(
        payment_id=sa.bindparam("b_payment"),
        attempt_no=_next_no,
        channel=sa.bindparam("b_channel"),
        migo_channel=sa.bindparam("b_migo_channel"),
        state="planned",
    )
    .returning(link_attempt)
)


def attempts_of(tx: Tx, payment_id: str) -> list[Attempt]:
    """Every try for a payment, oldest first."""
    rows = tx.run(
        sa.select(link_attempt)
        .where(link_attempt.c.payment_id == payment_id)
        .order_by(link_attempt.c.attempt_no)
    )
    return [attempt_of(row) for row in rows.mappings()]


def attempt_with_hint(tx: Tx, uid: str) -> Attempt | None:
    """The try of unknown end whose answer named this uid, if there is just one."""
    rows = tx.run(sa.select(link_attempt).where(link_attempt.c.uid_hint == uid).limit(2))
    found = [attempt_of(row) for row in rows.mappings()]
    return found[0] if len(found) == 1 else None


def start_attempts(tx: Tx, attempt_ids: Sequence[int]) -> None:
    """Say that Migo is being asked now; a second one in flight for a payment is refused.

    Raises:
        sqlalchemy.exc.IntegrityError: another attempt of the same payment is in flight.
    """
    tx.run(_START, {"b_ids": list(attempt_ids), "b_now": tx.now})


_START = (
    link_attempt.update()
    .where(among(link_attempt.c.id, "b_ids"), link_attempt.c.state == "planned")
    .values(state="sending", started_at=bound(link_attempt.c.started_at, "now"))
)


def end_attempt(
    tx: Tx,
    attempt_id: int,
    state: str,
    *,
    error_key: str | None = None,
    uid_hint: str | None = None,
) -> None:
    """End a try as `created`, `refused`, `unknown` or `dropped`, or give it back as `planned`."""
    tx.run(
        _END_ATTEMPT,
        {
            "b_id": attempt_id,
            "b_state": state,
            "b_now": tx.now,
            "b_error_key": None if error_key is None else error_key[:64],
            "b_uid_hint": None if uid_hint is None else uid_hint[:200],
        },
    )


_END_ATTEMPT = (
    link_attempt.update()
    .where(link_attempt.c.id == bound(link_attempt.c.id))
    .values(
        state=bound(link_attempt.c.state),
        ended_at=bound(link_attempt.c.ended_at, "now"),
        error_key=bound(link_attempt.c.error_key),
        uid_hint=bound(link_attempt.c.uid_hint),
    )
)


def drop_planned(tx: Tx, payment_id: str, *, why: str) -> None:
    """Give up the tries of a payment that Migo was not asked for yet."""
    tx.run(_DROP_PLANNED, {"b_payment": payment_id, "b_now": tx.now, "b_why": why[:64]})


_DROP_PLANNED = (
    link_attempt.update()
    .where(
        link_attempt.c.payment_id == sa.bindparam("b_payment"), link_attempt.c.state == "planned"
    )
    .values(
        state="dropped",
        ended_at=sa.bindparam("b_now", type_=link_attempt.c.ended_at.type),
        error_key=sa.bindparam("b_why"),
    )
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


@dataclass(frozen=True, slots=True)
class NewFact:
    """What a callback says, ready to be kept."""

    uid: str
    status: FactStatus
    raw_status: str
    money: Money | None
    body_hash: str
    external_id: str | None
    reference: str | None
    inbox_id: int
    payment_id: str | None
    received_at: datetime


def add_fact(tx: Tx, new: NewFact) -> bool:
    """Keep a fact; False if the same bytes about the same uid are known."""
    row: dict[str, object] = {
        "uid": new.uid,
        "status": new.status.value,
        "raw_status": new.raw_status[:200],
        "amount_minor": None if new.money is None else new.money.minor,
        "currency": None if new.money is None else new.money.currency,
        "body_hash": new.body_hash,
        "external_id": new.external_id,
        "reference": new.reference,
        "inbox_id": new.inbox_id,
        "payment_id": new.payment_id,
        "received_at": new.received_at,
        "look_at": new.received_at,
    }
    return bool(tx.insert_ignoring(fact, [row], conflict=["uid", "body_hash"]))


def facts_of(tx: Tx, uid: str) -> list[Fact]:
    """Everything Migo reported about a uid."""
    return [_fact_of(row) for row in tx.run(_FACTS_OF, {"b_uid": uid}).mappings()]


_FACTS_OF = sa.select(fact).where(fact.c.uid == sa.bindparam("b_uid")).order_by(fact.c.id)


def accept_fact(tx: Tx, uid: str, body_hash: str, *, override_id: int) -> int:
    """Take a fact though its amount is not the one asked for; give the inbox row that told it."""
    result = tx.run(
        fact.update()
        .where(fact.c.uid == uid, fact.c.body_hash == body_hash)
        .values(accepted_by=override_id)
        .returning(fact.c.inbox_id)
    )
    return int(result.scalar_one())


def accepted_money(tx: Tx, payment_id: str) -> Money | None:
    """What a person accepted for a payment instead of what was asked for, the newest."""
    statement = (
        sa.select(fact)
        .where(fact.c.payment_id == payment_id, fact.c.accepted_by.is_not(None))
        .order_by(fact.c.accepted_by.desc())
        .limit(1)
    )
    row = tx.run(statement).mappings().first()
    return None if row is None else _money_of(row)


def _fact_of(row: RowMapping) -> Fact:
    return Fact(
        uid=row["uid"],
        status=FactStatus(row["status"]),
        money=_money_of(row),
        body_hash=row["body_hash"],
        received_at=row["received_at"],
        is_accepted=row["accepted_by"] is not None,
    )


def _money_of(row: RowMapping) -> Money | None:
    if row["amount_minor"] is None or row["currency"] is None:
        return None
    return Money(row["amount_minor"], row["currency"])


@dataclass(frozen=True, slots=True)
class ParkedFact:
    """A fact about a uid that no link of ours has."""

    id: int
    uid: str
    external_id: str | None
    reference: str | None
    money: Money | None
    inbox_id: int
    received_at: datetime


def parked_facts(tx: Tx, *, older_than: timedelta, limit: int) -> list[ParkedFact]:
    """Facts that belong to no payment yet and are to be looked at now, longest due first."""
    statement = (
        sa.select(fact)
        .where(
            fact.c.payment_id.is_(None),
            fact.c.look_at <= tx.now,
            fact.c.received_at <= tx.now - older_than,
        )
        .order_by(fact.c.look_at)
        .limit(limit)
    )
    return [
        ParkedFact(
            id=row["id"],
            uid=row["uid"],
            external_id=row["external_id"],
            reference=row["reference"],
            money=_money_of(row),
            inbox_id=row["inbox_id"],
            received_at=row["received_at"],
        )
        for row in tx.run(statement).mappings()
    ]


def look_later(tx: Tx, when: Mapping[int, datetime]) -> None:
    """Say for each of these parked facts when it is to be looked at again."""
    tx.run_many(_LOOK_LATER, [{"b_id": each, "b_at": at} for each, at in when.items()])


_LOOK_LATER = (
    fact.update()
    .where(fact.c.id == sa.bindparam("b_id"), fact.c.payment_id.is_(None))
    .values(look_at=sa.bindparam("b_at", type_=fact.c.look_at.type))
)


def look_now(tx: Tx, *, external_id: str, uid: str | None) -> None:
    """Have parked facts looked at that may be of an attempt of which we just learnt something."""
    tx.run(_LOOK_NOW, {"b_external_id": external_id, "b_now": tx.now})
    if uid is not None:
        tx.run(_LOOK_NOW_BY_UID, {"b_uid": uid, "b_now": tx.now})


_parked_now = (
    fact.update().where(fact.c.payment_id.is_(None)).values(look_at=bound(fact.c.look_at, "now"))
)
_LOOK_NOW = _parked_now.where(fact.c.external_id == bound(fact.c.external_id))
_LOOK_NOW_BY_UID = _parked_now.where(fact.c.uid == bound(fact.c.uid))


def rename_facts(tx: Tx, uid: str, link_uid: str) -> None:
    """Give the parked facts about a uid to the link that they turned out to mean."""
    tx.run(fact.update().where(fact.c.uid == uid, fact.c.payment_id.is_(None)).values(uid=link_uid))


def adopt_facts(tx: Tx, uid: str, payment_id: str) -> int:
    """Give the parked facts about a uid to the payment they belong to."""
    return tx.run(_ADOPT_FACTS, {"b_uid": uid, "b_payment_id": payment_id}).rowcount


_ADOPT_FACTS = (
    fact.update()
    .where(fact.c.uid == bound(fact.c.uid), fact.c.payment_id.is_(None))
    .values(payment_id=bound(fact.c.payment_id))
)
