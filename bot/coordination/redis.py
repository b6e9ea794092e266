"""Coordination between processes through Redis, and each for itself while Redis is away.

The only place that talks to Redis. One connection listens, a few others ask; every question has
a short time to be answered, and one outage is told once.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from limits.aio.storage import RedisStorage
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from bot.coordination.local import LocalCoordination
from bot.coordination.rates import give_back, grant, window

ANSWER_S = 0.25
"""How long Redis may take for one answer before we go on without it."""
RETRY_S = 1.0
"""How long after a failure Redis is left alone."""
BEAT_S = 1.0
"""How long a subscription may be silent before it is asked whether it lives."""
POLL_S = 1.0
"""The longest wait while nobody can be heard: as often as that the database is asked."""

_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class RedisCoordination:
    """All of it between processes, and each for itself while Redis is away."""

    def __init__(self, url: str, *, process: str, prefix: str) -> None:
        """Connect to nothing yet; see `open_coordination` for the arguments."""
        self._local = LocalCoordination()
        self._process = process
        self._prefix = prefix
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
        )
        self._client = Redis(connection_pool=self._pool)
        self._storage = _rate_storage(self._pool, f"{prefix}rate")
        self._lease_script = self._client.register_script(_LEASE)
        self._release_script = self._client.register_script(_RELEASE)
        self._is_up = True
        self._left_alone_until = 0.0
        self._is_listening = False
        self._to_tell: set[str] = set()
        self._has_news = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether Redis answered when it was last asked."""
        return self._is_up

    @property
    def is_listening(self) -> bool:
        """Whether wake-ups of other processes are heard now."""
        return self._is_listening

    async def run(self) -> None:
        """See `Coordination`."""
        await asyncio.gather(self._listen(), self._tell())

    def wake(self, topic: str) -> None:
        """See `Coordination`."""
        self._local.wake(topic)
        self._to_tell.add(topic)
        self._has_news.set()

    async def wait(self, topic: str, timeout_s: float) -> bool:
        """See `Coordination`; while nobody can be heard it lasts `POLL_S` at most."""
        return await self._local.wait(
            topic, timeout_s if self._is_listening else min(timeout_s, POLL_S)
        )

    async def take(self, key: str, rate_per_s: float, wanted: int) -> int:
        """See `Coordination`; without Redis each process keeps the rate by itself."""
        item = window(rate_per_s)
        granted = await self._ask(lambda: grant(self._storage, item, key, wanted))
        if granted is None:
            return await self._local.take(key, rate_per_s, wanted)
        return granted

    async def give_back(self, key: str, rate_per_s: float, unused: int) -> None:
        """See `Coordination`."""
        item = window(rate_per_s)
        await self._ask(lambda: give_back(self._storage, item, key, unused))

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        """See `Coordination`; without Redis every process has its own leader."""
        key, ttl_ms = f"{self._prefix}lease:{name}", max(1, round(ttl_s * 1000))
        held: object = await self._ask(lambda: self._lease_script([key], [holder, ttl_ms]))
        if held is None:
            return await self._local.lease(name, holder, ttl_s)
        return held == 1

    async def release(self, name: str, holder: str) -> None:
        """See `Coordination`."""
        await self._local.release(name, holder)
        key = f"{self._prefix}lease:{name}"
        await self._ask(lambda: self._release_script([key], [holder]))

    async def aclose(self) -> None:
        """See `Coordination`."""
        await self._pool.disconnect()

    async def _ask(self, question: Callable[[], Awaitable[Result]]) -> Result | None:
        """What Redis answers; None if it does not, and for a while after that unasked."""
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await question()
        except (RedisError, OSError) as error:
            await self._note_down(error)
            return None
        self._note_up()
        return answer

    async def _note_down(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + RETRY_S
        # Each idle connection of a server that died would fail one more question later.
        await self._pool.disconnect(inuse_connections=False)
        if self._is_up:
            logger.warning("Redis is away; going on without it: %s", type(error).__name__)
        self._is_up = False

    def _note_up(self) -> None:
        self._left_alone_until = 0.0
        if not self._is_up:
            logger.info("Redis is back")
        self._is_up = True

    async def _tell(self) -> None:
        """Publish wake-ups; topics that gather meanwhile go out together."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            topics, self._to_tell = self._to_tell, set()
            await self._ask(functools.partial(self._publish, topics))

    async def _publish(self, topics: set[str]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for topic in topics:
                pipeline.publish(f"{self._prefix}wake", f"{self._process} {topic}")
            await pipeline.execute()

    async def _listen(self) -> None:
        """Hear wake-ups, and subscribe again for as long as it takes."""
        while True:
            try:
                async with self._client.pubsub() as subscription:
                    await subscription.subscribe(f"{self._prefix}wake")
                    await self._hear(subscription)
            except (RedisError, OSError) as error:
                await self._note_down(error)
            if self._is_listening:
                # Whoever waits now would wait in vain: let them look, and then poll.
                self._is_listening = False
                self._local.wake_all()
            await asyncio.sleep(RETRY_S)

    async def _hear(self, subscription: PubSub) -> None:
        """Pass on what is heard; return when nothing is, not even an answer to a ping."""
        was_asked = False
        while True:
            message = await subscription.get_message(timeout=BEAT_S)
            if message is None:
                if was_asked:
                    raise TimeoutError
                await subscription.ping()
                was_asked = True
                continue
            was_asked = False
            match message["type"]:
                case "subscribe":
                    self._is_listening = True
                    self._note_up()
                    self._local.wake_all()
                case "message":
                    sender, _, topic = message["data"].decode(errors="replace").partition(" ")
                    if sender != self._process:
                        self._local.wake(topic)


def _rate_storage(pool: ConnectionPool, prefix: str) -> RedisStorage:
    # The library documents that it takes a pool; its annotations know plain values only.
    make: Callable[..., RedisStorage] = RedisStorage
    return make("async+redis://", implementation="redispy", key_prefix=prefix, connection_pool=pool)
