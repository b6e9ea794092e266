"""Whatever was acknowledged is still there after a `kill -9`, at any moment."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bot.store.migrate import migrate
from tests.services import fresh_database

WAIT_S = 60.0
CHILD = """
import asyncio, datetime, itertools, os, sys
from bot.store.engine import Store
from bot.store.inbox import Door, Received, Source

url, cycle = sys.argv[1:]
numbers = itertools.count()

async def put(door):
    while True:
        name = f"{cycle}.{next(numbers)}"
        await door.put(Received(Source.MIGO, name, "/", {}, name.encode() * 40))
        os.write(1, f"{name}\\n".encode())

async def main():
    store = Store(url, clock=lambda: datetime.datetime.now(datetime.UTC))
    store.open()
    door = Door(store)
    await asyncio.gather(*(put(door) for _ in range(16)))

asyncio.run(main())
"""


def acknowledged(url: str, cycle: int, lines: int) -> list[str]:
    """Have a process store callbacks, kill it after some answers, and give all that it answered."""
    command = [sys.executable, "-c", CHILD, url, str(cycle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            answered = [child.stdout.readline() for _ in range(lines)]
        finally:
            child.kill()
        answered += child.stdout.readlines()
        assert child.wait(WAIT_S) == -9, child.stderr.read().decode()
    return [line.decode().strip() for line in answered if line.endswith(b"\n")]


def survive(url: str, cycles: int, kept: Callable[[], dict[str, bytes]]) -> None:
    chance = random.Random(20260101)
    known: set[str] = set()
    for cycle in range(cycles):
        known.update(acknowledged(url, cycle, chance.randint(1, 400)))
        rows = kept()
        assert known - rows.keys() == set()
        assert all(body == name.encode() * 40 for name, body in rows.items())
    assert len(known) >= cycles


def test_no_acknowledged_callback_is_lost_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "paybot.db"
    url = f"sqlite:///{path}"
    migrate(url)

    def kept() -> dict[str, bytes]:
        connection = sqlite3.connect(path)
        try:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            return dict(connection.execute("select event_id, body from inbox"))
        finally:
            connection.close()

    survive(url, 20, kept)


@pytest.mark.postgres
def test_no_acknowledged_callback_is_lost_on_postgres(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        migrate(url)

        def kept() -> dict[str, bytes]:
            with psycopg.connect(url) as connection:
                return dict(connection.execute("select event_id, body from inbox").fetchall())

        survive(url, 10, kept)
