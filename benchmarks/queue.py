"""The outbox as a queue on PostgreSQL: no-op sends beside pgqueuer, and taskiq over Redis.

Each works off the same number of items in a process of its own, one after the other on the same
server. CPU is that of the process; the database's own is told beside it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import fresh_database, started_postgres, started_redis

ITEMS, ROUNDS = 30_000, 2
PGQUEUER_BATCHES = (10, 64, 500)
"""Its default, ours, and one that suits it; the best of them is the bar."""


@dataclass(frozen=True, slots=True)
class Run:
    """Items a second and milliseconds of CPU an item: of the worker, and of the database."""

    name: str
    rate: float
    cpu_ms: float
    server_ms: float


def _measure(name: str, kind: str, url: str, *extra: str, server_pid: int | None) -> Run:
    """The best of some rounds in a process of its own each."""
    runs = [_once(name, kind, url, *extra, server_pid=server_pid) for _ in range(ROUNDS)]
    return max(runs, key=lambda run: run.rate)


def _once(name: str, kind: str, url: str, *extra: str, server_pid: int | None) -> Run:
    command = [sys.executable, "-m", "benchmarks.queue_workers", kind, url, str(ITEMS), *extra]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with worker:
        if worker.stdin is None or worker.stdout is None:
            raise RuntimeError("a worker without pipes")
        worker.stdout.readline()
        before = _cpu_s(server_pid)
        worker.stdin.write("go\n")
        took_s, cpu_s = map(float, worker.stdout.readline().split())
        server_s = _cpu_s(server_pid) - before
    return Run(name, ITEMS / took_s, cpu_s / ITEMS * 1000, server_s / ITEMS * 1000)


def _cpu_s(server_pid: int | None) -> float:
    """CPU seconds of a server: of itself, its processes, and those that ended."""
    if server_pid is None:
        return 0.0
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == server_pid:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == server_pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def _servers() -> Iterator[tuple[str | None, str | None, int | None]]:
    """PostgreSQL and Redis of our own, and the process of the first."""
    with tempfile.TemporaryDirectory(prefix="paybot-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with started_postgres(folder) as postgres, started_redis(folder) as redis:
            pid_file = folder / "postgres" / "postmaster.pid"
            pid = int(pid_file.read_text().split()[0]) if postgres else None
            yield postgres, redis, pid


def _show(run: Run) -> None:
    print(
        f"  {run.name:<34}{run.rate:9,.0f}/s {run.cpu_ms:8.3f} ms CPU an item"
        f"   database {run.server_ms:6.3f} ms"
    )


def _against(ours: Run, peers: list[Run]) -> bool:
    best = max(peers, key=lambda run: run.rate)
    thrifty = min(peers, key=lambda run: run.cpu_ms)
    is_fast, is_cheap = ours.rate >= best.rate, ours.cpu_ms <= thrifty.cpu_ms
    ratio, share = ours.rate / best.rate, ours.cpu_ms / thrifty.cpu_ms
    print(f"  items a second / pgqueuer's best {ratio:6.2f}   asked: 1.00   {_word(is_fast)}")
    print(f"  CPU an item / pgqueuer's least   {share:6.2f}   asked: 1.00   {_word(is_cheap)}")
    return is_fast and is_cheap


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "MISSED"


def main() -> bool:
    """Run them all; True if ours is as fast and as thrifty as pgqueuer."""
    with _servers() as (postgres, redis, pid):
        print(f"queue: {ITEMS:,} items, one worker process, best of {ROUNDS}, fsync off")
        if postgres is None:
            print("  PostgreSQL is not installed: left out")
            return False
        with fresh_database(postgres) as url:
            ours = _measure("paybot: claim, no-op, settle", "ours", url, server_pid=pid)
            _show(ours)
        peers = []
        for batch in PGQUEUER_BATCHES:
            with fresh_database(postgres) as url:
                name = f"pgqueuer, batch_size={batch}"
                peers.append(_measure(name, "pgqueuer", url, str(batch), server_pid=pid))
            _show(peers[-1])
        if redis is not None:
            _show(_measure("taskiq over Redis (in memory)", "taskiq", redis, server_pid=None))
    return _against(ours, peers)
