"""What a verdict on a reminder was decided from, behind its reason.

Times are those that the customer's clock showed, as the rules go by that.
"""

from collections.abc import Iterable
from datetime import date, datetime

from bot.domain.reminder_book import Ask, Book, Waiting


def why_message(book: Book, row: Waiting, why: str, ask: Ask) -> str:
    """Name the one message that is the reason, and its payment where that is another."""
    clock = book.clock(ask.at)
    if ask.payment_id == row.payment_id:
        return f"{why}: over {ask.channel} at {clock} by the customer's clock"
    return (
        f"{why}: over {ask.channel} at {clock} by the customer's clock, for payment"
        f" {ask.payment_id}"
    )


def why_messages(book: Book, row: Waiting, why: str, asks: Iterable[Ask]) -> str:
    """Name when the messages went that are the reason, and the payments that are others."""
    moments = ", ".join(_moment(book, row, ask) for ask in asks)
    return f"{why}: {moments} by the customer's clock"


def _moment(book: Book, row: Waiting, ask: Ask) -> str:
    clock = book.clock(ask.at)
    return clock if ask.payment_id == row.payment_id else f"{clock} ({ask.payment_id})"


def why_at(book: Book, why: str, at: datetime) -> str:
    """Name when that was."""
    return f"{why}: {book.clock(at)} by the customer's clock"


def why_until(book: Book, why: str, at: datetime) -> str:
    """Name until when that holds."""
    return f"{why}, until {book.clock(at)} by the customer's clock"


def why_now(book: Book, why: str, now: datetime) -> str:
    """Name what the customer's clock showed."""
    return f"{why}: the customer's clock shows {book.clock(now)} in {book.zone.key}"


def why_taken(book: Book, row: Waiting, today: date) -> str:
    """Name the message that has a payment's date, or its row where none is known to have left."""
    why = "one went out on this date"
    holder = book.slots[row.payment_id, today]
    ask = next((ask for ask in book.asks if ask.outbox_id == holder), None)
    return f"{why}: outbox row {holder}" if ask is None else why_message(book, row, why, ask)


def why_most(book: Book, row: Waiting, used: int) -> str:
    """Name what a payment was reminded of already, by date and by hand."""
    why = f"{used} were sent; {book.reminding.max_steps} are the most"
    by_hand = book.owed[row.payment_id].sent_again
    if by_hand:
        why += f"; sent again by hand: {by_hand}"
    dates = ", ".join(day.isoformat() for day in sorted(reminded_on(book, row)))
    if dates:
        why += f"; reminders on: {dates}"
    return why


def reminded_on(book: Book, row: Waiting) -> list[date]:
    """The dates on which a payment's reminders went out before this one."""
    return [
        day
        for (payment_id, day), holder in book.slots.items()
        if payment_id == row.payment_id and holder != row.outbox_id
    ]
