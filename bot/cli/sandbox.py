"""`paybot sandbox`: the emulated providers and the phones page, for a service to point at."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.errors import FailedError, WrongError

if TYPE_CHECKING:
    from bot.sandbox.app import Sandbox
    from bot.sandbox.config import AmountUnit

_MARK = "# Written by `paybot sandbox`; replaced each time it starts with this file."


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=8010, show_default=True)
@click.option("--smtp-port", type=click.IntRange(0, 65535), default=2525, show_default=True)
@click.option(
    "--service",
    metavar="URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="Where webhooks go.",
)
@click.option(
    "--amount-unit",
    type=click.Choice(["minor", "major"]),
    default="minor",
    show_default=True,
    help="How Migo counts.",
)
@click.option("--env-file", type=click.Path(path_type=Path), help="Write the settings there.")
def sandbox_command(
    port: int, smtp_port: int, service: str, amount_unit: str, env_file: Path | None
) -> None:
    """Run the emulators of Migo, Twilio, Telegram and mail until Ctrl-C.

    Prints the settings that point a service at them. Without MIGO_TOKEN the service uses the key
    pair that is among them, at /transactions-hook.
    """
    if env_file is not None:
        _must_be_ours(env_file)
    try:
        asyncio.run(_run(_sandbox(amount_unit), port, smtp_port, service, env_file))
    except OSError as error:
        raise FailedError(
            f"cannot start: {error.strerror or error}; choose with --port and --smtp-port"
        ) from None


def _sandbox(amount_unit: str) -> "Sandbox":
    from bot.sandbox.app import Sandbox
    from bot.sandbox.config import MigoConfig, SandboxConfig

    unit: AmountUnit = "major" if amount_unit == "major" else "minor"
    return Sandbox(SandboxConfig(migo=MigoConfig(amount_unit=unit)))


async def _run(
    sandbox: "Sandbox", port: int, smtp_port: int, service: str, env_file: Path | None
) -> None:
    await sandbox.start(port=port, smtp_port=smtp_port)
    try:
        sandbox.point_at(service)
        _hand_out({**sandbox.environment(), **sandbox.shop()}, env_file)
        click.echo(
            f"phones: {sandbox.base_url}/   webhooks go to {service}   Ctrl-C ends", err=True
        )
        await until_told_to_stop()
    finally:
        await sandbox.stop()


def _hand_out(environment: Mapping[str, str], env_file: Path | None) -> None:
    lines = [f"{name}={value}" for name, value in environment.items()]
    if env_file is None:
        click.echo("\n".join(lines))
        return
    # Made readable by its owner only before anything secret is in it.
    handle = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join([_MARK, *lines]) + "\n")
    click.echo(f"settings: {env_file}", err=True)


def _must_be_ours(path: Path) -> None:
    """Refuse to write over a file that somebody else made.

    Raises:
        WrongError: it exists and was not written by this verb.
    """
    if path.exists() and not path.read_text("utf-8", "replace").startswith(_MARK):
        raise WrongError(f"{path} exists and is not ours; choose another --env-file")


async def until_told_to_stop() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
