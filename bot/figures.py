"""The figures that are read from the books when somebody looks at `/metrics`."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from bot.store import inbox, ledger, showing
from bot.store.engine import Store, Tx
from bot.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_READ_S = 2.0


class Figures:
    """Reads the queues and what waits for a person, and renders all numbers."""

    def __init__(self, store: Store, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock

    async def render(self) -> bytes:
        """Every number in Prometheus' text form; those of the books as they were last read."""
        try:
            async with asyncio.timeout(_READ_S):
                self._tell(*await self._store.transact(_read))
        except Exception as error:  # noqa: BLE001 - most wanted when the database is away
            _log.warning("no figures from the database: %s", type(error).__name__)
        return self._metrics.render()

    def _tell(
        self, queued: showing.QueueFigures, received: inbox.Waiting, alerts: dict[str, int]
    ) -> None:
        for name, number in (
            ("outbox.due", queued.due),
            ("outbox.sending", queued.sending),
            ("outbox.dead", queued.dead),
            ("inbox.due", received.due),
        ):
            self._metrics.queue_items.labels(name).set(number)
        self._set_age("outbox", queued.oldest_due_at)
        self._set_age("inbox", received.oldest_at)
        self._metrics.held.clear()
        for kind, count in alerts.items():
            self._metrics.held.labels(kind).set(count)

    def _set_age(self, queue: str, oldest_at: datetime | None) -> None:
        age_s = 0.0 if oldest_at is None else (self._clock() - oldest_at).total_seconds()
        self._metrics.queue_oldest_seconds.labels(queue).set(max(age_s, 0.0))


def _read(tx: Tx) -> tuple[showing.QueueFigures, inbox.Waiting, dict[str, int]]:
    return showing.figures(tx), inbox.waiting(tx), ledger.count_open_alerts(tx)
