"""Coordination within one process: events, a table of leases, rates in memory."""

import asyncio
import math
import time
from collections.abc import Callable

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage

from bot.coordination.rates import give_back, grant, window


class LocalCoordination:
    """All of it within one process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the clock that leases and rates go by."""
        self._monotonic = monotonic
        self._storage = MemoryStorage()
        self._events: dict[str, asyncio.Event] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    @property
    def is_up(self) -> bool:
        """See `Coordination`."""
        return True

    async def run(self) -> None:
        """Do nothing until cancelled: there is nobody else."""
        await asyncio.Event().wait()

    def wake(self, topic: str) -> None:
        """See `Coordination`."""
        self._event(topic).set()

    def wake_all(self) -> None:
        """Wake every waiter, as after a time when wake-ups may have been missed."""
        for event in self._events.values():
            event.set()

    async def wait(self, topic: str, timeout_s: float) -> bool:
        """See `Coordination`."""
        event = self._event(topic)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def take(self, key: str, rate_per_s: float, wanted: int) -> int:
        """See `Coordination`."""
        item, window_key = self._window(key, rate_per_s)
        return await grant(self._storage, item, window_key, wanted)

    async def give_back(self, key: str, rate_per_s: float, unused: int) -> None:
        """See `Coordination`."""
        item, window_key = self._window(key, rate_per_s)
        await give_back(self._storage, item, window_key, unused)

    def _window(self, key: str, rate_per_s: float) -> tuple[RateLimitItemPerSecond, str]:
        item = window(rate_per_s)
        # The number of the window is part of the key, so that a wall clock that is set back
        # cannot keep a spent window, which the library dates by that clock, alive for hours.
        return item, f"{key}/{math.floor(self._monotonic() / item.get_expiry())}"

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        """See `Coordination`."""
        now = self._monotonic()
        current, until = self._leases.get(name, (holder, now))
        if current != holder and until > now:
            return False
        self._leases[name] = (holder, now + ttl_s)
        return True

    async def release(self, name: str, holder: str) -> None:
        """See `Coordination`."""
        if self._leases.get(name, ("", 0.0))[0] == holder:
            del self._leases[name]

    async def aclose(self) -> None:
        """See `Coordination`."""

    def _event(self, topic: str) -> asyncio.Event:
        return self._events.setdefault(topic, asyncio.Event())
