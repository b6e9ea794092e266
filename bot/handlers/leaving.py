"""When the link of a payment may leave that no person asked for just now, as a schedule's.

By the customer's clock and country, as reminders go; decides only when, and writes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.calendars import NeverOpenError
from bot.handlers.reminder_books import home_of
from bot.handlers.rules import Rules


@dataclass(frozen=True, slots=True)
class Leaving:
    """The moment to leave at, and what was decided about it and why, where something was.

    Where no moment is allowed it leaves when it was asked for: a period's payment is not given up
    over hours that somebody set wrongly.
    """

    at: datetime
    what: str | None = None
    why: str = ""


def leaving(rules: Rules, phone: str, told: str | None, at: datetime) -> Leaving:
    """The next open moment of the customer with this number.

    Args:
        rules: the rules of this installation.
        phone: E.164.
        told: the time zone on the customer's record, if it has one.
        at: when it would leave otherwise.
    """
    region, zone = home_of(rules, phone, told)
    window = rules.reminding.window(region)
    try:
        opens = window.next_open(at, zone)
    except NeverOpenError:
        why = "window: nothing is ever open for this customer; see REMINDER_HOURS"
        return Leaving(at, "link not moved", why)
    closed = window.why_closed(at, zone)
    if closed is None:
        return Leaving(opens)
    return Leaving(opens, "link moved", why=f"window: it is {closed}")
