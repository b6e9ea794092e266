"""How much more a member of staff may ask for, however they ask: one by one or by a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.bulk import BulkRow, with_fault
from bot.domain.bulk_row import Fault
from bot.domain.money import Money
from bot.domain.staff import CapProblem
from bot.handlers.rules import Rules
from bot.store import batches, sales
from bot.store.engine import Tx
from bot.store.staff import Staff

SAME_WITHIN = timedelta(minutes=10)
"""Who is asked for one sum twice within this time is perhaps asked by a slip."""

_DAY = timedelta(hours=24)


def asked_today(tx: Tx, staff: Staff, currency: str) -> int:
    """What a member asked for in 24 hours, in minor units, and what their files have yet to."""
    prefix = staff.actor_prefix
    asked = sales.asked_since(tx, actor_prefix=prefix, currency=currency, since=tx.now - _DAY)
    return asked + batches.still_to_ask(tx, actor_prefix=prefix, currency=currency)


def within_limits(rules: Rules, staff: Staff, rows: Sequence[BulkRow]) -> list[BulkRow]:
    """The rows of a file, those that go beyond the role's limit on one payment as wrong ones."""
    return [_limited(rules, staff, row) for row in rows]


def _limited(rules: Rules, staff: Staff, row: BulkRow) -> BulkRow:
    if row.request is None:
        return row
    money = row.request.money
    cap = rules.caps.of(staff.role, money.currency)
    if cap is None:
        return with_fault(row, Fault("no_limit", money.currency))
    if money.minor > cap.per_payment:
        most = Money(cap.per_payment, money.currency)
        return with_fault(row, Fault("over_limit", f"{most.major()} {most.currency}"))
    return row


@dataclass(frozen=True, slots=True)
class Judged:
    """What the limits say to the right rows of a file.

    `room` is what is left of the day, of the first currency in which the file asks for more.
    `over_limit` rows may not be asked for at all, `over_alone` ones not without a second person.
    """

    room: Money | None
    over_limit: int
    over_alone: int


def judge(tx: Tx, rules: Rules, staff: Staff, amounts: Sequence[Money]) -> Judged:
    """Hold the amounts of a file against the limits of whoever sends it."""
    caps, role = rules.caps, staff.role
    sums: dict[str, int] = {}
    for money in amounts:
        sums[money.currency] = sums.get(money.currency, 0) + money.minor
    rooms = [_room(tx, rules, staff, currency) for currency in sums]
    short = [room for room in rooms if sums[room.currency] > room.minor]
    beyond = (CapProblem.NO_LIMIT, CapProblem.PER_PAYMENT)
    return Judged(
        short[0] if short else None,
        sum(caps.check(role, money, today_minor=0) in beyond for money in amounts),
        sum(caps.needs_second(role, money) for money in amounts),
    )


def _room(tx: Tx, rules: Rules, staff: Staff, currency: str) -> Money:
    cap = rules.caps.of(staff.role, currency)
    left = 0 if cap is None else cap.per_day - asked_today(tx, staff, currency)
    return Money(max(0, left), currency)
