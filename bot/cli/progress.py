"""Whether a message has reached its customer, and how a wait for it is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from bot.cli import display

Json = dict[str, Any]
Tell = Callable[[str], None]

_ARRIVED = {"delivered", "read"}
# E-mail and Telegram report nothing after taking a message: it is their last word.
_ARRIVED_UNREPORTED = {"email": {"accepted"}, "telegram": {"accepted"}}
_UNDER_WAY = {"planned", "sending", "accepted", "sent"}
_STOPPED = ("held", "expired", "cancelled")
_PAID = ("paid", "refunded", "reversed")


def end_of(payment: Json, purpose: str) -> bool | None:
    """Whether the customer has the message: True, False once that is hopeless, else None.

    A payment over `web` or `app` alone has no messages: its link is ready once it is made.
    """
    messages = [each for each in payment["messages"] if each["purpose"] == purpose]
    if arrived(payment, purpose) is not None or (purpose == "link" and payment["status"] in _PAID):
        return True
    if purpose == "link" and payment["status"] in _STOPPED:
        return False
    if any(each["status"] in _UNDER_WAY for each in messages):
        return None
    if messages:
        return False
    has_courier = any(name not in ("web", "app") for name in payment["route"])
    return None if has_courier or not payment["links"] else True


def arrived(payment: Json, purpose: str) -> Json | None:
    """The message of this purpose that reached the customer, if one did."""
    for each in payment["messages"]:
        last_words = _ARRIVED | _ARRIVED_UNREPORTED.get(each["channel"], set())
        if each["purpose"] == purpose and each["status"] in last_words:
            found: Json = each
            return found
    return None


def steps(payment: Json) -> Iterator[str]:
    """What happened to a payment's link so far, a line each."""
    for link in payment["links"]:
        yield f"link {link['reference'] or link['uid']} made"
    for each in payment["messages"]:
        if each["purpose"] == "link" and each["status"] != "planned":
            why = f": {display.harmless(each['error'])}" if each["error"] else ""
            yield f"{each['channel']} {each['status']}{why}"


def reason(payment: Json) -> str:
    """Say why a message did not arrive, and what to do."""
    payment_id = payment["id"]
    reasons = [alert["detail"] for alert in payment["alerts"]]
    reasons += [each["error"] for each in reversed(payment["messages"]) if each["error"]]
    why = reasons[0] if reasons else f"the payment is {payment['status']}"
    return f"{why}; see `paybot why {payment_id}`, then `paybot resend {payment_id}` or cancel it"


@contextmanager
def progress(doing: str, *, is_quiet: bool = False) -> Iterator[Tell]:
    """Give what tells of each step: beside a spinner for a person, as lines elsewhere."""
    if is_quiet:
        yield lambda text: None
    elif display.is_terminal():
        from rich.console import Console
        from rich.text import Text

        console = Console()
        with console.status(doing):
            yield lambda text: console.print(Text(text))
    else:
        yield click.echo


def hand_over(payment: Json) -> None:
    """Show a link that no channel carries to whoever is to hand it over."""
    for link in payment["links"]:
        if link["url"] and not link["superseded"]:
            click.echo(link["url"])
            display.print_qr(link["url"])
