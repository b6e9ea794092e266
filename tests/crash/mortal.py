"""A service that may be cut at any point and is born again on the same database."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bot.sandbox.webhooks import Postman, Webhook
from bot.scheduler import Scheduler
from bot.store import inbox, outbox
from bot.store.engine import Tx
from bot.store.schema import to_microseconds
from tests.crash.cuts import Cut, CutError
from tests.flow.service import EMAIL, PHONE, Service
from tests.services import eventually

LEASES_OVER = timedelta(minutes=3)
REST_S = 90.0

_CUSTOMER = {"phone": PHONE, "name": "Ana", "email": EMAIL, "locale": "es"}
_BUSY = """
    select (select count(*) from inbox
             where status = 'claimed' or (status = 'new' and not_before <= :now)),
           (select count(*) from outbox where status = 'sending'),
           (select min(not_before) from outbox
             where status = 'pending' and coalesce(purpose, '') != 'reminder'),
           (select min(not_before) from inbox where status = 'new')
"""


class Clock:
    """The machine's time, moved on where a test would have to wait."""

    def __init__(self) -> None:
        self.moved = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


class MortalService(Service):
    """Asks, pays and goes on until nothing is left to do, whatever happens to the process."""

    def __init__(self, folder: Path, database_url: str, cut: Cut) -> None:
        self.clock = Clock()
        self._cut = cut
        super().__init__(
            folder,
            database_url,
            self.clock,
            TELEGRAM_BOT_TOKEN="",
            PUBLIC_URL="http://paybot.example",
        )

    async def ask(self, channel: str) -> None:
        """Create the payment, as a caller does who repeats what was not answered."""
        body = {
            "customer": _CUSTOMER,
            "amount_minor": 15000,
            "currency": "GTQ",
            "route": [channel],
            "external_id": "INV-1",
        }

        async def is_taken() -> bool:
            try:
                answer = await self.http.post("/v1/payments", json=body)
            except httpx.TransportError:
                return False
            return answer.is_success

        await self._until(is_taken)

    async def post(self, webhooks: list[Webhook]) -> None:
        """Post callbacks all at once, each until it is acknowledged."""
        postman: Postman = self.sandbox.postman
        waiting = webhooks

        async def are_taken() -> bool:
            nonlocal waiting
            posted = await asyncio.gather(*(postman.post(each) for each in waiting))
            waiting = [each.webhook for each in posted if not each.is_taken]
            return not waiting

        await self._until(are_taken)

    async def rest(self) -> None:
        """Go on until nothing is left to do, through death and rebirth."""
        await self._until(self._is_at_rest)

    async def _until(self, condition: Callable[[], object]) -> None:
        async def holds() -> bool:
            if self._cut.is_dead:
                await self._be_born_again()
            result = condition()
            return bool(await result) if asyncio.iscoroutine(result) else bool(result)

        await eventually(holds, REST_S)

    async def _is_at_rest(self) -> bool:
        await self.sandbox.settled()
        try:
            [(unread, sending, *dues)] = await self.select(_BUSY, now=to_microseconds(self.clock()))
        except CutError:
            return False
        waits = [datetime.fromtimestamp(due / 1e6, UTC) for due in dues if due is not None]
        if unread == sending == 0 and waits and min(waits) > self.clock():
            # Nothing can happen before then, and nobody would sit and wait for it.
            self.clock.moved += min(waits) - self.clock()
            await self.app.store.transact(_wake_all)
        return unread == sending == 0 and not waits and not self._cut.is_near

    async def _be_born_again(self) -> None:
        """Throw the process away without a chance to settle, and start another one."""
        tasks = {task.get_name(): task for task in asyncio.all_tasks()}
        for task in (tasks["intake"], tasks["relay"], *self._cut.calls):
            task.cancel()
        await self.app.stop()
        self._cut.heal()
        await self.start()
        if not self.app.store.is_sqlite:
            # Other processes may live, so that only the end of a lease tells which are dead.
            self.clock.moved += LEASES_OVER
            sweeps = Scheduler(self.app.store, self.app.rules)
            await self.app.store.transact(sweeps.release_lapsed)


def _wake_all(tx: Tx) -> None:
    """Have the loops look at the clock that was moved, as they would by themselves in a second."""
    for name in (inbox.TOPIC, *map(outbox.topic, outbox.LANES)):
        tx.wake(name)
