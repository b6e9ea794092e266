"""What the phones page asks of the service beside the sandbox: its time moved, money asked for.

The sandbox knows no service: whoever runs both hands over these functions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from bot.sandbox.people import Person
from bot.sandbox.world import World

MAX_DAYS: Final = 366
_SETTLE_S: Final = 10.0


class BesideError(Exception):
    """The service cannot do that now."""


@dataclass(frozen=True, slots=True)
class Order:
    """A payment to be asked for; `due_at` is None where it has no due date."""

    person: Person
    channel: str
    amount_minor: int
    due_at: datetime | None
    wants_reminders: bool


@dataclass(frozen=True, slots=True)
class Companion:
    """What a service beside the sandbox can do; each may raise `BesideError`.

    `jump` calls its argument, which moves the clock, when no call is under way, and wakes
    everything that waits. `next_at` says when the next reminder or recurring payment is due.
    """

    jump: Callable[[Callable[[], None]], Awaitable[None]]
    next_at: Callable[[], Awaitable[datetime | None]]
    ask: Callable[[Order], Awaitable[None]]


class Beside:
    """The acts of the page that need a service."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._one_jump = asyncio.Lock()
        self.companion: Companion | None = None

    def _found(self) -> Companion:
        if self.companion is None:
            raise BesideError("no service goes by this clock; start both with `paybot demo`")
        return self.companion

    async def forward(self, by: timedelta) -> None:
        """Move the time ahead, for the sandbox and the service together.

        Raises:
            BesideError: there is no service, or it does not come to rest.
            ValueError: it is no step ahead of at most a year.
        """
        if not timedelta(0) < by <= timedelta(days=MAX_DAYS):
            raise ValueError(f"at most {MAX_DAYS} days ahead")
        async with self._one_jump:
            await self._move_to(self._world.clock() + by)

    async def forward_to_next(self) -> None:
        """Move the time to when the next reminder or recurring payment is due.

        Raises:
            BesideError: there is no service, nothing is planned, or it does not come to rest.
        """
        async with self._one_jump:
            at = await self._found().next_at()
            if at is None:
                raise BesideError("no reminder is planned")
            await self._move_to(at)

    async def _move_to(self, at: datetime) -> None:
        companion = self._found()
        try:
            async with asyncio.timeout(_SETTLE_S):
                # A delivered report that is still on its way would come a day late.
                await self._world.postman.settled()
        except TimeoutError:
            raise BesideError("webhooks are still under way; try again") from None
        await companion.jump(lambda: self._world.clock.move_to(at))
        self._world.journal.note("sandbox", f"the time is {self._world.clock():%a %d %b %H:%M} UTC")

    async def ask(self, person: Person, body: Mapping[str, object]) -> None:
        """Ask a person for money: `{channel, amount, due_in_days?, reminders?}`.

        Raises:
            BesideError: there is no service, or it refuses.
            ValueError: a field cannot be read.
        """
        days = body.get("due_in_days")
        order = Order(
            person,
            str(body.get("channel")),
            _minor(str(body.get("amount"))),
            None if days in (None, "") else self._world.clock() + _days(str(days)),
            bool(body.get("reminders", True)),
        )
        await self._found().ask(order)


def _minor(text: str) -> int:
    try:
        amount = Decimal(text)
        if amount.is_finite() and Decimal(0) < amount < Decimal(10**9):
            return int(amount * 100)
    except InvalidOperation:
        pass
    raise ValueError("an amount such as 150.00")


def _days(text: str) -> timedelta:
    if not text.isdecimal() or int(text) > MAX_DAYS:
        raise ValueError(f"0 to {MAX_DAYS} days")
    return timedelta(days=int(text))
