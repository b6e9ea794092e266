"""Schedules and their periods: a period is written once, whoever gets to it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bot.domain.recurring import Rule, Slot, document, rule_of
from bot.domain.schedule import Ask, Run, RunState, Schedule, ScheduleStatus, read_ask
from bot.store.engine import Tx
from bot.store.payments import Cursor, TakenError
from bot.store.schema import schedule, schedule_run


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule as asked for, checked and complete."""

    id: str
    ask: Ask
    rule: Rule
    time_zone: str
    starts_on: date
    ends_on: date | None
    next: Slot
    created_by: str
    notify: str | None
    idempotency_key: str | None
    request_hash: str


def insert(tx: Tx, new: NewSchedule) -> None:
    """Write a new, active schedule.

    Raises:
        TakenError: its idempotency key is taken; this transaction is lost.
    """
    values = {
        "id": new.id,
        "idempotency_key": new.idempotency_key,
        "request_hash": new.request_hash,
        "request": new.ask.document(),
        "rule": document(new.rule),
        "time_zone": new.time_zone,
        "starts_on": new.starts_on.isoformat(),
        "ends_on": None if new.ends_on is None else new.ends_on.isoformat(),
        "status": ScheduleStatus.ACTIVE.value,
        "created_by": new.created_by,
        "notify": new.notify,
        "created_at": tx.now,
        "updated_at": tx.now,
        **_next_values(new.next),
    }
    try:
        tx.run(schedule.insert().values(values))
    except IntegrityError as error:
        raise TakenError from error


def _next_values(slot: Slot | None) -> dict[str, object]:
    return {
        "next_slot": None if slot is None else slot.day.isoformat(),
        "next_at": None if slot is None else slot.at,
    }


def _schedule_of(row: RowMapping) -> Schedule:
    day, at = row["next_slot"], row["next_at"]
    return Schedule(
        id=row["id"],
        ask=read_ask(row["request"]),
        rule=rule_of(row["rule"]),
        time_zone=row["time_zone"],
        starts_on=date.fromisoformat(row["starts_on"]),
        ends_on=None if row["ends_on"] is None else date.fromisoformat(row["ends_on"]),
        status=ScheduleStatus(row["status"]),
        next=None if day is None else Slot(date.fromisoformat(day), at),
        created_by=row["created_by"],
        notify=row["notify"],
        created_at=row["created_at"],
    )


def find_repeat(tx: Tx, idempotency_key: str | None) -> tuple[Schedule, str] | None:
    """The schedule that already has this key, and the hash of its request."""
    if idempotency_key is None:
        return None
    statement = sa.select(schedule).where(schedule.c.idempotency_key == idempotency_key)
    row = tx.run(statement).mappings().first()
    return None if row is None else (_schedule_of(row), str(row["request_hash"]))


def read(tx: Tx, schedule_id: str, *, lock: bool = False) -> Schedule | None:
    """The schedule with this id; locked until the transaction ends, where asked and supported."""
    statement = sa.select(schedule).where(schedule.c.id == schedule_id)
    if lock and not tx.is_sqlite:
        statement = statement.with_for_update()
    row = tx.run(statement).mappings().first()
    return None if row is None else _schedule_of(row)


PAYMENT_PREFIX = "schedule:"
"""How `created_by` of a payment begins that a schedule made; its id follows."""


def asker(tx: Tx, created_by: str) -> str:
    """Who is behind a payment: whoever made its schedule, else whoever made the payment."""
    if not created_by.startswith(PAYMENT_PREFIX):
        return created_by
    schedule_id = created_by.removeprefix(PAYMENT_PREFIX)
    statement = sa.select(schedule.c.created_by).where(schedule.c.id == schedule_id)
    return str(tx.run(statement).scalar() or created_by)


def page(
    tx: Tx,
    *,
    statuses: Sequence[ScheduleStatus] = (),
    created_by: str | None = None,
    before: Cursor | None = None,
    limit: int = 50,
) -> list[Schedule]:
    """Schedules, newest first, `limit` at most; those of one actor by how `created_by` begins."""
    statement = sa.select(schedule).order_by(schedule.c.created_at.desc(), schedule.c.id.desc())
    if statuses:
        statement = statement.where(schedule.c.status.in_([each.value for each in statuses]))
    if created_by is not None:
        statement = statement.where(schedule.c.created_by.startswith(created_by, autoescape=True))
    if before is not None:
        statement = statement.where(
            sa.tuple_(schedule.c.created_at, schedule.c.id)
            < sa.tuple_(
                sa.literal(before.created_at, type_=schedule.c.created_at.type),
                sa.literal(before.id),
            )
        )
    return [_schedule_of(row) for row in tx.run(statement.limit(limit)).mappings()]


