"""The whole check: lint, form, import contracts, types, tests; one line a stage.

What a stage printed is shown only if it failed. Types are checked beside the tests. Arguments are
passed on to pytest, whose closing line comes last. PostgreSQL and Redis are found, or started for
this run and stopped.
"""
# ruff: noqa: T201 - what it prints is what it is for

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.services import (  # noqa: E402 - the root has to be on the path first
    find_postgres,
    find_redis,
    private_folder,
    services_are_required,
    started_postgres,
    started_redis,
)

BIN = Path(sys.executable).parent
CODE = ("bot", "channels", "tests", "benchmarks")
STAGE_S = 3600
MOST_WORKERS = 3
"""One more than the cores of a small machine: a quarter of the time a test waits."""
STUCK_S = 300
"""A test that takes longer shows where it is stuck."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage ended and what it printed."""

    is_ok: bool
    output: str


def main(arguments: list[str]) -> int:
    """Run every stage, whatever the ones before it gave; 0 only if all went well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    stages: dict[str, list[str | Path]] = {
        "ruff check": [BIN / "ruff", "check", *CODE],
        "ruff format": [BIN / "ruff", "format", "--check", *CODE],
        "import contracts": [BIN / "lint-imports", "--no-cache"],
    }
    with ThreadPoolExecutor() as beside, ExitStack() as stack:
        types = beside.submit(_stage, "mypy", [BIN / "mypy"], os.environ)
        ended = [_stage(name, command, os.environ) for name, command in stages.items()]
        print("mypy and pytest   side by side; all of it in ten minutes on two cores", flush=True)
        tests = _stage("pytest", _pytest(arguments), _with_services(stack))
        ended.append(types.result())
    print(_not_run(tests.output), end="")
    print(_closing_line(tests.output))
    return 0 if all(stage.is_ok for stage in (*ended, tests)) else 1


def _pytest(arguments: list[str]) -> list[str | Path]:
    workers = os.environ.get("TEST_WORKERS", str(min(MOST_WORKERS, (os.cpu_count() or 1) + 1)))
    spread = ["-n", workers, "--dist", "loadfile"] if workers not in {"0", "1"} else []
    stuck = ["-o", f"faulthandler_timeout={STUCK_S}"]
    return [BIN / "python", "-m", "pytest", "-rs", "--color=no", *spread, *stuck, *arguments]


def _stage(name: str, command: list[str | Path], environ: Mapping[str, str]) -> Ended:
    """Run one tool and print its line when it is done; and what it said, if it failed."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STAGE_S,
            check=False,
        )
        ended = Ended(done.returncode == 0, done.stdout)
    except subprocess.TimeoutExpired as expired:
        said = expired.stdout.decode(errors="replace") if expired.stdout else ""
        ended = Ended(False, f"{said}\nnot done within {STAGE_S} s\n")
    took = f"{time.monotonic() - began:6.1f} s\n"
    said = "" if ended.is_ok else f"{ended.output}\n"
    print(f"{name:<18}{'ok' if ended.is_ok else 'FAILED':<7}{took}{said}", end="", flush=True)
    return ended


def _with_services(stack: ExitStack) -> dict[str, str]:
    """The environment for the tests, with the servers that could be found or started."""
    environ, folder = dict(os.environ), stack.enter_context(private_folder())
    postgres = find_postgres(environ) or stack.enter_context(started_postgres(folder))
    redis = find_redis(environ) or stack.enter_context(started_redis(folder))
    for name, url in (("TEST_POSTGRES_URL", postgres), ("TEST_REDIS_URL", redis)):
        if url is not None:
            environ[name] = url
    return environ


def _not_run(output: str) -> str:
    """A line for each reason why tests did not run."""
    skips = re.findall(r"^SKIPPED \[(\d+)\] (.*)$", output, re.MULTILINE)
    if not skips:
        return ""
    lines = "".join(f"  {count} x {why}\n" for count, why in skips)
    wanted = "" if services_are_required() else " (REQUIRE_SERVICES=1 makes these failures)"
    return f"Did not run{wanted}:\n{lines}"


def _closing_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "pytest printed nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
