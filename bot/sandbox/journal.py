"""What happened in the sandbox, newest last, and a signal to whoever watches.

The signal carries no content: a watcher is told that something changed and reads the state
itself, so a slow watcher costs nothing and can miss nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal; `is_bad` marks what a person should notice."""

    at: datetime
    provider: str
    text: str
    is_bad: bool = False


class Journal:
    """A bounded list of entries with a version that grows with every change."""

    def __init__(self, now: Callable[[], datetime], keep: int) -> None:
        self._now = now
        # Sooner forgotten than messages: nobody scrolls through more than a screenful.
        self.entries: deque[Entry] = deque(maxlen=min(keep, 500))
        self.version = 0
        self._changed = asyncio.Event()
        self.is_closed = False

    def note(self, provider: str, text: str, *, is_bad: bool = False) -> None:
        """Write a line and wake the watchers."""
        self.entries.append(Entry(self._now(), provider, text, is_bad))
        self.touch()

    def touch(self) -> None:
        """Tell the watchers that something changed."""
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """End every watch."""
        self.is_closed = True
        self.touch()

    async def watch(self, heartbeat_s: float = 15.0) -> AsyncIterator[int]:
        """Yield the version at once, after each change, and every `heartbeat_s` seconds."""
        seen = -1
        while not self.is_closed:
            if seen == self.version:
                await self._wait(heartbeat_s)
            seen = self.version
            if not self.is_closed:
                yield seen

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
