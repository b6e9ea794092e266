"""An idle `serve` process: how much of a core it takes, and how often it looks for work.

On PostgreSQL with Redis there, as in a deployment of several processes. The looks are read from
the server's own log of statements.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psycopg
import redis

from benchmarks.serving import environment
from bot.store.migrate import migrate
from tests.services import (
    fresh_database,
    private_folder,
    started_postgres,
    started_redis,
)

SETTLE_S, MEASURE_S = 20.0, 30.0
MOST_OF_A_CORE, MOST_LOOKS_PER_S = 0.01, 1.0

# Lines of a statement after its first begin with a tab.
_STATEMENT = re.compile(r"LOG:  (?:execute [^:]*|statement): (.*(?:\n\t.*)*)")


class Idleness(NamedTuple):
    """What a process did in `took_s` seconds: CPU, questions by their text, commands to Redis."""

    cpu_s: float
    took_s: float
    looks: Counter[str]
    commands: Counter[str]


def _cpu_s(process_id: int) -> float:
    """User and system time that a process has taken."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _log_statements(server_url: str) -> None:
    """Have a server write each statement to its log."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("alter system set log_statement = 'all'")
        connection.execute("select pg_reload_conf()")


def _looks(log: str) -> Counter[str]:
    """How often a server was asked each question; what frames a transaction is none."""
    asked = (re.sub(r"\s+", " ", found[1]).strip() for found in _STATEMENT.finditer(log))
    return Counter(text for text in asked if not text.startswith(("BEGIN", "COMMIT", "ROLLBACK")))


def _commands(redis_url: str) -> Counter[str]:
    """How often each command has been given to a Redis so far."""
    with redis.Redis.from_url(redis_url) as client:
        told = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()})


def _measure(database_url: str, redis_url: str, folder: Path, log: Path) -> Idleness:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"],
        env=environment(database_url, folder, REDIS_URL=redis_url),
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(SETTLE_S)
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        cpu_s, logged, commands = _cpu_s(process.pid), log.stat().st_size, _commands(redis_url)
        begun = time.time()
        time.sleep(MEASURE_S)
        took_s = time.time() - begun
        cpu_s = _cpu_s(process.pid) - cpu_s
        commands = _commands(redis_url) - commands
        with log.open() as lines:
            lines.seek(logged)
            return Idleness(cpu_s, took_s, _looks(lines.read()), commands)
    finally:
        process.terminate()
        process.wait(timeout=30)


def main() -> bool:
    """Measure one process with every role; True if it is as idle as asked."""
    print(f"idle: one process, every role, PostgreSQL and Redis, over {MEASURE_S:.0f} s")
    with (
        private_folder() as folder,
        started_postgres(folder) as server_url,
        started_redis(folder) as redis_url,
        tempfile.TemporaryDirectory() as data,
    ):
        if server_url is None or redis_url is None:
            raise RuntimeError("PostgreSQL and Redis have to be installed")
        _log_statements(server_url)
        with fresh_database(server_url) as database_url:
            migrate(database_url)
            seen = _measure(database_url, redis_url, Path(data), folder / "postgres.log")
    return _print(seen)


def _print(seen: Idleness) -> bool:
    core = seen.cpu_s / seen.took_s
    fastest = seen.looks.most_common(4)
    # One that is due each second may fall once more into the time that is measured.
    is_patient = fastest[0][1] <= seen.took_s * MOST_LOOKS_PER_S + 1
    is_idle = core < MOST_OF_A_CORE
    print(f"  CPU                 {core * 100:6.2f} % of a core  asked: < 1   {_word(is_idle)}")
    each = fastest[0][1] / seen.took_s
    print(f"  the most frequent look {each:.2f} a second  asked: <= 1  {_word(is_patient)}")
    for text, count in fastest:
        print(f"    {count / seen.took_s:6.2f} a second  {text[text.find(' FROM ') + 1 :][:60]}")
    print(f"  all looks together  {seen.looks.total() / seen.took_s:6.2f} a second")
    print(f"  commands to Redis   {seen.commands.total() / seen.took_s:6.2f} a second")
    return is_idle and is_patient


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "MISSED"
