"""Whether a reminder may go now, must wait, or is let go.

Decided from all that is known of one customer, and for the same reasons whether the reminder is
about to be sent or only foreseen.
"""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from bot.domain.calendars import NeverOpenError, instant
from bot.domain.inputs import reminded_on, why_at, why_messages, why_most, why_now
from bot.domain.payment import UNPAID
from bot.domain.reminder_book import Ask, Book, Owed, Waiting
from bot.domain.reminders import Planned, Tone
from bot.domain.waits import Later, waits

__all__ = [
    "DIGEST",
    "LISTED",
    "LOOK_BACK",
    "Ask",
    "Book",
    "Follow",
    "Go",
    "Later",
    "Never",
    "Over",
    "Owed",
    "Skip",
    "Verdict",
    "Waiting",
    "follow",
    "is_followed",
    "judge",
]

_ONE_DAY = timedelta(days=1)
_SOON = timedelta(seconds=5)
DIGEST = "digest"
"""The rule by which several debts are one message."""

LOOK_BACK = timedelta(days=9)
"""How far back messages matter: longer than any cap or gap reaches."""

LISTED = 6
"""Payments that one message lists at most; what is more is only counted."""


@dataclass(frozen=True, slots=True)
class Go:
    """It goes now, and with it what waits for the same day in other series."""

    with_others: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """It may go over this channel only; `route_left` is what is left if that fails too."""

    channel: str
    rule: str
    why: str
    route_left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """This one is let go; its series goes on."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """Its series is over."""

    rule: str
    why: str


Verdict = Go | Later | Over | Skip | Never


@dataclass(frozen=True, slots=True)
class Follow:
    """What comes of a series when one of its reminders goes.

    `missed` counts the steps left out, whose date had come too; `rest` is what is still ahead.
    """

    tone: Tone
    missed: int
    rest: tuple[Planned, ...]


def follow(book: Book, row: Waiting, now: datetime) -> Follow:
    """Take the newest step whose date has come, so that a late series catches up in one message."""
    today = book.day_of(now)
    series = book.owed[row.payment_id].series
    come = [planned for planned in series if row.day < planned.day <= today]
    is_promised = row.tone is Tone.PROMISED
    return Follow(
        tone=row.tone if is_promised or not come else come[-1].tone,
        missed=len(come),
        rest=tuple(planned for planned in series if planned.day > max(today, row.day)),
    )


def is_followed(book: Book, row: Waiting) -> bool:
    """Whether another reminder of the same payment waits, as beside a row that is tried again."""
    return any(
        each.payment_id == row.payment_id and each.outbox_id != row.outbox_id
        for each in book.waiting
    )


def judge(book: Book, row: Waiting, now: datetime) -> Verdict:
    """Say what becomes of a reminder whose time has come."""
    try:
        return _judged(book, row, now)
    except NeverOpenError as error:
        return Never("window", str(error))


def _judged(book: Book, row: Waiting, now: datetime) -> Verdict:
    return _why_not(book, row, now) or _with_others(book, row, now)


def _why_not(book: Book, row: Waiting, now: datetime) -> Later | Over | Skip | Never | None:
    """What becomes of a reminder that may not go now, over this channel, whatever else waits."""
    never = _why_never(book, row, now)
    if never is not None:
        return never
    ahead = [wait for wait in waits(book, row, now) if wait.at > now]
    if ahead:
        longest = max(ahead, key=lambda wait: wait.at)
        return _in_time(book, row, longest)
    opens = book.window.next_open(now, book.zone)
    if opens > now:
        closed = book.window.why_closed(now, book.zone) or "closed"
        why = f"it is {closed}"
        return _in_time(book, row, Later(opens, "window", why_now(book, why, now)))
    return _over_another(book, row, now) or _if_closed(book, row)


def _in_time(book: Book, row: Waiting, wait: Later) -> Later | Never:
    """Wait until it is open there, unless that is too late."""
    at = book.window.next_open(wait.at, book.zone)
    expires_at = book.owed[row.payment_id].expires_at
    if expires_at is not None and expires_at <= at:
        why = f"{wait.rule}: {wait.why}; by then its time has run out"
        why += f": it could go at {book.clock(at)}, and may until {book.clock(expires_at)} only"
        return Never("expiry", why)
    return replace(wait, at=at)


def _why_never(book: Book, row: Waiting, now: datetime) -> Never | None:
    owed = book.owed[row.payment_id]
    if owed.status not in UNPAID:
        return Never("status", f"the payment is {owed.status.value}")
    if owed.expires_at is not None and owed.expires_at <= now:
        why = "its time ran out"
        return Never("expiry", why_at(book, why, owed.expires_at))
    if owed.is_disputed:
        return Never("dispute", "the customer does not recognise it")
    if book.is_opted_out:
        return Never("opt-out", "the customer said stop")
    if not book.wants_reminders:
        return Never("opt-out", "the customer wants no reminders")
    if book.barred_why is not None:
        return Never("barred", book.barred_why)
    used = owed.sent_again + len(reminded_on(book, row))
    if row.tone is not Tone.PROMISED and used >= book.reminding.max_steps:
        return Never("most", why_most(book, row, used))
    return None


def _over_another(book: Book, row: Waiting, now: datetime) -> Over | Later | None:
    """Go where the payment's last message arrived, and nowhere else where the law says so."""
    if book.window.pack.one_channel_a_week and row.tone is not Tone.PROMISED:
        used = _delivered_this_week(book, now)
        if used:
            is_used = row.channel not in book.closed and any(
                ask.channel == row.channel for ask in used
            )
            return None if is_used else _over_used(book, row, used, now)
    since = now - LOOK_BACK
    own = [ask for ask in book.asks if ask.payment_id == row.payment_id and ask.at >= since]
    arrived = [ask for ask in own if ask.is_delivered] or own
    if not arrived or not row.is_fresh or arrived[-1].channel == row.channel:
        return None
    last = arrived[-1]
    if not book.is_open(last.channel):
        return None
    why = f"its last message went over {last.channel}"
    why = why_messages(book, row, why, [last])
    return Over(last.channel, "last channel", why, _others(book, row, last.channel))


