"""The verbs that look at payments, stop them, and send their links again."""

import getpass
from typing import Any

import click

from bot.cli import display
from bot.cli.errors import FailedError, WrongError
from bot.cli.progress import hand_over

Json = dict[str, Any]

_CHANNELS = ("whatsapp", "sms", "email", "telegram", "web", "app")
_COURIERS = _CHANNELS[:4]
_STATUSES = (
    *("requested", "linked", "paid", "denied", "refunded", "reversed", "expired"),
    *("cancelled", "held"),
)
_as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_by = click.option("--by", metavar="NAME", required=True, help="Who decides it, for the books.")
_of_payment = click.argument("payment_id", metavar="ID")


@click.command("show", short_help="Show one payment.")
@_of_payment
@_as_json
def show_command(payment_id: str, is_json: bool) -> None:
    """Show the payment ID with its links, messages and story."""
    payment = _read(payment_id)
    if is_json:
        display.print_json(payment)
        return
    print_payment(payment)


@click.command("why")
@_of_payment
@_as_json
def why_command(payment_id: str, is_json: bool) -> None:
    """Tell every decision about the payment ID, with its reason."""
    payment = _read(payment_id)
    if is_json:
        display.print_json({name: payment[name] for name in ("id", "timeline", "alerts")})
        return
    _print_timeline(payment)
    _print_alerts(payment)


@click.command("list")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only this status.")
@click.option("--channel", type=click.Choice(_CHANNELS), help="Only routes that begin with it.")
@click.option("--created-after", metavar="TIME", help="Only newer ones, as 2026-04-03T00:00:00Z.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", help="The next page, as the page before says.")
@_as_json
def list_command(
    status: tuple[str, ...],
    channel: str | None,
    created_after: str | None,
    limit: int,
    cursor: str | None,
    is_json: bool,
) -> None:
    """List payments, newest first."""
    page = _page(
        status=",".join(status) or None,
        channel=channel,
        created_after=created_after,
        limit=limit,
        cursor=cursor,
    )
    if is_json:
        display.print_json(page)
        return
    if not page["payments"]:
        click.echo("no payments")
        return
    columns = ("ID", "STATUS", "AMOUNT", "CUSTOMER", "ROUTE", "CREATED", "CONCEPT")
    display.print_table(columns, [_row(payment) for payment in page["payments"]])
    if page["next_cursor"]:
        click.echo(f"more: repeat with --cursor {page['next_cursor']}", err=True)


@click.command("cancel")
@_of_payment
@_as_json
def cancel_command(payment_id: str, is_json: bool) -> None:
    """Stop asking for the payment ID; money that comes all the same is booked."""
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        payment = service.cancel(payment_id, {"by": actor()})
    if is_json:
        display.print_json(payment)
        return
    click.echo(f"{payment['id']} is {payment['status']}")
    if payment["links"]:
        click.echo("its link may still be payable at Migo; money that comes is booked and told")


@click.command("resend")
@_of_payment
@click.option("--channel", type=click.Choice(_COURIERS), help="Over this channel.")
@click.option(
    "--accept-risk", is_flag=True, help="An earlier link may exist and be payable too; go on."
)
@_as_json
def resend_command(payment_id: str, channel: str | None, accept_risk: bool, is_json: bool) -> None:
    """Send the link of the payment ID again."""
    from bot.cli.client import Service, local_settings

    body = {"channel": channel, "accept_risk": accept_risk, "by": actor()}
    with Service(local_settings()) as service:
        payment = service.resend(payment_id, body)
    if is_json:
        display.print_json(payment)
        return
    if not payment["messages"] and payment["links"]:
        hand_over(payment)
        return
    click.echo(f"{payment['id']} is {payment['status']}; {payment['timeline'][-1]['what']}")
    click.echo(f"follow it with `paybot show {payment['id']}`")


@click.command("replace")
@_of_payment
@_by
@click.option("--yes", is_flag=True, help="Take the risk without being asked.")
@_as_json
def replace_command(payment_id: str, by: str, yes: bool, is_json: bool) -> None:
    """Make another link for the payment ID, though its old one may be paid too."""
    from bot.cli.client import Service, local_settings

    if not (yes or display.is_terminal()):
        raise WrongError("say --yes to replace the link without being asked")
    with Service(local_settings()) as service:
        uid = _link_in_use(service.read(payment_id))
        if not (yes or click.confirm("The customer may be able to pay both links. Go on?")):
            raise FailedError("nothing was changed")
        body = {"accept_risk": True, "by": by, "uid": uid}
        payment = service.replace(payment_id, body)
    if is_json:
        display.print_json(payment)
        return
    click.echo(f"{payment['id']} is {payment['status']}; another link is being made")
    click.echo("its old link may still be payable at Migo; if both are paid, that is told")


