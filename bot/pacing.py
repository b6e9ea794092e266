"""How often one customer may be written to over one lane, whoever of the workers writes.

Asks the shared rate for each customer of a claimed batch, once; decides nothing about what becomes
of a row that has to wait.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from bot.coordination import Coordination
from bot.domain.delivery import Purpose
from bot.store import outbox
from bot.store.claims import OutboxItem


class Pacing:
    """The limit of one lane for each of its customers."""

    def __init__(self, coordination: Coordination, lane: str, rate_per_s: float) -> None:
        """Keep to `rate_per_s` messages a second to one address."""
        self._coordination = coordination
        self._lane = lane
        self._rate_per_s = rate_per_s

    async def admit(
        self, items: Sequence[OutboxItem]
    ) -> tuple[list[OutboxItem], list[tuple[OutboxItem, timedelta]]]:
        """Which of these rows may go now, and how long each other one has to wait.

        The rows of one customer keep their order, and come back one by one.
        """
        by_address: dict[str, list[OutboxItem]] = {}
        for item in items:
            # Whoever writes gets an answer at once: there are no more of them than were asked for.
            if item.kind == outbox.SEND and item.address and item.purpose is not Purpose.REPLY:
                by_address.setdefault(item.address, []).append(item)
        asked = await asyncio.gather(
            *(self._grant(address, len(rows)) for address, rows in by_address.items())
        )
        waits: list[tuple[OutboxItem, timedelta]] = []
        for granted, rows in zip(asked, by_address.values(), strict=True):
            late = enumerate(rows[granted:], start=1)
            waits += [(item, timedelta(seconds=number / self._rate_per_s)) for number, item in late]
        late_ids = {item.id for item, _ in waits}
        return [item for item in items if item.id not in late_ids], waits

    async def _grant(self, address: str, wanted: int) -> int:
        key = f"to:{self._lane}:{address}"
        return await self._coordination.take(key, self._rate_per_s, wanted)
