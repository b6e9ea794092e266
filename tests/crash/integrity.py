"""Asks a database whether anything is wrong with itself."""

import shutil
import sqlite3
import subprocess
from enum import StrEnum
from pathlib import Path

from bot.store.schema import metadata
from tests.services import postgres_binaries


class Integrity(StrEnum):
    """What a database says of itself."""

    OK = "ok"
    BROKEN = "broken"
    UNCHECKED = "unchecked"
    """There is no program here that could ask it."""


_FOUND_WRONG = 2
"""How `pg_amcheck` ends where it looked and found something wrong."""


def integrity(url: str, folder: Path, name: str = "paybot.db") -> Integrity:
    """Look at every table and index; on SQLite of the file of this name in a folder.

    Raises:
        AssertionError: it could not be looked at.
    """
    return _of_server(url) if not url.startswith("sqlite") else _of_file(folder / name)


def is_whole(url: str, folder: Path, name: str = "paybot.db") -> bool:
    """Whether the database finds nothing wrong with itself, as far as it can be asked."""
    return integrity(url, folder, name) is not Integrity.BROKEN


def _of_server(url: str) -> Integrity:
    binary = _amcheck()
    if binary is None:
        return Integrity.UNCHECKED
    # A table that it does not find is an error, so that what it looked at is ours.
    tables = [f"--table=public.{table.name}" for table in metadata.sorted_tables]
    command = [binary, "--install-missing", "--heapallindexed", *tables, url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, _FOUND_WRONG):
        raise AssertionError(f"pg_amcheck: {ended.stderr[-500:]}")
    return Integrity.BROKEN if ended.returncode else Integrity.OK


def _amcheck() -> str | None:
    """On PATH, or where Debian keeps what comes with each server."""
    on_path, folder = shutil.which("pg_amcheck"), postgres_binaries()
    return on_path or (None if folder is None else shutil.which("pg_amcheck", path=folder))


def _of_file(path: Path) -> Integrity:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("pragma integrity_check").fetchall()
    except sqlite3.DatabaseError:
        return Integrity.BROKEN
    finally:
        connection.close()
    return Integrity.OK if found == [("ok",)] else Integrity.BROKEN
