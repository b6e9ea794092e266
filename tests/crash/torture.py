"""`make torture`: every scenario at full length; one line each, and 0 only if all passed.

Ctrl-C ends it; `--only kill9 --seed 7` repeats a run, `--count 50` makes it shorter.
"""
# ruff: noqa: T201 - what it prints is what it is for

import argparse
import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bot.store.migrate import migrate
from tests.crash.report import Report
from tests.crash.scenarios import SCENARIOS, Place, Scenario
from tests.services import find_postgres, fresh_database, private_folder, started_postgres


def main(arguments: list[str]) -> int:
    """Run the scenarios whose name begins with `--only`, or all of them."""
    told = _parser().parse_args(arguments)
    chosen = {name: each for name, each in SCENARIOS.items() if name.startswith(told.only)}
    if not chosen:
        print(f"no such scenario; there are {', '.join(SCENARIOS)}")
        return 2
    # What the service logs of the faults that are made here would bury the figures.
    logging.disable(logging.ERROR)
    print(f"seed={told.seed}", flush=True)
    with _postgres() as url:
        ended = [
            _run(name, each, Place(told.seed, url), told.count) for name, each in chosen.items()
        ]
    print(f"seed={told.seed}  passed={sum(ended)}/{len(ended)}")
    return 0 if all(ended) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make torture ARGS=...", description=__doc__)
    parser.add_argument("--only", default="", help="a scenario, or how the names of some begin")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--count", type=int, default=0, help="instead of the full length")
    return parser


@contextmanager
def _postgres() -> Iterator[str | None]:
    """A migrated database on the server that is there, or on one of our own."""
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        server = find_postgres(os.environ) or stack.enter_context(started_postgres(folder))
        if server is None:
            yield None
            return
        url = stack.enter_context(fresh_database(server))
        migrate(url)
        yield url


def _run(name: str, scenario: Scenario, place: Place, count: int) -> bool:
    if scenario.needs_postgres and place.postgres_url is None:
        print(f"{name:<8} SKIP postgres: set TEST_POSTGRES_URL", flush=True)
        return False
    times = count or scenario.full
    print(f"{name} x {times} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        report = asyncio.run(scenario.run(place, times))
    except Exception as error:  # noqa: BLE001 - the others are to run all the same
        report = Report(name, {"seed": place.seed}, [f"{type(error).__name__}: {error}"])
    report.figures.setdefault("seed", place.seed)
    report.figures.setdefault("secs", time.monotonic() - began)
    print(report.line(), flush=True)
    return report.is_ok
