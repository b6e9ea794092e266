"""Keeps the leases of what the relay has claimed and not settled yet.

A lease lapses, and its row is taken for one whose worker died, only when nobody renews it: when
this process is dead, or hangs.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import timedelta

from bot.store import leases
from bot.store.claims import OutboxItem
from bot.store.engine import Store

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""Two renewals and more. So long, and until the next sweep, whoever a dead worker was about to
write to waits; and so long a live one may be cut off from the database before others do its work.
"""

_EVERY_S = 8.0
_RETRY_S = 1.0


class Holding:
    """The rows of one process that are claimed, under way, or ended and not written yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, tuple[str, float]] = {}

    def take(self, items: Iterable[OutboxItem]) -> None:
        """Keep these from now on."""
        now_s = time.monotonic()
        self._held.update({item.id: (item.token, now_s) for item in items})

    def let_go(self, items: Iterable[OutboxItem]) -> None:
        """Their end is written, or they are somebody else's by now."""
        for item in items:
            token, _ = self._held.get(item.id, ("", 0.0))
            if token == item.token:
                del self._held[item.id]

    async def keep(self) -> None:
        """Renew in time, for ever; after a failure soon again."""
        pause_s = _EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._renew()
            except Exception:  # noqa: BLE001 - logged, and tried again soon
                _log.exception("cannot renew %d leases", len(self._held))
                pause_s = _RETRY_S
            else:
                pause_s = _EVERY_S

    async def _renew(self) -> None:
        """Renew all but the young, whose lease outlasts the pause that follows."""
        until_s = time.monotonic() - _EVERY_S / 2
        old = {item_id: token for item_id, (token, at_s) in self._held.items() if at_s <= until_s}
        if old:
            await self._store.transact(
                lambda tx: leases.renew(tx, old, lease=LEASE), is_single=True
            )
