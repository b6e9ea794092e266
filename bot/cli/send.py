"""`paybot send`: create a payment and follow its link to the customer."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click

from bot.cli import display
from bot.cli.errors import FailedError, WrongError
from bot.cli.payments import actor
from bot.cli.progress import Tell, end_of, hand_over, progress, reason, steps

Json = dict[str, Any]

CHANNELS = ("whatsapp", "sms", "email", "telegram", "web", "app")
_POLL_S = 0.3
_SOON = timedelta(seconds=30)


@click.command("send")
@click.option("--phone", required=True, help="Whose; national or with +.")
@click.option("--amount", required=True, help="As 150.00.")
@click.option("--currency", required=True, help="As GTQ.")
@click.option("--channel", type=click.Choice(CHANNELS), help="Over one channel.")
@click.option("--route", metavar="A,B,…", help="Over these, the next if one fails.")
@click.option("--name", help="The customer's name.")
@click.option("--email", help="The customer's address.")
@click.option("--concept", help="What it is for, as the customer reads it.")
@click.option("--external-id", help="Your own number for it; makes repeating safe.")
@click.option("--at", "send_at", metavar="TIME", help="Later, as 2026-04-03T09:00:00-06:00.")
@click.option("--due", "due_at", metavar="TIME", help="When it is due; reminders go around it.")
@click.option("--expires", "expires_at", metavar="TIME", help="When to stop asking.")
@click.option("--reminders", metavar="PLAN", help="A plan's name, or steps: 'due-3, due+2 last'.")
@click.option("--no-reminders", is_flag=True, help="Ask only once.")
@click.option("--no-wait", is_flag=True, help="Return once it is on the books.")
@click.option("--wait-s", type=click.IntRange(1), default=120, show_default=True)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def send_command(no_wait: bool, wait_s: int, is_json: bool, **asked: Any) -> None:
    """Ask a customer for money and wait until the link is delivered."""
    from bot.cli.client import Service, local_settings

    body = _body(asked)
    with Service(local_settings()) as service:
        payment = service.create(body)
        payment_id = payment["id"]
        if not is_json:
            click.echo(payment_id)
        is_later = _is_later(payment)
        if not (no_wait or is_later):
            with progress("delivering", is_quiet=is_json) as tell:
                payment = _follow(lambda: service.read(payment_id), tell, wait_s)
    if is_json:
        display.print_json(payment)
    elif is_later:
        click.echo(f"will be sent at {display.local_time(payment['send_at'])}")
    _conclude(payment, is_waited=not (no_wait or is_later), is_quiet=is_json)


def _body(asked: Json) -> Json:
    if bool(asked["channel"]) == bool(asked["route"]):
        raise WrongError("give either --channel or --route")
    customer = {name: asked[name] for name in ("phone", "name", "email")}
    currency = asked["currency"].strip().upper()
    return {
        "customer": customer,
        "amount_minor": minor_of(asked["amount"], currency),
        "currency": currency,
        "route": route_of(asked["route"] or asked["channel"]),
        "concept": asked["concept"],
        "external_id": asked["external_id"],
        "send_at": asked["send_at"],
        "due_at": asked["due_at"],
        "expires_at": asked["expires_at"],
        "reminders": _reminders(asked["reminders"], is_off=asked["no_reminders"]),
        "created_by": actor(),
    }


def _reminders(plan: str | None, *, is_off: bool) -> str | list[str]:
    if is_off:
        return "off"
    if plan is None:
        return "default"
    steps = [step.strip() for step in plan.split(",")]
    return steps if any(sign in plan for sign in "+-,") or plan.strip() == "due" else plan.strip()


def minor_of(text: str, currency: str) -> int:
    """The amount that --amount names, in minor units.

    Raises:
        WrongError: it names none.
    """
    from bot.domain.money import AmountError, parse_amount

    try:
        return parse_amount(text, currency).minor
    except AmountError as error:
        raise WrongError(f"--amount: {error}") from None


def route_of(text: str) -> list[str]:
    """The channels that --route or --channel names.

    Raises:
        WrongError: one of them is none.
    """
    route = [part.strip() for part in text.split(",")]
    if unknown := [name for name in route if name not in CHANNELS]:
        raise WrongError(f"--route does not know {', '.join(unknown)}; only {', '.join(CHANNELS)}")
    return route


def _is_later(payment: Json) -> bool:
    if payment["send_at"] is None:
        return False
    at = datetime.fromisoformat(payment["send_at"].replace("Z", "+00:00"))
    return at - datetime.now(at.tzinfo) > _SOON


def _follow(read: Callable[[], Json], tell: Tell, wait_s: float) -> Json:
    """Read the payment until its link arrived or cannot; tell of each change once."""
    told: set[str] = set()
    deadline = time.monotonic() + wait_s
    while True:
        payment = read()
        for step in steps(payment):
            if step not in told:
                told.add(step)
                tell(step)
        if end_of(payment, "link") is not None or time.monotonic() > deadline:
            return payment
        time.sleep(_POLL_S)


def _conclude(payment: Json, *, is_waited: bool, is_quiet: bool) -> None:
    if not is_waited:
        return
    end = end_of(payment, "link")
    if end is None:
        raise FailedError(
            f"not delivered yet; the service goes on: see `paybot show {payment['id']}`"
        )
    if not end:
        raise FailedError(reason(payment))
    if not is_quiet and not payment["messages"]:
        hand_over(payment)
