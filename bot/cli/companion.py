"""The service beside a sandbox in one process: moved through time, asked to collect money."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import httpx

from bot.app import Application
from bot.sandbox.app import Sandbox
from bot.sandbox.beside import BesideError, Companion, Order
from bot.store import coming
from bot.store.engine import Tx

_SETTLE_S = 30.0
_POLL_S = 0.02


def accompany(sandbox: Sandbox, application: Application) -> None:
    """Let the phones page reach a service that goes by the sandbox's clock."""
    beside = ServiceBeside(sandbox, application)
    sandbox.accompany(Companion(beside.jump, beside.next_at, beside.ask))


class ServiceBeside:
    """What the phones page may ask of the service."""

    def __init__(self, sandbox: Sandbox, application: Application) -> None:
        self._sandbox = sandbox
        self._application = application

    async def jump(self, move: Callable[[], None]) -> None:
        """Move the clock while nothing is worked on, so that no claim looks lapsed; wake all.

        Raises:
            BesideError: something is still under way.
        """

        def move_if_quiet(tx: Tx) -> bool:
            # In the one writer thread of SQLite, where nothing can be claimed between the two.
            is_quiet = coming.is_quiet(tx)
            if is_quiet:
                move()
            return is_quiet

        deadline = time.monotonic() + _SETTLE_S
        while not await self._application.store.transact(move_if_quiet):
            if time.monotonic() > deadline:
                raise BesideError("messages are still under way; try again")
            await asyncio.sleep(_POLL_S)
        self._application.look_again()

    async def next_at(self) -> datetime | None:
        """When the next reminder or recurring payment is due."""
        return await self._application.store.transact(coming.next_coming)

    async def ask(self, order: Order) -> None:
        """Ask for a payment as a merchant's own system does, over `/v1`.

        Raises:
            BesideError: the service refuses.
        """
        url = f"{self._application.base_url}/v1/payments"
        headers = {"authorization": f"Bearer {self._application.tokens[0]}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
            answer = await client.post(url, json=self._body(order))
        if not answer.is_success:
            raise BesideError(f"the service answered {answer.status_code}: {answer.text[:200]}")

    def _body(self, order: Order) -> dict[str, object]:
        person = order.person
        return {
            "customer": {
                "phone": person.phone,
                "name": person.name,
                "email": person.email or None,
            },
            "amount_minor": order.amount_minor,
            "currency": self._sandbox.config.migo.currencies[0],
            "route": [order.channel],
            "concept": "Mensualidad",
            "due_at": None if order.due_at is None else order.due_at.isoformat(),
            "reminders": "default" if order.wants_reminders else "off",
        }
