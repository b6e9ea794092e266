"""`paybot serve` as a process of its own that a test kills and starts again."""

import os
import subprocess
import sys

import httpx

from bot.app import ALL_ROLES, Role
from tests.crash.mortal import MortalService
from tests.services import eventually

START_S = 60.0


class Killed(MortalService):
    """The service as a process of its own; `revive` goes on with its books in this one."""

    process: subprocess.Popen[bytes]
    is_revived = False

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        self._spawn()
        await eventually(self._is_up, START_S)

    def _spawn(self) -> None:
        with (self._folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                env={**self.environment(), "PATH": os.environ["PATH"]},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    async def _is_up(self) -> bool:
        assert self.process.poll() is None, (self._folder / "serve.log").read_text()
        try:
            return (await self.http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(START_S)

    async def revive(self) -> None:
        await super().start()
        self.is_revived = True

    async def stop(self) -> None:
        self.kill()
        if self.is_revived:
            await super().stop()