def _others(book: Book, row: Waiting, channel: str) -> tuple[str, ...]:
    """What is left of a payment's route beside a channel that was chosen out of turn."""
    return tuple(name for name in book.owed[row.payment_id].route if name != channel)


def _delivered_this_week(book: Book, now: datetime) -> list[Ask]:
    today = book.day_of(now)
    monday = today - timedelta(days=today.weekday())
    return [ask for ask in book.asks if ask.is_delivered and book.day_of(ask.at) >= monday]


def _over_used(book: Book, row: Waiting, used: list[Ask], now: datetime) -> Over | Later:
    """A delivered contact closes the other channels until Monday; an undelivered one does not."""
    rule = "one channel a week"
    last = next((ask for ask in reversed(used) if book.is_open(ask.channel)), used[-1])
    channel = last.channel
    why = f"a contact over {channel} was delivered this week"
    why = why_messages(book, row, why, [last])
    if row.is_fresh and book.is_open(channel):
        return Over(channel, rule, why, _others(book, row, channel))
    today = book.day_of(now)
    monday = today + timedelta(days=7 - today.weekday())
    start = instant(monday, time.min, book.zone)
    return Later(book.window.next_open(start, book.zone), rule, why)


def _if_closed(book: Book, row: Waiting) -> Over | Skip | None:
    """Pass by a channel over which the customer cannot be reached now."""
    why = book.closed.get(row.channel)
    if why is None:
        return None
    channel = _next_open(book, row)
    if channel is None:
        return Skip("reach", why)
    rest = row.route_left[row.route_left.index(channel) + 1 :]
    return Over(channel, "reach", why, rest)


def _next_open(book: Book, row: Waiting) -> str | None:
    return next((name for name in row.route_left if book.is_open(name)), None)


def _can_leave(book: Book, row: Waiting) -> bool:
    return row.channel not in book.closed or _next_open(book, row) is not None


def _with_others(book: Book, row: Waiting, now: datetime) -> Go | Later:
    """One message a day for several debts, and whoever claims them the same one carries them."""
    others = [each for each in book.waiting if each.payment_id != row.payment_id]
    ahead = [
        each
        for each in others
        if each.not_before <= now
        and book.order(each) < book.order(row)
        and _can_go(book, each, now)
    ]
    if ahead:
        first = min(ahead, key=book.order)
        why = "it goes with another debt's reminder"
        why += f"; in one message with {first.payment_id}"
        return Later(now + _SOON, DIGEST, why)
    evening = instant(book.day_of(now) + _ONE_DAY, time.min, book.zone)
    along = [
        each
        for each in others
        if each.not_before < evening
        and book.owed[each.payment_id].is_exposed
        and (each.payment_id, book.day_of(now)) not in book.slots
        and _can_leave(book, each)
        and _why_never(book, each, now) is None
    ]
    return Go(tuple(sorted(along, key=book.order)))


def _can_go(book: Book, row: Waiting, now: datetime) -> bool:
    """Whether it would go now, be it over another channel."""
    verdict = _why_not(book, row, now)
    return verdict is None or isinstance(verdict, Over)
