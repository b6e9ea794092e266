"""The verbs that let staff in, list them, put them out, and tell what they did."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bot.cli import display
from bot.cli.payments import actor

if TYPE_CHECKING:
    from bot.cli.client import Service

Json = dict[str, Any]

_ROLES = ("viewer", "agent", "manager", "admin")
_as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_role = click.Choice(_ROLES)
_of_member = click.argument("staff_id", metavar="ID", type=click.IntRange(1))


@click.group("staff", short_help="Let staff in, list them, put them out; see what they did.")
def staff_command() -> None:
    """Let staff in, list them, change their role, put them out; see what they did."""


@staff_command.command("invite")
@click.option("--role", type=_role, required=True, help="What they may do.")
@click.option("--name", help="Under which name; else the one their chat app gives.")
@_as_json
def invite(role: str, name: str | None, is_json: bool) -> None:
    """Print a one-time way in that works for 24 hours."""
    made = _with_service(
        lambda service: service.invite_staff({"role": role, "name": name, "by": actor()})
    )
    if is_json:
        display.print_json(made)
        return
    for channel, url in made["links"].items():
        click.echo(f"{channel}: {url}")
    click.echo(f"or write to the bot: {made['text']}")
    click.echo(f"once, until {display.local_time(made['expires_at'])}, as {made['role']}", err=True)
    if "telegram" in made["links"]:
        display.print_qr(made["links"]["telegram"])


@staff_command.command("list")
@_as_json
def list_members(is_json: bool) -> None:
    """List everybody who is in."""
    found = _with_service(lambda service: service.staff())
    if is_json:
        display.print_json(found)
        return
    if not found["staff"]:
        click.echo("nobody yet; let somebody in with `paybot staff invite --role agent`")
        return
    rows = [
        (
            str(each["id"]),
            each["name"],
            each["role"],
            " ".join(filter(None, (each["channel"], each["phone"]))),
            display.local_time(each["created_at"]),
        )
        for each in found["staff"]
    ]
    display.print_table(("ID", "NAME", "ROLE", "CHAT", "SINCE"), rows)


@staff_command.command("audit")
@click.option("--payment", metavar="ID", help="Only what was done to this payment.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", type=click.IntRange(1), help="The next page, as the page before says.")
@_as_json
def audit(payment: str | None, limit: int, cursor: int | None, is_json: bool) -> None:
    """Tell what people did, newest first."""
    found = _with_service(
        lambda service: service.audit(payment_id=payment, limit=limit, cursor=cursor)
    )
    if is_json:
        display.print_json(found)
        return
    if not found["entries"]:
        click.echo("nothing yet")
        return
    rows = [
        (
            display.local_time(each["at"]),
            each["who"],
            each["what"],
            each["payment_id"] or "-",
            _change(each["before"], each["after"]),
        )
        for each in found["entries"]
    ]
    display.print_table(("WHEN", "WHO", "WHAT", "PAYMENT", "CHANGED"), rows)
    if found["next_cursor"]:
        click.echo(f"more: repeat with --cursor {found['next_cursor']}", err=True)


def _change(before: Json | None, after: Json | None) -> str:
    if not after:
        return f"was {_words(before)}" if before else ""
    return f"{_words(before)} -> {_words(after)}" if before else _words(after)


def _words(values: Json) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


@staff_command.command("role")
@_of_member
@click.argument("role", type=_role)
@_as_json
def set_role(staff_id: int, role: str, is_json: bool) -> None:
    """Give the member ID another ROLE."""
    member = _with_service(
        lambda service: service.set_staff_role(staff_id, {"role": role, "by": actor()})
    )
    _tell(member, is_json, f"{member['name']} is {member['role']} now")


@staff_command.command("remove")
@_of_member
@_as_json
def remove(staff_id: int, is_json: bool) -> None:
    """Put the member ID out at once, their open buttons too."""
    member = _with_service(lambda service: service.remove_staff(staff_id, {"by": actor()}))
    _tell(member, is_json, f"{member['name']} is out")


def _tell(member: Json, is_json: bool, text: str) -> None:
    if is_json:
        display.print_json(member)
    else:
        click.echo(display.harmless(text))


def _with_service(ask: "Callable[[Service], Json]") -> Json:
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        return ask(service)
