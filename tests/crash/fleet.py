"""Processes of `paybot serve`, forked from a parent that has everything imported.

A start then takes a fraction of a full one; at each twentieth all that starts is executed anew,
so that what happens at import is killed as well.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.app import ALL_ROLES, Role
from tests.crash.fleet_child import serve
from tests.crash.wire import status_of

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
EXEC_EVERY = 20

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.crash.fleet_warm"])


@dataclass(slots=True)
class Member:
    """One process: its part of the work and, where it answers requests, its port."""

    roles: frozenset[Role]
    port: int
    pid: int = 0
    is_executed: bool = False
    process: "multiprocessing.process.BaseProcess | subprocess.Popen[bytes] | None" = None

    @property
    def is_web(self) -> bool:
        return Role.WEB in self.roles


@dataclass(slots=True)
class Fleet:
    """The processes that serve one database."""

    environment: Mapping[str, str]
    folder: Path
    members: list[Member]
    executed: int = 0
    is_executed: bool = False
    """Whether all of them are, not only those of each twentieth start."""
    _starts: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def of(
        cls, environment: Mapping[str, str], folder: Path, ports: list[int], *, is_sqlite: bool
    ) -> "Fleet":
        """One process with every role on SQLite; on PostgreSQL two of each and a scheduler."""
        if is_sqlite:
            return cls(environment, folder, [Member(ALL_ROLES, ports[0])])
        web, worker = frozenset({Role.WEB}), frozenset({Role.WORKER})
        members = [Member(web, port) for port in ports[:2]]
        members += [Member(worker, 0), Member(worker, 0), Member(frozenset({Role.SCHEDULER}), 0)]
        return cls(environment, folder, members)

    @property
    def ports(self) -> list[int]:
        return [member.port for member in self.members if member.is_web]

    def start(self, members: list[Member]) -> None:
        """Start processes together; each twentieth time they are executed anew."""
        are_executed = next(self._starts) % EXEC_EVERY == 0 or self.is_executed
        for member in members:
            member.is_executed = are_executed
            self.executed += member.is_executed
            (self._execute if member.is_executed else self._fork)(member)

    def _settings(self, member: Member) -> dict[str, str]:
        ours = {"PATH": os.environ["PATH"], "PORT": str(member.port or self.ports[0])}
        return {**self.environment, **ours}

    def _fork(self, member: Member) -> None:
        arguments = (self._settings(member), ",".join(sorted(member.roles)), str(self.folder))
        process = _FORKS.Process(target=serve, args=arguments, daemon=True)
        process.start()
        member.process, member.pid = process, process.pid or 0

    def _execute(self, member: Member) -> None:
        with (self.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve", "--roles", ",".join(sorted(member.roles))],
                env={**self._settings(member), "PYTHONPATH": str(ROOT)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        member.process, member.pid = process, process.pid

    async def until_ready(self, members: list[Member]) -> float:
        """Wait until every one that takes requests is ready; give the seconds since the call.

        Raises:
            AssertionError: one ended, or none was ready in time.
        """
        began = time.monotonic()
        for member in members:
            while member.is_web and await status_of(member.port, "/readyz") != 200:
                assert self.is_alive(member), self.log()[-3000:]
                assert time.monotonic() - began < START_S, "not ready in time"
        return time.monotonic() - began

    def is_alive(self, member: Member) -> bool:
        return member.process is not None and self.exit_code(member) is None

    def terminate(self, members: list[Member]) -> None:
        """Ask processes to end, as whoever deploys does."""
        for member in members:
            os.kill(member.pid, signal.SIGTERM)

    def exit_code(self, member: Member) -> int | None:
        """How a process ended; None while it lives."""
        if isinstance(member.process, subprocess.Popen):
            return member.process.poll()
        return None if member.process is None else member.process.exitcode

    def kill(self, members: list[Member]) -> None:
        """End processes where they stand."""
        for member in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
        for member in members:
            if isinstance(member.process, subprocess.Popen):
                member.process.wait(START_S)
            elif member.process is not None:
                member.process.join(START_S)
                member.process.close()
            member.process = None

    def kill_all(self) -> None:
        self.kill([member for member in self.members if member.process is not None])

    def log(self) -> str:
        path = self.folder / "serve.log"
        return path.read_text(errors="replace") if path.exists() else ""
