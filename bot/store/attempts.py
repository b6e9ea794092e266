"""Attempts to make a link at Migo: written down before anything is asked, ended once."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.payment import PaymentId
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.rows import bound
from bot.store.schema import link_attempt


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
