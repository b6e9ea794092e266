"""What a customer's reminders will be if nothing happens meanwhile.

The same judgement as at the moment of sending, asked again and again of a book that is carried on
as if every message had arrived.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

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
        if not book.waiting:
            return
        row = min(book.waiting, key=lambda each: (each.not_before, each.payment_id))
        at = max(row.not_before, now)
        if at >= until:
            return
        verdict = judge(book, row, at)
        if not (isinstance(verdict, Later) and verdict.rule == DIGEST):
            yield Foreseen(at, row, verdict)
        book = after(book, row, verdict, at)


def after(book: Book, row: Waiting, verdict: Verdict, now: datetime) -> Book:
    """The book as it is once a verdict was carried out and every message arrived."""
    match verdict:
        case Go(with_others=others):
            return _after_going(book, [row, *others], row.channel, now)
        case Later(at=at):
            return _with_row(book, row, replace(row, not_before=at))
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
    return _planned(book, row, rest[0]) if rest and not is_followed(book, row) else None


def _planned(book: Book, row: Waiting, step: Planned) -> Waiting:
    """The next row of a series, with an id that none has yet."""
    ids = [row.outbox_id, *book.slots.values()]
    ids += [each.outbox_id for each in book.waiting]
    ids += [ask.outbox_id for ask in book.asks]
    return Waiting(
        outbox_id=max(ids) + 1,
        payment_id=row.payment_id,
        day=step.day,
        tone=step.tone,
        channel=row.channel,
        not_before=book.on(step.day),
        route_left=row.route_left,
    )


def _with_row(book: Book, row: Waiting, new: Waiting | None) -> Book:
    rest = tuple(each for each in book.waiting if each.outbox_id != row.outbox_id)
    return replace(book, waiting=rest if new is None else (*rest, new))
