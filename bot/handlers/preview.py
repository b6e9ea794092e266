"""What reminders will be sent if nothing happens meanwhile: the judgement of sending, foreseen."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

from bot.domain.foreseeing import Foreseen, foresee
from bot.domain.planned import Planned
from bot.domain.reminding import Go, follow
from bot.handlers import firing
from bot.handlers.reminder_books import Shelf, shelf_of
from bot.handlers.rules import Rules
from bot.store import reminding
from bot.store.engine import Tx

_PAGE = 500
_MOST_MADE = 200
"""Payments of schedules that are made for a preview: all else waits for the writer meanwhile."""


def foreseen_reminders(
    tx: Tx, rules: Rules, *, until: datetime, limit: int
) -> tuple[list[Planned], bool]:
    """Every reminder that would go out before `until`, `limit` at most, and whether there are more.

    Those of payments that schedules have yet to make are among them, named by their schedule.
    """
    with _as_if_made(tx, rules, until) as made:
        reminded = reminding.customers_reminded_before(tx, until, limit=limit)
        coming = reminding.links_coming_before(tx, until, limit=limit + len(made))
        owners = list(dict.fromkeys([*reminded, *coming]))
        found: list[Planned] = []
        for start in range(0, len(owners), _PAGE):
            page = owners[start : start + _PAGE]
            shelf = shelf_of(tx, rules, page, coming=coming)
            for customer_id in page:
                rows = _of_customer(shelf, made, customer_id, tx.now, until)
                found += islice(rows, limit + 1)
    found.sort(key=lambda each: (each.at, each.payment_id or each.schedule_id or ""))
    is_cut = (
        len(reminded) == limit
        or sum(map(len, coming.values())) == limit + len(made)
        or len(made) == _MOST_MADE
        or len(found) > limit
    )
    return found[:limit], is_cut


@contextmanager
def _as_if_made(tx: Tx, rules: Rules, until: datetime) -> Iterator[dict[str, str]]:
    """Have the payments that schedules will make; none of them is there any more afterwards."""
    apart = tx.conn.begin_nested()
    try:
        yield firing.make_ahead(tx, rules, until, limit=_MOST_MADE)
    finally:
        apart.rollback()


def _of_customer(
    shelf: Shelf, made: Mapping[str, str], customer_id: int, now: datetime, until: datetime
) -> Iterator[Planned]:
    for seen in foresee(shelf.books[customer_id], now=now, until=until):
        if isinstance(seen.verdict, Go):
            yield from _rows(shelf, made, customer_id, seen, seen.verdict)


def _rows(
    shelf: Shelf, made: Mapping[str, str], customer_id: int, seen: Foreseen, going: Go
) -> Sequence[Planned]:
    person = shelf.people[customer_id]
    book = shelf.books[customer_id]
    rows = []
    for row in (seen.row, *going.with_others):
        payment = shelf.series[row.payment_id].payment
        rule = f"{follow(book, row, seen.at).tone.value}, planned for {row.day}"
        if row is not seen.row:
            rule += f", in one message with {_named(made, seen.row.payment_id)}"
        if row.put_off_why is not None:
            rule += f"; put off: {row.put_off_why}"
        rows.append(
            Planned(
                at=seen.at,
                what="reminder",
                phone=person.phone,
                name=person.name,
                channel=seen.row.channel,
                money=payment.money,
                concept=payment.concept,
                rule=rule,
                payment_id=None if payment.id in made else payment.id,
                schedule_id=made.get(payment.id),
            )
        )
    return rows


def _named(made: Mapping[str, str], payment_id: str) -> str:
    """A payment that is not made yet has no name but its schedule's."""
    return f"schedule {made[payment_id]}" if payment_id in made else payment_id
