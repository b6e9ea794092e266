"""A payment's series of reminders: begun, moved to a promised day, taken up again.

A payment has one reminder waiting at most; the next of its series is written when this one goes.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from bot.domain.calendars import NeverOpenError
from bot.domain.delivery import MANNERS, Purpose
from bot.domain.payment import UNPAID, Payment
from bot.domain.reminder_book import Book
from bot.domain.reminders import Planned, Tone
from bot.handlers.reminder_books import owed_of, shelf_of
from bot.handlers.rules import Rules
from bot.store import ledger, outbox, reminder_rows, reminding, waiting
from bot.store.engine import Tx
from bot.store.reminding import Series
from channels.base import ChannelName

_ONE_DAY = timedelta(days=1)
GIVE_UP = MANNERS[Purpose.REMINDER].give_up


def begin(tx: Tx, rules: Rules, payment: Payment) -> None:
    """Plan a payment's next reminder, if it wants any and none waits. Safe to repeat."""
    series = reminding.series_of(tx, [payment.id])[0]
    if series.reminders == "off" or payment.status not in UNPAID:
        return
    book = shelf_of(tx, rules, [payment.customer_id]).books[payment.customer_id]
    if any(row.payment_id == payment.id for row in book.waiting):
        return
    today = book.day_of(tx.now)
    owed = owed_of(rules, series, book.zone)
    rest = tuple(planned for planned in owed.series if planned.day > today)
    _plan_next(tx, rules, series, book, rest)


def begin_all(tx: Tx, rules: Rules, customer_id: int) -> None:
    """Go on with every series of a customer who may be reminded again. Safe to repeat."""
    for each in reminding.series_of(tx, reminding.asked_of(tx, customer_id)):
        begin(tx, rules, each.payment)


def _plan_next(tx: Tx, rules: Rules, series: Series, book: Book, rest: Sequence[Planned]) -> None:
    """Write the next reminder of a series; a date that had its reminder before has no other."""
    found = rules.next_courier(series.payment.route)
    if found is None:
        return
    try:
        for planned in rest:
            if plan(tx, [row_of(series, planned, book.on(planned.day), found)]):
                return
    except NeverOpenError as error:
        ledger.decide(tx, series.payment.id, "reminder not sent", f"window: {error}")


def plan(tx: Tx, rows: Sequence[outbox.NewItem]) -> int:
    """Write reminders; one of the same date that was cancelled waits again. Give how many."""
    made = len(outbox.add(tx, rows))
    return made if made == len(rows) else made + reminder_rows.revive(tx, rows)


def row_of(
    series: Series,
    planned: Planned,
    at: datetime,
    where: tuple[ChannelName, tuple[str, ...]],
    *,
    key: str | None = None,
) -> outbox.NewItem:
    """The row of one step of a series."""
    channel, route_left = where
    return outbox.NewItem(
        kind=outbox.SEND,
        lane=channel.value,
        key=key or f"reminder:{series.payment.id}:{planned.day.isoformat()}",
        purpose=Purpose.REMINDER,
        payment_id=series.payment.id,
        link_id=None if series.link is None else series.link.id,
        customer_id=series.payment.customer_id,
        channel=channel,
        route_left=route_left,
        not_before=at,
        give_up_at=at + GIVE_UP,
        payload=payload_of(planned),
    )


def payload_of(planned: Planned) -> dict[str, object]:
    """What a row says of the step that it is."""
    return {"day": planned.day.isoformat(), "tone": planned.tone.value}


def remind_on(tx: Tx, rules: Rules, payment_id: str, day: date) -> datetime | None:
    """Write on the day that the customer promised to pay, instead of what would come next.

    Returns:
        When, or None where nothing can be sent: the payment is not owed, or has no link.
    """
    series = reminding.series_of(tx, [payment_id])[0]
    payment = series.payment
    found = rules.next_courier(payment.route)
    if payment.status not in UNPAID or series.link is None or found is None:
        return None
    book = shelf_of(tx, rules, [payment.customer_id], lock=True).books[payment.customer_id]
    try:
        at = _moment_for(book, day, tx.now)
    except NeverOpenError:
        return None
    planned = Planned(Tone.PROMISED, day)
    why = "the customer promised to pay"
    row = next((row for row in book.waiting if row.payment_id == payment_id), None)
    if row is not None and row.tone is Tone.PROMISED:
        reminder_rows.set_payload(tx, row.outbox_id, payload_of(planned))
        reminder_rows.put_off(tx, row.outbox_id, at=at, give_up_at=at + GIVE_UP, why=why)
    else:
        # The step that waited keeps its own row, and so its date, for when the series goes on.
        cancel_waiting(tx, payment_id, why=why)
        key = f"reminder:{payment_id}:promised:{day.isoformat()}:{tx.now:%Y%m%dT%H%M%S}"
        plan(tx, [row_of(series, planned, at, found, key=key)])
    ledger.decide(
        tx, payment_id, "reminder moved", f"promise: the customer named {day}", next_at=at
    )
    return at


def _moment_for(book: Book, day: date, now: datetime) -> datetime:
    """When to write to somebody who promised a day: on it, else before it, else once it is open."""
    at = book.on(day)
    earlier = day
    while book.day_of(at) > day and (earlier := earlier - _ONE_DAY) > book.day_of(now):
        before = book.on(earlier)
        at = before if book.day_of(before) == earlier else at
    return at


def forget_day(tx: Tx, rules: Rules, payment: Payment) -> None:
    """Take back the reminder of a day that the customer does not mean any more."""
    book = shelf_of(tx, rules, [payment.customer_id], lock=True).books[payment.customer_id]
    for row in book.waiting:
        if row.payment_id == payment.id and row.tone is Tone.PROMISED:
            outbox.end(tx, row.outbox_id, "cancelled", error="the customer named another day")
            begin(tx, rules, payment)


def take_back(tx: Tx, outbox_ids: Sequence[int]) -> None:
    """Undo what reminders that are over took at their claim, where surely none of them left.

    Their dates are free again and count for nothing, and what was to go along waits again.
    """
    for slot in reminder_rows.free_dates(tx, outbox_ids) if outbox_ids else ():
        reminder_rows.bring_back(tx, slot)
        why = "it surely never left, and its date is free again"
        ledger.decide(tx, slot.payment_id, "reminder taken back", why, outbox_id=slot.outbox_id)


def cancel_waiting(tx: Tx, payment_id: str, *, why: str) -> None:
    """Cancel what waits of a payment's series."""
    waiting.cancel_waiting(tx, payment_id=payment_id, purposes=(Purpose.REMINDER,), why=why)
