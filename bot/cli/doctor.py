"""`paybot doctor`: one line for each thing that must be right, with what to do if it is not."""

import os
import sys
from collections import Counter

import click

from bot.cli import display
from bot.cli.errors import FailedError, WrongError

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def doctor_command(is_json: bool) -> None:
    """Check settings, channels, database, Redis, clock and callbacks.

    Nothing is changed and nothing is sent. Exits 2 if settings are wrong, 1 if something else is.
    """
    from bot.cli.checks import Finding, Level, check_all
    from bot.cli.service import ENV_FILE
    from bot.settings import Settings, SettingsError
    from bot.telemetry import configure_logging

    configure_logging("text", "ERROR", sys.stderr)
    has_settings = True
    try:
        findings = list(check_all(Settings.load(os.environ, ENV_FILE)))
    except SettingsError as error:
        has_settings = False
        findings = [Finding(Level.FAIL, "settings", problem) for problem in error.problems]
    if is_json:
        display.print_json(
            [
                {"level": each.level.value, "subject": each.subject, "text": each.text}
                for each in findings
            ]
        )
    else:
        _print([(each.level.value, each.subject, each.text) for each in findings])
    failed = sum(each.level is Level.FAIL for each in findings)
    if not has_settings:
        raise WrongError(f"{failed} settings to put right")
    if failed:
        raise FailedError(f"{failed} to put right")


def _print(findings: list[tuple[str, str, str]]) -> None:
    width = max(len(subject) for _, subject, _ in findings)
    for level, subject, text in findings:
        word = click.style(level.ljust(4), fg=_COLOURS[level])
        click.echo(f"{word}  {subject.ljust(width)}  {text}")
    counts = Counter(level for level, _, _ in findings)
    click.echo(", ".join(f"{counts[level]} {level}" for level in _COLOURS if counts[level]))
