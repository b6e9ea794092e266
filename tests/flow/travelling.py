"""A service that goes by its sandbox's clock, which the phones page moves."""

from pathlib import Path

import httpx

from bot.app import ALL_ROLES, Role
from bot.cli.companion import accompany
from tests.flow.service import Service


class Travelling(Service):
    """A service and its sandbox, moved through time together."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._clock = self.sandbox.clock

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        await super().start(roles)
        accompany(self.sandbox, self.app)

    async def forward(self, **step: object) -> httpx.Response:
        """Press a button of the phones page: `hours`, or `to` the next reminder."""
        url = f"{self.sandbox.base_url}/sandbox/api/time"
        async with httpx.AsyncClient(trust_env=False, timeout=60) as page:
            return await page.post(url, json=step)
