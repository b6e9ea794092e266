"""A clock that leaps: time passes only while everybody waits, and then as far as the next of them.

Days go by in seconds, and one seed always tells the same story.
"""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class _Leaping(selectors.SelectSelector):
    """Waits for nothing: the wait itself is what moves the clock."""

    def __init__(self, leap: Callable[[float | None], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._leap(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time` is its own. No threads and no sockets may be used in it."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Leaping(self._go_on))
        self.set_task_factory(_owned)

    def time(self) -> float:
        return self._now_s

    def _go_on(self, timeout_s: float | None) -> None:
        if timeout_s is None:
            raise RuntimeError("nobody waits for anything any more")
        self._now_s += timeout_s


class Process:
    """What dies as one: all tasks that were begun in it, wherever they are just then."""

    def __init__(self) -> None:
        self.is_dead = False
        # Not a set, whose order is another in each run.
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def begin(self, work: Callable[[], Any]) -> None:
        """Start a coroutine in this process."""
        token = _process.set(self)
        try:
            asyncio.get_running_loop().create_task(work())
        finally:
            _process.reset(token)

    def own(self, task: "asyncio.Task[Any]") -> None:
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)

    def kill(self) -> None:
        """End it in mid-work; no clean-up of its tasks reaches anybody any more."""
        self.is_dead = True
        for task in list(self._tasks):
            task.cancel()

    async def live(self) -> None:
        """Go on, unless this process is dead: then what waits here waits for ever."""
        if self.is_dead:
            await asyncio.get_running_loop().create_future()


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def _owned(loop: asyncio.AbstractEventLoop, work: Any, **told: Any) -> "asyncio.Task[Any]":
    task = asyncio.Task(work, loop=loop, **told)
    process = _process.get()
    if process is not None:
        process.own(task)
    return task
