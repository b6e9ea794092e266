"""The verb that lists what waits for a person, shows what led to it, and closes it."""

from typing import Any

import click

from bot.cli import display
from bot.cli.payments import actor

Json = dict[str, Any]

_as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@click.group(
    "alerts", invoke_without_command=True, short_help="List what waits for a person; close it."
)
@_as_json
@click.pass_context
def alerts_command(context: click.Context, is_json: bool) -> None:
    """List what waits for a person, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        found = service.alerts()
    if is_json:
        display.print_json(found)
    elif not found["alerts"]:
        click.echo("nothing waits for a person")
    else:
        rows = [_row(each) for each in found["alerts"]]
        display.print_table(("ID", "SINCE", "KIND", "PAYMENT", "WHY"), rows)


def _row(alert: Json) -> tuple[str, ...]:
    since = display.local_time(alert["raised_at"])
    payment_id = alert["payment_id"] or "-"
    return str(alert["id"]), since, alert["kind"], payment_id, alert["detail"]


@alerts_command.command("show")
@click.argument("alert_id", metavar="ID", type=click.IntRange(1))
@_as_json
def show(alert_id: int, is_json: bool) -> None:
    """Show the alert ID with what came from outside and led to it."""
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        found = service.alert(alert_id)
    if is_json:
        display.print_json(found)
        return
    display.print_table(("ID", "SINCE", "KIND", "PAYMENT", "WHY"), [_row(found)])
    if found["body"] is not None:
        came = display.local_time(found["received_at"])
        body = display.harmless(found["body"], has_lines=True)
        click.echo(f"\nfrom {found['source']} on {came}:\n{body}")


@alerts_command.command("close")
@click.argument("alert_id", metavar="ID", type=click.IntRange(1))
@_as_json
def close(alert_id: int, is_json: bool) -> None:
    """Say that the alert ID needs nobody any more."""
    from bot.cli.client import Service, local_settings

    with Service(local_settings()) as service:
        closed = service.close_alert(alert_id, {"by": actor()})
    if is_json:
        display.print_json(closed)
    else:
        click.echo(f"alert {alert_id} is closed: {display.harmless(closed['detail'])}")
