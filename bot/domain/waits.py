"""Every reason for which a reminder has to wait, each with the moment from which it is over."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.domain.inputs import why_message, why_messages, why_taken, why_until
from bot.domain.reminder_book import Ask, Book, Waiting
from bot.domain.reminders import Tone

_ONE_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Later:
    """It may not go now; `at` is the next possible time."""

    at: datetime
    rule: str
    why: str


def waits(book: Book, row: Waiting, now: datetime) -> Iterator[Later]:
    """Every reason to wait that there is now."""
    today = book.day_of(now)
    if book.paused_until is not None:
        why = why_until(book, "the customer asked for time", book.paused_until)
        yield Later(book.paused_until, "pause", why)
    if book.human_until is not None:
        why = why_until(book, "a person is talking with the customer", book.human_until)
        yield Later(book.human_until, "person", why)
    if book.slots.get((row.payment_id, today), row.outbox_id) != row.outbox_id:
        yield Later(book.on(today + _ONE_DAY), "slot", why_taken(book, row, today))
    newest = max(book.asks, key=lambda ask: ask.at, default=None)
    gap = book.reminding.gap
    if newest is not None and newest.at + gap > now:
        why = f"the last payment message went out less than {_hours(gap)} ago"
        yield Later(newest.at + gap, "gap", why_message(book, row, why, newest))
    # On the day that they named, customers are written to because they asked for it.
    if row.tone is not Tone.PROMISED:
        yield from _caps(book, row, today)


def _hours(gap: timedelta) -> str:
    return f"{gap.total_seconds() / 3600:g} h"


def _caps(book: Book, row: Waiting, today: date) -> Iterator[Later]:
    """How often a customer may be reminded over all payments: the merchant's cap or the law's."""
    pack = book.window.pack
    asks = _reminders(book)
    a_day = min(book.reminding.cap_day, pack.a_day or book.reminding.cap_day)
    same_day = [ask for ask in asks if book.day_of(ask.at) == today]
    if len(same_day) >= a_day:
        why = why_messages(book, row, f"{a_day} a day at most", same_day)
        yield Later(book.on(today + _ONE_DAY), "cap a day", why)
    a_week = min(book.reminding.cap_week, pack.a_week or book.reminding.cap_week)
    recent = [ask for ask in asks if book.day_of(ask.at) > today - _WEEK]
    if len(recent) >= a_week:
        filling = recent[-a_week:]
        why = why_messages(book, row, f"{a_week} a week at most", filling)
        yield Later(book.on(book.day_of(filling[0].at) + _WEEK), "cap a week", why)
    if asks and pack.days_between:
        free = book.day_of(asks[-1].at) + timedelta(days=pack.days_between)
        if free > today:
            why = f"{pack.days_between} days between two in {pack.code}"
            yield Later(book.on(free), "days between", why_message(book, row, why, asks[-1]))


def _reminders(book: Book) -> list[Ask]:
    """The messages that count as reminders, each once, in the order in which they went."""
    found = {ask.outbox_id: ask for ask in book.asks if ask.is_reminder}
    return sorted(found.values(), key=lambda ask: ask.at)
