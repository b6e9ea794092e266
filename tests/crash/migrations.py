"""`paybot migrate` is killed after any of its statements and run again: all is there, or none.

It begins with an empty database and with one of the first revision that has a customer.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot.store import migrations
from bot.store.engine import make_engine
from tests.contract.databases import rewound
from tests.crash.progress import shown
from tests.crash.report import Report

ROOT = Path(__file__).resolve().parents[2]
RUN_S = 60
FIRST = "0001"
CHILD = """
import os, signal, sys
import sqlalchemy as sa
from bot.cli.service import migrate_command

at, done = int(sys.argv[1]), 0

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def executed(connection, cursor, statement, *rest):
    global done
    done += statement.split()[0].upper() in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE")
    if done == at:
        os.kill(os.getpid(), signal.SIGKILL)

migrate_command.main([], standalone_mode=False)
print(done)
"""
_NEVER = -1
_ROWS = ("select * from alembic_version", "select * from customer")
State = tuple[tuple[object, ...], ...]


async def migrations_killed(*, kills: int, postgres_url: str | None) -> Report:
    """Kill it `kills` times on each engine from each beginning, at points all along its way."""
    report, began = Report("migrate"), time.monotonic()
    found: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paybot-migrate-")))
        urls = {"sqlite": f"sqlite:///{folder}/paybot.db"}
        if postgres_url is not None:
            stack.enter_context(rewound(postgres_url))
            urls["postgres"] = postgres_url
        for engine, url in urls.items():
            for start in ("empty", FIRST):
                statements = _kill_along(url, folder, start, kills, found)
                report.figures[f"{engine}_{start}"] = f"{kills}/{statements}"
                report.must_bite(statements > 1, f"{engine} {start}: nothing to interrupt")
    report.none_of("violations", found)
    report.figures["secs"] = time.monotonic() - began
    return report


def _kill_along(url: str, folder: Path, start: str, kills: int, found: list[str]) -> int:
    """Kill it at so many points, then let it end; give how many statements it takes."""
    _begin_with(url, start)
    statements = int(_run(url, folder, _NEVER).stdout.split()[-1])
    whole = _state(url)
    _begin_with(url, start)
    before = _state(url)
    for number in shown(range(kills), f"migrate {start}"):
        at = 1 + number * (statements - 1) // max(kills - 1, 1)
        ended = _run(url, folder, at)
        if ended.returncode != -signal.SIGKILL:
            found.append(f"{url} {start}: was not killed at {at}: {ended.stderr[-300:]!r}")
        if _state(url) != before:
            found.append(f"{url} {start}: half a migration after statement {at}")
    again = _run(url, folder, _NEVER)
    if again.returncode or _state(url) != whole:
        found.append(f"{url} {start}: it cannot be run again: {again.stderr[-300:]!r}")
    return statements


def _run(url: str, folder: Path, at: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(at)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": url},
        cwd=folder,
        capture_output=True,
        timeout=RUN_S,
        check=False,
    )


def _begin_with(url: str, start: str) -> None:
    if url.startswith("sqlite"):
        for end in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + end).unlink(missing_ok=True)
    engine = make_engine(url)
    with engine.begin() as conn:
        if conn.dialect.name != "sqlite":
            conn.execute(sa.text("drop schema public cascade"))
            conn.execute(sa.text("create schema public"))
        if start != "empty":
            config = Config(attributes={"connection": conn})
            config.set_main_option("script_location", str(Path(migrations.__path__[0])))
            config.set_main_option("path_separator", "os")
            command.upgrade(config, start)
            conn.execute(sa.text("insert into customer (phone, created_at) values ('+50255', 1)"))
    engine.dispose()


def _state(url: str) -> State:
    """The tables with their columns, the revision, and the customer."""
    engine = make_engine(url)
    with engine.begin() as conn:
        look = sa.inspect(conn)
        names = sorted(look.get_table_names())
        columns = [(name, *(each["name"] for each in look.get_columns(name))) for name in names]
        rows = []
        for statement in _ROWS:
            if statement.rsplit(maxsplit=1)[-1] in names:
                rows += [tuple(row) for row in conn.execute(sa.text(statement))]
    engine.dispose()
    return (*columns, *rows)
