"""What a customer's reminders will be if nothing happens meanwhile.

The same judgement as at the moment of sending, asked again and again of a book that is carried on
as if every message had arrived.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from bot.domain.calendars import NeverOpenError
from bot.domain.reminder_book import Coming
from bot.domain.reminders import Planned
from bot.domain.reminding import (
    DIGEST,
    Ask,
    Book,
    Go,
    Later,
    Never,
    Over,
    Skip,
    Verdict,
    Waiting,
    follow,
    is_followed,
    judge,
)

_MOST_VERDICTS = 5_000
"""Far more than a series can have in any time that is asked for."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What will become of one reminder, when, and by which rule."""

    at: datetime
    row: Waiting
    verdict: Verdict


def foresee(book: Book, *, now: datetime, until: datetime) -> Iterator[Foreseen]:
    """Everything that becomes of a customer's reminders before `until`, in order."""
    for _ in range(_MOST_VERDICTS):
        coming = min(book.coming, key=lambda each: each.at, default=None)
        row = min(book.waiting, key=book.order, default=None)
        if coming is not None and (row is None or coming.at < row.not_before):
            book = _after_link(book, coming, max(coming.at, now))
            continue
        if row is None:
            return
        at = max(row.not_before, now)
        if at >= until:
            return
        verdict = judge(book, row, at)
        if not (isinstance(verdict, Later) and verdict.rule == DIGEST):
            yield Foreseen(at, row, verdict)
        book = after(book, row, verdict, at)


def _after_link(book: Book, coming: Coming, at: datetime) -> Book:
    """The book once a link was made and sent, and its series begun."""
    owed = book.owed[coming.payment_id]
    rest = tuple(each for each in book.coming if each is not coming)
    route = tuple(name for name in owed.route if name in book.couriers)
    opened = [name for name in route if book.is_open(name)]
    asks = book.asks
    for channel in opened[:1]:
        ask = Ask(
            _new_id(book), owed.payment_id, coming.is_scheduled, channel, at, is_delivered=True
        )
        asks = (*asks, ask)
        owed = replace(owed, is_exposed=True)
    book = replace(book, coming=rest, asks=asks, owed={**book.owed, coming.payment_id: owed})
    steps = [step for step in owed.series if step.day > book.day_of(at)]
    if not steps or not route:
        return book
    try:
        row = _planned(book, coming.payment_id, steps[0], (route[0], route[1:]))
    except NeverOpenError:
        return book
    return replace(book, waiting=(*book.waiting, row))


def after(book: Book, row: Waiting, verdict: Verdict, now: datetime) -> Book:
    """The book as it is once a verdict was carried out and every message arrived."""
    match verdict:
        case Go(with_others=others):
            return _after_going(book, [row, *others], row.channel, now)
        case Later(at=at, rule=rule, why=why):
            reason = row.put_off_why if rule == DIGEST else f"{rule}: {why}"
            return _with_row(book, row, replace(row, not_before=at, put_off_why=reason))
        case Over(channel=channel, route_left=rest):
            moved = replace(row, channel=channel, route_left=rest, not_before=now)
            return _with_row(book, row, moved)
        case Skip():
            return _with_row(book, row, _next_of(book, row, now))
        case Never():
            return _with_row(book, row, None)
        case _:
            assert_never(verdict)


def _after_going(book: Book, rows: Sequence[Waiting], channel: str, now: datetime) -> Book:
    first, today = rows[0], book.day_of(now)
    ask = Ask(first.outbox_id, first.payment_id, True, channel, now, is_delivered=True)
    taken = {(each.payment_id, today): first.outbox_id for each in rows}
    book = replace(book, asks=(*book.asks, ask), slots={**book.slots, **taken})
    owed = dict(book.owed)
    for each in rows:
        owed[each.payment_id] = replace(owed[each.payment_id], is_exposed=True)
        left = tuple(name for name in owed[each.payment_id].route if name != channel)
        moved = replace(each, channel=channel, route_left=left)
        book = _with_row(book, each, _next_of(book, moved, now))
    return replace(book, owed=owed)


def _next_of(book: Book, row: Waiting, now: datetime) -> Waiting | None:
    """What waits next in the series of a row that is over; None if nothing more, or it waits."""
    rest = follow(book, row, now).rest
    if not rest or is_followed(book, row):
        return None
    return _planned(book, row.payment_id, rest[0], (row.channel, row.route_left))


def _new_id(book: Book) -> int:
    """An id that no row has yet."""
    ids = [*book.slots.values(), *(each.outbox_id for each in book.waiting)]
    return max([0, *ids, *(ask.outbox_id for ask in book.asks)]) + 1


def _planned(
    book: Book, payment_id: str, step: Planned, where: tuple[str, tuple[str, ...]]
) -> Waiting:
    """The next row of a series."""
    return Waiting(
        outbox_id=_new_id(book),
        payment_id=payment_id,
        day=step.day,
        tone=step.tone,
        channel=where[0],
        not_before=book.on(step.day),
        route_left=where[1],
    )


def _with_row(book: Book, row: Waiting, new: Waiting | None) -> Book:
    rest = tuple(each for each in book.waiting if each.outbox_id != row.outbox_id)
    return replace(book, waiting=rest if new is None else (*rest, new))
