"""One worker process, then two, drain one outbox on PostgreSQL against a slow provider.

The provider counts its calls: no row may be performed twice.

What bounds a worker is the provider's latency and how many calls it has under way, so that a
second one should double the rate; what is lost to the database they share is what is measured.
"""

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.sends import seed
from benchmarks.servers import now
from benchmarks.serving import environment
from benchmarks.slow_provider import Started
from bot.store.engine import Store
from bot.store.migrate import migrate
from tests.services import (
    fresh_database,
    private_folder,
    started_postgres,
)

LATENCY_S, N, ASKED = 2.0, 1_500, 1.6
_STARTED_S, _WITHIN_S = 15.0, 120.0


def _environment(database_url: str, provider_port: int, folder: Path) -> dict[str, str]:
    provider = f"http://127.0.0.1:{provider_port}"
    return environment(database_url, folder, TWILIO_BASE_URL=provider, SEND_RATES="sms=100000")


async def _owe(database_url: str) -> None:
    store = Store(database_url, clock=now)
    store.open()
    await store.transact(lambda tx: seed(tx, N))
    await store.close()


def _wait_until_sent(database_url: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    statement = "select count(*) from outbox where status = 'done' and purpose = 'link'"
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(statement).fetchone() != (N,):
            if time.monotonic() > deadline:
                raise RuntimeError("not all was sent")
            time.sleep(0.1)


def _drain(server_url: str, port: int, folder: Path, workers: int) -> float:
    """Messages a second of so many workers, from when they are up."""
    with fresh_database(server_url) as url, ExitStack() as stack:
        migrate(url)
        for _ in range(workers):
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve", "--roles", "worker"],
                env=_environment(url, port, folder),
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, timeout=60)
            stack.callback(process.terminate)
        time.sleep(_STARTED_S)
        asyncio.run(_owe(url))
        begun = time.perf_counter()
        _wait_until_sent(url)
        return N / (time.perf_counter() - begun)


def main() -> bool:
    """Run both; True if two workers are as much faster as asked."""
    print(f"workers: {N} messages, provider with {LATENCY_S:.0f} s latency, PostgreSQL")
    with private_folder() as folder, started_postgres(folder) as server_url:
        if server_url is None:
            raise RuntimeError("PostgreSQL has to be installed")
        provider = Started(LATENCY_S)
        try:
            rates = [_drain(server_url, provider.port, folder, number) for number in (1, 2)]
        finally:
            taken = provider.end()
    # Each row ended as sent, so that any more calls than rows are rows that were performed twice.
    twice = taken - len(rates) * N
    ratio = rates[1] / rates[0]
    word = "reached" if ratio >= ASKED else "MISSED"
    only_once = "reached" if twice == 0 else "MISSED"
    print(f"  one worker          {rates[0]:7.0f}/s")
    print(f"  two workers         {rates[1]:7.0f}/s")
    print(f"  two / one           {ratio:7.2f}   asked: {ASKED:.2f}   {word}")
    print(f"  calls above rows    {twice:7}   asked: 0      {only_once}")
    return ratio >= ASKED and twice == 0
