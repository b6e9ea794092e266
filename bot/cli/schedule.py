"""`paybot schedule`: payments that come back, and what would be sent in the days to come."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bot.cli import display
from bot.cli.errors import WrongError
from bot.cli.payments import actor
from bot.cli.send import CHANNELS, minor_of, route_of

if TYPE_CHECKING:
    from bot.cli.client import Service

Json = dict[str, Any]

_STATUSES = ("active", "paused", "ended")
_as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_of_schedule = click.argument("schedule_id", metavar="ID")
_RULE_HELP = 'As "monthly 31 09:00", "every 3 months on 15", "weekly mon,thu", "cron 0 9 1 * *".'


@click.group("schedule", short_help="Make payments that come back, and see what is planned.")
def schedule_command() -> None:
    """Make payments that come back, and see what is planned."""


@schedule_command.command("add")
@click.option("--phone", required=True, help="Whose; national or with +.")
@click.option("--amount", required=True, help="As 150.00.")
@click.option("--currency", required=True, help="As GTQ.")
@click.option("--rule", required=True, help=_RULE_HELP)
@click.option("--channel", type=click.Choice(CHANNELS), help="Over one channel.")
@click.option("--route", metavar="A,B,…", help="Over these, the next if one fails.")
@click.option("--name", help="The customer's name.")
@click.option("--email", help="The customer's address.")
@click.option("--concept", help="What it is for, as the customer reads it.")
@click.option("--starts-on", metavar="DATE", help="Not before, as 2026-01-31.")
@click.option("--ends-on", metavar="DATE", help="Not after.")
@click.option("--time-zone", metavar="ZONE", help="Of its dates; the merchant's if left out.")
@click.option("--due-after-days", type=click.IntRange(0), help="Each is due so many days later.")
@click.option("--no-reminders", is_flag=True, help="Ask only once each time.")
@click.option("--key", help="Your own name for it; makes repeating safe.")
@_as_json
def add(is_json: bool, key: str | None, **asked: Any) -> None:
    """Add a schedule; it makes a fresh payment each period."""
    body = _body(asked)
    _tell(_with_service(lambda service: service.add_schedule(body, key)), is_json=is_json)


def _body(asked: Json) -> Json:
    if bool(asked["channel"]) == bool(asked["route"]):
        raise WrongError("give either --channel or --route")
    names = ("rule", "concept", "starts_on", "ends_on", "time_zone", "due_after_days", "currency")
    return {
        **{name: asked[name] for name in names},
        "customer": {name: asked[name] for name in ("phone", "name", "email")},
        "amount_minor": minor_of(asked["amount"], asked["currency"]),
        "route": route_of(asked["route"] or asked["channel"]),
        "reminders": "off" if asked["no_reminders"] else "default",
        "created_by": actor(),
    }


@schedule_command.command("list")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only this status.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", help="The next page, as the page before says.")
@_as_json
def list_schedules(status: tuple[str, ...], limit: int, cursor: str | None, is_json: bool) -> None:
    """List schedules, newest first."""
    query = {"status": ",".join(status) or None, "limit": limit, "cursor": cursor}
    page = _with_service(lambda service: service.schedules(**query))
    if is_json:
        display.print_json(page)
        return
    if not page["schedules"]:
        click.echo("no schedules")
        return
    columns = ("ID", "STATUS", "AMOUNT", "CUSTOMER", "RULE", "NEXT", "CONCEPT")
    display.print_table(columns, [_row(each) for each in page["schedules"]])
    if page["next_cursor"]:
        click.echo(f"more: repeat with --cursor {page['next_cursor']}", err=True)


def _row(schedule: Json) -> tuple[str, ...]:
    return (
        schedule["id"],
        schedule["status"],
        display.amount(schedule),
        _customer(schedule["customer"]),
        schedule["rule_text"],
        schedule["next_on"] or "",
        schedule["concept"] or "",
    )


def _customer(customer: Json) -> str:
    return " ".join(part for part in (customer["name"], customer["phone"]) if part)


@schedule_command.command("show")
@_of_schedule
@_as_json
def show(schedule_id: str, is_json: bool) -> None:
    """Show the schedule ID with its next dates and what became of its periods."""
    found = _with_service(lambda service: service.schedule(schedule_id))
    if is_json:
        display.print_json(found)
        return
    display.print_facts(
        [
            ("schedule", found["id"]),
            ("status", found["status"]),
            ("rule", f"{found['rule_text']}, {found['time_zone']}"),
            ("amount", display.amount(found)),
            ("customer", _customer(found["customer"])),
            ("concept", found["concept"]),
            ("route", ", ".join(found["route"])),
            ("starts on", found["starts_on"]),
            ("ends on", found["ends_on"]),
            ("created", f"{display.local_time(found['created_at'])} by {found['created_by']}"),
            ("next dates", ", ".join(found["next_dates"])),
        ]
    )
    if found["runs"]:
        click.echo()
        rows = [
            (each["on"], each["state"], each["payment_id"] or "", each["why"] or "")
            for each in found["runs"]
        ]
        display.print_table(("PERIOD", "STATE", "PAYMENT", "WHY"), rows)


@schedule_command.command("pause")
@_of_schedule
@_as_json
def pause(schedule_id: str, is_json: bool) -> None:
    """Have the schedule ID make no payments until it is resumed."""
    _move(schedule_id, "pause", is_json=is_json)


@schedule_command.command("resume")
@_of_schedule
@_as_json
def resume(schedule_id: str, is_json: bool) -> None:
    """Have the schedule ID go on; what passed meanwhile is not made up for."""
    _move(schedule_id, "resume", is_json=is_json)


@schedule_command.command("skip")
@_of_schedule
@click.option("--on", metavar="DATE", help="This date, as 2026-01-31; else the next one.")
@_as_json
def skip(schedule_id: str, on: str | None, is_json: bool) -> None:
    """Leave one period of the schedule ID out."""
    _move(schedule_id, "skip", is_json=is_json, on=on)


def _move(schedule_id: str, verb: str, *, is_json: bool, **more: str | None) -> None:
    body = {"by": actor(), **more}
    found = _with_service(lambda service: service.move_schedule(schedule_id, verb, body))
    _tell(found, is_json=is_json)


@schedule_command.command("remove")
@_of_schedule
@_as_json
def remove(schedule_id: str, is_json: bool) -> None:
    """End the schedule ID for good; payments that it made stay open."""
    found = _with_service(lambda service: service.remove_schedule(schedule_id, actor()))
    _tell(found, is_json=is_json)


@schedule_command.command("preview")
@click.option("--days", type=click.IntRange(1, 90), default=14, show_default=True)
@_as_json
def preview(days: int, is_json: bool) -> None:
    """Tell what would be sent in the days to come, when, to whom, and by which rule."""
    found = _with_service(lambda service: service.preview(days))
    if is_json:
        display.print_json(found)
        return
    if not found["planned"]:
        click.echo(f"nothing is planned until {display.local_time(found['until'])}")
        return
    columns = ("AT", "WHAT", "CUSTOMER", "CHANNEL", "AMOUNT", "CONCEPT", "FROM", "RULE")
    display.print_table(columns, [_planned(each) for each in found["planned"]])
    if found.get("is_cut"):
        click.echo("there is more than is shown here; ask for fewer days")


def _planned(row: Json) -> tuple[str, ...]:
    return (
        display.local_time(row["at"]),
        row["what"],
        _customer(row),
        row["channel"],
        display.amount(row),
        row["concept"] or "",
        row["schedule_id"] or row["payment_id"] or "",
        # The longest by far, and so the last: on a pipe it would push what follows off the screen.
        row["rule"],
    )


def _tell(schedule: Json, *, is_json: bool) -> None:
    if is_json:
        display.print_json(schedule)
        return
    coming = ", ".join(schedule["next_dates"]) or "none"
    click.echo(f"{schedule['id']} is {schedule['status']}; next dates: {coming}")


def _with_service(ask: "Callable[[Service], Json]") -> Json:
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        return ask(service)
