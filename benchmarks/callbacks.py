"""Durable callbacks over HTTP: ours, the same server without a database, and the tutorial way.

Each server is a process of its own on a fresh file; the client sends the same bodies to each over
64 connections. `handled` counts until every callback is also booked and its receipt owed.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load import fire, post

AT_ONCE = 64
SECRET = "benchmark-secret-0123456789"
N_OURS, N_TUTORIAL = 20_000, 1_500


def body_of(number: int) -> bytes:
    """One approved callback for the payment of this number."""
    return json.dumps(
        {
            "uid": f"uid{number:018d}",
            "reference": f"CAMPGT{number:06d}SB",
            "status": "approved",
            "amount": 15000,
            "currency": "GTQ",
        }
    ).encode()


def _requests(count: int) -> list[bytes]:
    headers = {"x-api-key": SECRET, "content-type": "application/json"}
    return [post("/webhooks/migo", body_of(number), headers) for number in range(count)]


class Served:
    """A server process of `benchmarks.servers`, ready to take requests."""

    def __init__(self, kind: str, folder: Path, payments: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", kind, str(folder), str(payments)],
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._process.stdout is None:
            raise RuntimeError("no output to read the port from")
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(timeout=30)


def measure(kind: str, count: int, *, payments: int = 0) -> tuple[float, float | None]:
    """Requests a second at one kind of server; with payments, callbacks handled a second too."""
    with tempfile.TemporaryDirectory() as folder:
        served = Served(kind, Path(folder), payments)
        try:
            started = time.perf_counter()
            rate = asyncio.run(fire(served.port, _requests(count), at_once=AT_ONCE))
            handled = None
            if kind == "all":
                done = Path(folder) / "handled"
                while not done.exists():
                    time.sleep(0.02)
                handled = count / (time.perf_counter() - started)
            return rate, handled
        finally:
            served.stop()


def main() -> bool:
    """Run the servers one after the other; True if the ratios asked for are reached."""
    print(f"callbacks: {AT_ONCE} at once, SQLite WAL, synchronous FULL, one process each")
    bare, _ = measure("bare", N_OURS)
    print(f"  same server without a database     {bare:9,.0f}/s")
    door, _ = measure("door", N_OURS)
    print(f"  paybot, durable                    {door:9,.0f}/s   {door / bare:5.0%} of it")
    tutorial, _ = measure("tutorial", N_TUTORIAL, payments=N_TUTORIAL)
    print(f"  FastAPI + SQLAlchemy + aiosqlite   {tutorial:9,.0f}/s")
    rate, handled = measure("all", N_OURS // 4, payments=N_OURS // 4)
    print(f"  paybot, all roles, while handling  {rate:9,.0f}/s")
    if handled is not None:
        print(
            f"  paybot, until booked and owed      {handled:9,.0f}/s   "
            f"{handled / tutorial:5.1f} times the tutorial's"
        )
    is_half, is_tenfold = door >= 0.5 * bare, door >= 10 * tutorial
    print(f"  durable / without a database  {door / bare:6.2f}   asked: 0.50   {_word(is_half)}")
    times = door / tutorial
    print(f"  durable / tutorial            {times:6.1f}   asked: 10.0   {_word(is_tenfold)}")
    return is_half and is_tenfold


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "MISSED"
