"""The verbs that run the service and prepare its database."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.errors import FailedError, WrongError
from bot.memory import nothing_is_garbage

if TYPE_CHECKING:
    from bot.app import Role
    from bot.settings import Settings

ENV_FILE = Path(".env")


@click.command("serve")
@click.option(
    "--roles",
    default="web,worker,scheduler",
    show_default=True,
    help="What this process does; SQLite takes one process only.",
)
def serve_command(roles: str) -> None:
    """Run the service until it is told to stop."""
    with nothing_is_garbage():
        settings = load_settings()
        must_fit(settings)
        chosen = _roles(roles)
        _start_logging(settings)
        _tell_what_is_off(settings)
        from bot import app
        from bot.spool import SpoolError
        from bot.store.engine import StoreError

    try:
        run_loop(app.serve(settings, chosen))
    except (StoreError, SpoolError) as error:
        raise FailedError(str(error)) from None
    except OSError as error:
        web = settings.web
        is_web = app.Role.WEB in chosen
        port, name = (web.port, "PORT") if is_web else (web.metrics_port, "METRICS_PORT")
        where = f"{web.host}:{port}"
        raise FailedError(
            f"cannot serve at {where}: {error.strerror}; set HOST or {name}"
        ) from None


@click.command("migrate")
@click.option("--restored", is_flag=True, help="The database was restored from a copy.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def migrate_command(restored: bool, yes: bool) -> None:
    """Bring the database to this version; doing it again changes nothing.

    What a restored database owes may have been done since the copy was made. With --restored none
    of it is done again by itself: links to be made, messages and receipts that were owed by now
    wait for a person in `paybot alerts`.
    """
    from bot.cli.client import local_settings
    from bot.store.engine import StoreError
    from bot.store.migrate import migrate

    if yes and not restored:
        raise WrongError("--yes answers the question of --restored; leave it out, or name both")
    url = local_settings().store.url.get_secret_value()
    if restored and not yes:
        click.confirm("Is the service stopped, and this the restored database?", abort=True)
    try:
        before, after = migrate(url)
    except StoreError as error:
        raise FailedError(str(error)) from None
    if before == after:
        click.echo(f"the database is at {after} already")
    else:
        click.echo(f"the database went from {before or 'empty'} to {after}")
    if restored:
        _doubt_what_is_owed()


def _doubt_what_is_owed() -> None:
    from bot.store.engine import StoreError

    settings = load_settings()
    must_fit(settings)
    try:
        run_loop(_doubt_all(settings))
    except StoreError as error:
        raise FailedError(str(error)) from None


async def _doubt_all(settings: "Settings") -> None:
    from bot.app import Application
    from bot.handlers.restoring import doubt_all

    application = Application(settings, roles=())
    try:
        application.store.open()
        found = await application.store.transact(lambda tx: doubt_all(tx, application.rules))
    finally:
        await application.stop()
    click.echo(
        f"wait for a person in `paybot alerts`: links {found.creates}, messages {found.messages}\n"
        f"links that count as seen now: {found.exposed}\n"
        "Compare the payments since the copy with Migo's dashboard: what Migo reported meanwhile "
        "is not in this database."
    )


def load_settings() -> "Settings":
    """Read every setting.

    Raises:
        WrongError: some are wrong or missing; a line for each.
    """
    from bot.settings import Settings, SettingsError

    try:
        return Settings.load(os.environ, ENV_FILE)
    except SettingsError as error:
        hint = "set them in the environment or in .env, or try `paybot demo`"
        lines = "\n  ".join(error.problems)
        raise WrongError(f"the settings cannot be used; {hint}:\n  {lines}") from None


def must_fit(settings: "Settings") -> None:
    """Check what one setting alone does not show: the files named, and values that must match.

    Raises:
        WrongError: some do not fit; a line for each.
    """
    from bot import wiring

    found = []
    for read in (
        wiring.migo_config,
        wiring.composer,
        wiring.catalogue,
        wiring.reminding,
        wiring.plans,
    ):
        try:
            read(settings)
        except ValueError as error:
            found += str(error).splitlines()
    if len(found) > 1:
        raise WrongError("\n  ".join(["the settings do not fit:", *found]))
    if found:
        raise WrongError(found[0])


def run_loop(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine in the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _roles(text: str) -> "frozenset[Role]":
    from bot.app import Role

    names = [part.strip() for part in text.split(",") if part.strip()]
    known = [role.value for role in Role]
    if not names or not set(names) <= set(known):
        raise WrongError(f"--roles takes {', '.join(known)}, separated by commas")
    return frozenset(Role(name) for name in names)


def _start_logging(settings: "Settings") -> None:
    from bot.telemetry import configure_logging

    configure_logging(
        settings.log.format, settings.log.level, sys.stderr, secrets=settings.secrets()
    )


def _tell_what_is_off(settings: "Settings") -> None:
    from bot.settings import near_misses

    for channel, why in settings.channels_off():
        click.echo(f"{channel.value} is off: {why}", err=True)
    for name, meant in near_misses(os.environ, ENV_FILE):
        click.echo(f"{name} is not read; is {meant} meant?", err=True)