def due(tx: Tx, *, limit: int) -> list[Schedule]:
    """Active schedules whose next slot has come, held by this transaction alone."""
    statement = _DUE if tx.is_sqlite else _DUE_LOCKED
    rows = tx.run(statement, {"b_now": tx.now, "b_limit": limit}).mappings()
    return [_schedule_of(row) for row in rows]


_DUE = (
    sa.select(schedule)
    .where(
        # Written out, so that the index of what is active is found.
        sa.text("schedule.status = 'active'"),
        schedule.c.next_at <= sa.bindparam("b_now", type_=schedule.c.next_at.type),
    )
    .order_by(schedule.c.next_at, schedule.c.id)
    .limit(sa.bindparam("b_limit"))
)
_DUE_LOCKED = _DUE.with_for_update(skip_locked=True)


def due_until(tx: Tx, until: datetime, *, limit: int) -> list[Schedule]:
    """Active schedules that come until then, the next first; nothing is held."""
    rows = tx.run(_DUE, {"b_now": until, "b_limit": limit}).mappings()
    return [_schedule_of(row) for row in rows]


def move(tx: Tx, schedule_id: str, status: ScheduleStatus, slot: Slot | None) -> None:
    """Write where a schedule stands and when it comes next; it must be held by this transaction."""
    tx.run(
        schedule.update()
        .where(schedule.c.id == schedule_id)
        .values(status=status.value, updated_at=tx.now, **_next_values(slot))
    )


def record(
    tx: Tx, schedule_id: str, days: Collection[date], state: RunState, *, why: str | None = None
) -> int:
    """Write what becomes of these periods; give how many of them had not been written before."""
    made = tx.insert_ignoring(
        schedule_run,
        [
            {
                "schedule_id": schedule_id,
                "slot": day.isoformat(),
                "state": state.value,
                "why": why,
                "at": tx.now,
            }
            for day in sorted(days)
        ],
        conflict=["schedule_id", "slot"],
    )
    return len(made)


def note_payment(tx: Tx, schedule_id: str, day: date, payment_id: str) -> None:
    """Write which payment a period made."""
    tx.run(schedule_run.update().where(_is_run(schedule_id, day)).values(payment_id=payment_id))


def note_failure(tx: Tx, schedule_id: str, day: date, why: str) -> None:
    """Write that a period could not be made."""
    tx.run(
        schedule_run.update()
        .where(_is_run(schedule_id, day))
        .values(state=RunState.FAILED.value, why=why)
    )


def _is_run(schedule_id: str, day: date) -> "sa.ColumnElement[bool]":
    return (schedule_run.c.schedule_id == schedule_id) & (schedule_run.c.slot == day.isoformat())


def taken_days(tx: Tx, schedule_id: str, since: date) -> frozenset[date]:
    """The dates from then on of which something became already."""
    statement = sa.select(schedule_run.c.slot).where(
        schedule_run.c.schedule_id == schedule_id, schedule_run.c.slot >= since.isoformat()
    )
    return frozenset(date.fromisoformat(slot) for slot in tx.run(statement).scalars())


def state_of(tx: Tx, schedule_id: str, day: date) -> RunState | None:
    """What became of a period, None if nothing did yet."""
    found = tx.run(sa.select(schedule_run.c.state).where(_is_run(schedule_id, day))).scalar()
    return None if found is None else RunState(found)


def runs(tx: Tx, schedule_id: str, *, limit: int = 50) -> list[Run]:
    """What became of a schedule's periods, the newest first."""
    statement = (
        sa.select(schedule_run)
        .where(schedule_run.c.schedule_id == schedule_id)
        .order_by(schedule_run.c.slot.desc())
        .limit(limit)
    )
    return [
        Run(date.fromisoformat(row.slot), RunState(row.state), row.payment_id, row.why, row.at)
        for row in tx.run(statement)
    ]
