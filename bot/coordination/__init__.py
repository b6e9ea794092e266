"""How processes are polite and prompt together: shared rates, wake-ups, one leader.

Nothing here is needed to be right. Redis may be absent, flushed, paused or killed at any moment:
no call raises, and each falls back to what one process can know by itself.
"""

from typing import Protocol


class Coordination(Protocol):
    """Politeness and promptness; never the only copy of anything. No method raises."""

    @property
    def is_up(self) -> bool:
        """Whether processes hear each other; always so where there is but one."""

    async def run(self) -> None:
        """Carry wake-ups between processes until cancelled."""

    def wake(self, topic: str) -> None:
        """Tell whoever waits for `topic`, here and elsewhere; never blocks, may be lost."""

    async def wait(self, topic: str, timeout_s: float) -> bool:
        """Wait for `topic`; True if woken, False once `timeout_s` (or less) has passed.

        A wake-up that came since the last wait counts, so none falls between looking and
        waiting. For one waiter a topic in each process.
        """

    async def take(self, key: str, rate_per_s: float, wanted: int) -> int:
        """How many of `wanted` sends may leave now, 0 to `wanted`, under a rate for `key`.

        What is granted is spent. Everyone who asks for a key names the same rate. It holds over
        a window of one to sixty seconds; two windows may meet, so that a burst is at most twice
        what one of them allows.
        """

    async def give_back(self, key: str, rate_per_s: float, unused: int) -> None:
        """Return what was taken and not used, so that the next to ask may have it."""

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        """Take or renew `name` for `ttl_s`; True if `holder` has it now.

        Two may be told True for a time when Redis fails or forgets: what the holder does must be
        harmless twice.
        """

    async def release(self, name: str, holder: str) -> None:
        """Give `name` back if `holder` has it."""

    async def aclose(self) -> None:
        """Release connections; calling it again does nothing."""


def open_coordination(
    redis_url: str | None, *, process: str, prefix: str = "paybot:"
) -> Coordination:
    """Meet at Redis if there is a URL, else keep to this process; connects to nothing yet.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, or None.
        process: a name that no other process has.
        prefix: what every key and channel begins with.
    """
    if redis_url is None:
        from bot.coordination.local import LocalCoordination

        return LocalCoordination()
    from bot.coordination.redis import RedisCoordination

    return RedisCoordination(redis_url, process=process, prefix=prefix)
