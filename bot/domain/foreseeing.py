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
        case Over(channel=channel):
            return _with_row(book, row, replace(row, channel=channel, not_before=now))
        case Never():
            return _with_row(book, row, None)
        case _:
            assert_never(verdict)


def _after_going(book: Book, rows: Sequence[Waiting], channel: str, now: datetime) -> Book:
    first, today = rows[0], book.day_of(now)
    is_delivered = channel in book.reports
    ask = Ask(first.outbox_id, first.payment_id, True, channel, now, is_delivered)
    taken = {(each.payment_id, today): first.outbox_id for each in rows}
    book = replace(book, asks=(*book.asks, ask), slots={**book.slots, **taken})
    owed = dict(book.owed)
    for each in rows:
        owed[each.payment_id] = replace(owed[each.payment_id], is_exposed=True)
        rest = follow(book, each, now).rest
        planned = None
        if rest and not is_followed(book, each):
            planned = _planned(book, replace(each, channel=channel), rest[0])
        book = _with_row(book, each, planned)
    return replace(book, owed=owed)


def _planned(book: Book, row: Waiting, step: Planned) -> Waiting:
    """The next row of a series, with an id that none has yet."""
    ids = [row.outbox_id, *book.slots.values()]
    ids += [each.outbox_id for each in book.waiting]
    ids += [ask.outbox_id for ask in book.asks]
    return Waiting(
        max(ids) + 1, row.payment_id, step.day, step.tone, row.channel, book.on(step.day)
    )


def _with_row(book: Book, row: Waiting, new: Waiting | None) -> Book:
    rest = tuple(each for each in book.waiting if each.outbox_id != row.outbox_id)
    return replace(book, waiting=rest if new is None else (*rest, new))
