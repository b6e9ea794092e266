"""The `paybot` command: which verbs there are, and where each is found once it is wanted.

Nothing heavy is imported before a verb runs, so that help and mistakes are answered at once.
"""

import errno
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from bot.cli.display import harmless


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb is defined, and what the help says of it."""

    module: str
    help: str


VERBS = {
    "send": Verb("bot.cli.send", "Ask a customer for money and deliver the link."),
    "show": Verb("bot.cli.payments", "Show one payment with its links, messages and story."),
    "list": Verb("bot.cli.payments", "List payments, newest first."),
    "cancel": Verb("bot.cli.payments", "Stop asking for a payment."),
    "resend": Verb("bot.cli.payments", "Send a payment's link again."),
    "replace": Verb("bot.cli.payments", "Make another link; the old one may be paid too."),
    "accept": Verb("bot.cli.payments", "Take money that came in another amount than asked."),
    "why": Verb("bot.cli.payments", "Tell every decision about a payment, with its reason."),
    "bulk": Verb("bot.cli.bulk", "Ask many customers by a CSV or XLSX file."),
    "schedule": Verb("bot.cli.schedule", "Make payments that come back, and see what is planned."),
    "alerts": Verb("bot.cli.alerts", "List what waits for a person; close it."),
    "staff": Verb("bot.cli.staff", "Let staff in, list them, put them out; see what they did."),
    "doctor": Verb("bot.cli.doctor", "Check settings, database, Redis, clock and callbacks."),
    "migrate": Verb("bot.cli.service", "Bring the database to this version."),
    "serve": Verb("bot.cli.service", "Run the service."),
    "demo": Verb("bot.cli.demo", "Play the whole loop on every channel, in a sandbox."),
    "sandbox": Verb("bot.cli.sandbox", "Run only the emulated providers and phones."),
}

_EPILOG = "The service is at PAYBOT_URL; `paybot VERB --help` tells the options."


class Verbs(click.Group):
    """A group that imports a verb only when it is run, and words every error in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; it is a command of the same name in its module."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name].module)
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Leave out the one option there is, which shows this; the verbs fill the screen."""
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a verb and exit: 0, 1 for a failure, 2 for wrong input or configuration."""
        try:
            ended = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _tell(error)
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("stopped", err=True)
            sys.exit(130)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            sys.exit(1)
        sys.exit(ended if isinstance(ended, int) else 0)


def _tell(error: click.ClickException) -> None:
    text = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.rstrip('.')}; see `{error.ctx.command_path} --help`"
    click.echo(f"paybot: {harmless(text, has_lines=True)}", err=True)


@click.group(
    cls=Verbs,
    epilog=_EPILOG,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def paybot(ctx: click.Context) -> None:
    """Gets a merchant paid in a chat, over WhatsApp, SMS, email and Telegram."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
