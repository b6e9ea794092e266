"""An idle `serve` process: how much of a core it takes, and how many statements a second.

On PostgreSQL with Redis there, as in a deployment of several processes.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.serving import environment
from bot.store.migrate import migrate
from tests.services import (
    fresh_database,
    private_folder,
    started_postgres,
    started_redis,
)

SETTLE_S, MEASURE_S = 20.0, 30.0
MOST_OF_A_CORE, MOST_STATEMENTS = 0.01, 6.0


def _cpu_s(process_id: int) -> float:
    """User and system time that a process has taken."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _transactions(database_url: str) -> int:
    """Transactions that a database has ended so far; each loop's look is one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        row = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database"
            " where datname = current_database()"
        ).fetchone()
    return 0 if row is None else int(row[0])


def _measure(database_url: str, redis_url: str, folder: Path) -> tuple[float, float]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"],
        env=environment(database_url, folder, REDIS_URL=redis_url),
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(SETTLE_S)
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        cpu_s, transactions, begun = _cpu_s(process.pid), _transactions(database_url), time.time()
        time.sleep(MEASURE_S)
        took_s = time.time() - begun
        return (
            (_cpu_s(process.pid) - cpu_s) / took_s,
            (_transactions(database_url) - transactions) / took_s,
        )
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
        with fresh_database(server_url) as database_url:
            migrate(database_url)
            core, statements = _measure(database_url, redis_url, Path(data))
    is_idle = core < MOST_OF_A_CORE and statements < MOST_STATEMENTS
    word = "reached" if is_idle else "MISSED"
    print(f"  CPU                 {core * 100:6.2f} % of a core   asked: < {MOST_OF_A_CORE:.0%}")
    print(f"  transactions        {statements:6.2f} a second in all loops together   {word}")
    return is_idle