def _link_in_use(payment: Json) -> str | None:
    uids = [str(link["uid"]) for link in payment["links"] if not link["superseded"]]
    return uids[-1] if uids else None


@click.command("accept")
@_of_payment
@_by
@_as_json
def accept_command(payment_id: str, by: str, is_json: bool) -> None:
    """Take what came for the payment ID, though it is not the amount asked for."""
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        payment = service.accept(payment_id, {"by": by})
    if is_json:
        display.print_json(payment)
        return
    told = [each["why"] for each in payment["timeline"] if each["what"] == "amount accepted"]
    click.echo(f"{payment['id']} is {payment['status']}: {told[-1]}")


def actor() -> str:
    """Who runs the command, for the books."""
    try:
        return f"cli:{getpass.getuser()}"[:100]
    except (KeyError, OSError):
        return "cli"


def _read(payment_id: str) -> Json:
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        return service.read(payment_id)


def _page(**query: object) -> Json:
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        return service.page(**query)


def _row(payment: Json) -> tuple[str, ...]:
    customer = payment["customer"]
    return (
        payment["id"],
        payment["status"],
        display.amount(payment),
        " ".join(part for part in (customer["name"], customer["phone"]) if part),
        ",".join(payment["route"]),
        display.local_time(payment["created_at"]),
        payment["concept"] or "",
    )


def print_payment(payment: Json) -> None:
    """Print all that is known of one payment."""
    customer = payment["customer"]
    display.print_facts(
        [
            ("payment", payment["id"]),
            ("status", payment["status"]),
            ("mind", "the customer may be able to pay both links" * payment["multi_link"]),
            ("amount", display.amount(payment)),
            ("customer", " ".join(filter(None, (customer["name"], customer["phone"])))),
            ("email", customer["email"]),
            ("concept", payment["concept"]),
            ("external id", payment["external_id"]),
            ("route", ", ".join(payment["route"])),
            ("created", f"{display.local_time(payment['created_at'])} by {payment['created_by']}"),
            ("send at", display.local_time(payment["send_at"])),
            ("due at", display.local_time(payment["due_at"])),
            ("expires at", display.local_time(payment["expires_at"])),
            *[(f"link ({_link_state(link)})", _link_shown(link)) for link in payment["links"]],
        ]
    )
    _print_messages(payment)
    _print_timeline(payment)
    _print_alerts(payment)


def _link_shown(link: Json) -> str:
    """Its URL, where it may be told; one out of use, or not sent yet, has a reference only."""
    return str(link["url"] or link["reference"] or link["uid"])


def _link_state(link: Json) -> str:
    if link["superseded"]:
        return f"{link['status']}, out of use"
    if link.get("url_withheld") == "not_taken_yet":
        return f"{link['status']}, its URL is shown once a channel took the message"
    return str(link["status"])


def _print_messages(payment: Json) -> None:
    if not payment["messages"]:
        return
    click.echo()
    rows = [
        (
            each["purpose"],
            each["channel"],
            each["to"] or "",
            each["status"],
            display.local_time(each["not_before"] if each["status"] == "planned" else each["at"]),
            each["error"] or "",
        )
        for each in payment["messages"]
    ]
    display.print_table(("MESSAGE", "CHANNEL", "TO", "STATUS", "AT", "ERROR"), rows)


def _print_timeline(payment: Json) -> None:
    click.echo()
    rows = [
        (
            display.local_time(each["at"]),
            each["what"],
            each["why"],
            display.local_time(each["next_at"]) if each.get("next_at") else "",
        )
        for each in payment["timeline"]
    ]
    display.print_table(("AT", "WHAT", "WHY", "NEXT"), rows)


def _print_alerts(payment: Json) -> None:
    for alert in payment["alerts"]:
        click.echo(f"\nneeds a person: {alert['kind']}: {display.harmless(alert['detail'])}")
