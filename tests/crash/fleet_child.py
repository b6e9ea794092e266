"""What a forked process of the service runs; importing it brings in all that serving needs."""

import os
from pathlib import Path

import aiogram  # noqa: F401 - brought in once, so that no fork pays for it
import uvloop  # noqa: F401

import bot.app
import bot.store.migrate  # noqa: F401
from bot.cli.service import serve_command
from tests.crash.watching import watch_from_inside

START_ONLY = {"API_TOKENS": "warm-0123456789012345", "TELEGRAM_BOT_TOKEN": ""}
"""Enough to start once beside a sandbox that nobody serves."""


def serve(environment: dict[str, str], roles: str, folder: str) -> None:
    """Be `paybot serve`, told nothing but `environment`."""
    log = os.open(Path(folder) / "serve.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if environment.pop("WATCHED", ""):
        watch_from_inside(Path(folder))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    serve_command.main(["--roles", roles], standalone_mode=False)
