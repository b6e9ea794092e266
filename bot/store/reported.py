"""What Migo reported of links: each fact kept once, parked while nobody knows its link."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.money import Money
from bot.domain.payment import Fact, FactStatus
from bot.store.engine import Tx
from bot.store.rows import bound
from bot.store.schema import fact


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
