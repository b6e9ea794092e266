"""Whether the loops of this process live: they beat, and a watchdog ends the process if one stops.

A process that is gone is started again and goes on from its books; one that hangs helps nobody.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from bot.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

LATE_S = 15.0
"""A loop that has not come round for so long makes the process not ready."""

HUNG_S = 30.0
"""One that has not for so long ends it."""

EXIT_HUNG = 70
"""What a process exits with that its watchdog ended."""


class Heartbeats:
    """When each loop last came round; beaten in the event loop, read from anywhere."""

    def __init__(self, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._last: dict[str, float] = {}
        self._is_ending = False

    def beat(self, name: str) -> None:
        """Note that the loop of this name lives."""
        if name not in self._last:
            gauge = self._metrics.loop_age_seconds.labels(name)
            gauge.set_function(lambda: self._monotonic() - self._last.get(name, self._monotonic()))
        self._last[name] = self._monotonic()

    def excuse(self) -> None:
        """Give every loop its time anew: none of them can be blamed for where it waits."""
        if not self._is_ending:
            self._last = dict.fromkeys(self._last, self._monotonic())

    def late(self, limit_s: float) -> list[str]:
        """The loops that have not come round for longer."""
        now = self._monotonic()
        return sorted(name for name, last in list(self._last.items()) if now - last > limit_s)

    def end(self) -> None:
        """Begin to stop: from now on no loop has to come round, but the end may not take long."""
        self._is_ending = True
        self._last = {"stopping": self._monotonic()}


class Watchdog:
    """A thread, so that it also sees an event loop that hangs."""

    def __init__(
        self,
        beats: Heartbeats,
        *,
        limit_s: float = HUNG_S,
        look_every_s: float = 1.0,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        """Watch nothing yet.

        Args:
            beats: what the loops beat on.
            limit_s: how long a loop may stay away.
            look_every_s: how often it looks.
            end_process: ends this process with an exit code, whatever hangs in it.
        """
        self._beats = beats
        self._limit_s = limit_s
        self._look_every_s = look_every_s
        self._end_process = end_process
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(self._look_every_s):
            hung = self._beats.late(self._limit_s)
            if hung:
                _log.critical("%s has not come round for %.0f s; ending", hung, self._limit_s)
                self._end_process(EXIT_HUNG)
                return
