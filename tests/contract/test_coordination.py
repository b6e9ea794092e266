"""One suite for coordination within a process and through Redis, then what Redis may do to us."""

import asyncio
import logging
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bot.coordination import Coordination, open_coordination
from bot.coordination.local import LocalCoordination
from bot.coordination.redis import POLL_S, RedisCoordination
from tests.services import RedisServer, eventually, free_port, private_folder, redis_binary

SLOW = 59 / 60
"""A rate with a window of a minute, so that no test crosses its end."""
SOON_S = 0.02
LONG_S = 30.0
RECOVERY_S = 10.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["local", pytest.param("redis", marks=pytest.mark.redis)])
async def coordination(
    request: pytest.FixtureRequest, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Coordination]:
    if request.param == "local":
        yield LocalCoordination(clock)
        return
    # A busy machine may take longer than the service is patient, which then goes on by itself.
    monkeypatch.setattr("bot.coordination.redis.ANSWER_S", RECOVERY_S)
    url, prefix = request.getfixturevalue("redis_url"), request.getfixturevalue("redis_prefix")
    async with running(url, prefix) as opened:
        await eventually(lambda: opened.is_listening)
        yield opened


@asynccontextmanager
async def running(url: str, prefix: str, process: str = "one") -> AsyncIterator[RedisCoordination]:
    opened = open_coordination(url, process=process, prefix=prefix)
    assert isinstance(opened, RedisCoordination)
    task = asyncio.create_task(opened.run())
    try:
        yield opened
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await opened.aclose()


Pair = tuple[
    AbstractAsyncContextManager[RedisCoordination], AbstractAsyncContextManager[RedisCoordination]
]


def pair(url: str, prefix: str) -> Pair:
    return running(url, prefix, "a"), running(url, prefix, "b")


async def test_a_wake_up_reaches_the_waiter(coordination: Coordination) -> None:
    waiter = asyncio.create_task(coordination.wait("outbox", LONG_S))
    await asyncio.sleep(0)
    coordination.wake("outbox")
    async with asyncio.timeout(5):
        assert await waiter


async def test_a_wake_up_before_the_wait_counts_once(coordination: Coordination) -> None:
    coordination.wake("outbox")
    coordination.wake("outbox")
    assert await coordination.wait("outbox", LONG_S)
    assert not await coordination.wait("outbox", SOON_S)


async def test_a_wait_ends_by_itself(coordination: Coordination) -> None:
    assert not await coordination.wait("outbox", SOON_S)


async def test_topics_do_not_mix(coordination: Coordination) -> None:
    coordination.wake("inbox")
    assert not await coordination.wait("outbox", SOON_S)
    assert await coordination.wait("inbox", LONG_S)


async def test_what_is_granted_never_passes_the_rate(coordination: Coordination) -> None:
    granted = [await coordination.take("sms", SLOW, wanted) for wanted in (40, 40, 40)]
    assert granted == [40, 19, 0]


@pytest.mark.parametrize("wanted", [0, -1])
async def test_asking_for_nothing_spends_nothing(coordination: Coordination, wanted: int) -> None:
    assert await coordination.take("sms", SLOW, wanted) == 0
    assert await coordination.take("sms", SLOW, 100) == 59


async def test_keys_have_rates_of_their_own(coordination: Coordination) -> None:
    assert await coordination.take("sms", SLOW, 100) == 59
    assert await coordination.take("email", SLOW, 100) == 59


async def test_many_who_ask_at_once_share_one_rate(coordination: Coordination) -> None:
    granted = await asyncio.gather(*(coordination.take("sms", SLOW, 7) for _ in range(20)))
    assert sum(granted) == 59


async def test_what_is_given_back_can_be_taken_again(coordination: Coordination) -> None:
    assert await coordination.take("sms", SLOW, 50) == 50
    assert await coordination.take("sms", SLOW, 20) == 9
    await coordination.give_back("sms", SLOW, 30)
    await coordination.give_back("sms", SLOW, 0)
    assert await coordination.take("sms", SLOW, 100) == 30


@pytest.mark.parametrize("rate", [5.0, 2.5, 0.75])
async def test_the_rate_comes_back(coordination: Coordination, clock: Clock, rate: float) -> None:
    assert await coordination.take("sms", rate, 1000) >= 1

    async def is_granted_again() -> bool:
        clock.now += 0.5
        return await coordination.take("sms", rate, 1) == 1

    await eventually(is_granted_again, within_s=10)


async def test_one_holder_has_the_lease_and_may_renew_it(coordination: Coordination) -> None:
    assert await coordination.lease("scheduler", "a", LONG_S)
    assert not await coordination.lease("scheduler", "b", LONG_S)
    assert await coordination.lease("scheduler", "a", LONG_S)
    assert await coordination.lease("sweeper", "b", LONG_S)


async def test_only_the_holder_gives_a_lease_back(coordination: Coordination) -> None:
    await coordination.lease("scheduler", "a", LONG_S)
    await coordination.release("scheduler", "b")
    assert not await coordination.lease("scheduler", "b", LONG_S)
    await coordination.release("scheduler", "a")
    assert await coordination.lease("scheduler", "b", LONG_S)


async def test_a_lease_that_is_not_renewed_ends(coordination: Coordination, clock: Clock) -> None:
    assert await coordination.lease("scheduler", "a", 0.05)

    async def is_free() -> bool:
        clock.now += 0.05
        return await coordination.lease("scheduler", "b", LONG_S)

    await eventually(is_free)


async def test_closing_twice_is_fine(coordination: Coordination) -> None:
    await coordination.aclose()
    await coordination.aclose()


async def test_a_wall_clock_set_back_does_not_stop_sending(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, wall = LocalCoordination(clock), types.SimpleNamespace(time=lambda: 1_000_000.0)
    monkeypatch.setattr("limits.aio.storage.memory.time", wall)
    assert await local.take("sms", 10, 100) == 10
    wall.time = lambda: 1_000_000.0 - 86_400
    clock.now += 1
    assert await local.take("sms", 10, 100) == 10


# Between processes


async def test_wake_ups_cross_processes_and_do_not_echo(redis_url: str, redis_prefix: str) -> None:
    async with (
        running(redis_url, redis_prefix, "a") as a,
        running(redis_url, redis_prefix, "b") as b,
    ):
        await eventually(lambda: a.is_listening and b.is_listening)
        for one in (a, b):
            await settle(one, "outbox")
        a.wake("outbox")
        assert await b.wait("outbox", LONG_S)
        assert await a.wait("outbox", LONG_S)
        # What is published is heard in order, so an echo would have come before this one.
        b.wake("fence")
        assert await a.wait("fence", LONG_S)
        assert not await a.wait("outbox", SOON_S)


async def settle(coordination: Coordination, topic: str) -> None:
    while await coordination.wait(topic, SOON_S):
        pass


async def test_processes_share_rates_and_leases(redis_url: str, redis_prefix: str) -> None:
    async with (
        running(redis_url, redis_prefix, "a") as a,
        running(redis_url, redis_prefix, "b") as b,
    ):
        assert await a.take("sms", SLOW, 40) + await b.take("sms", SLOW, 40) == 59
        assert await a.lease("scheduler", "a", LONG_S)
        assert not await b.lease("scheduler", "b", LONG_S)


async def test_other_prefixes_are_other_worlds(redis_url: str, redis_prefix: str) -> None:
    async with (
        running(redis_url, redis_prefix + "x:") as one,
        running(redis_url, redis_prefix + "y:") as other,
    ):
        assert await one.take("sms", SLOW, 100) == await other.take("sms", SLOW, 100) == 59
        assert await one.lease("scheduler", "a", LONG_S)
        assert await other.lease("scheduler", "b", LONG_S)


# What Redis may do to us


@pytest.fixture
def server() -> Iterator[RedisServer]:
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server to kill: install Redis")
    with private_folder() as folder:
        started = RedisServer(binary, Path(folder))
        try:
            started.start()
            yield started
        finally:
            started.kill()


Outage = tuple[Callable[[RedisServer], None], Callable[[RedisServer], None]]
OUTAGES: dict[str, Outage] = {
    "killed": (RedisServer.kill, RedisServer.start),
    "paused": (RedisServer.pause, RedisServer.resume),
}


@pytest.fixture(params=OUTAGES)
def outage(request: pytest.FixtureRequest) -> Outage:
    return OUTAGES[request.param]


async def assert_works_alone(one: RedisCoordination) -> None:
    """Every call answers soon, keeps the rate, and gives a lease to one holder only."""
    async with asyncio.timeout(5):
        assert sum([await one.take("alone", SLOW, 40) for _ in range(3)]) == 59
        assert await one.lease("alone", "x", LONG_S)
        assert not await one.lease("alone", "y", LONG_S)
        await one.release("alone", "x")
        await one.give_back("alone", SLOW, 1)
        assert await one.lease("alone", "y", LONG_S)
        one.wake("alone")
        assert await one.wait("alone", LONG_S)


async def assert_works_together(a: RedisCoordination, b: RedisCoordination) -> None:
    await eventually(lambda: a.is_listening and b.is_listening, within_s=RECOVERY_S)

    async def is_shared() -> bool:
        await a.take("together", SLOW, 100)
        granted = await b.take("together", SLOW, 1)
        return a.is_up and b.is_up and granted == 0

    await eventually(is_shared, within_s=RECOVERY_S)
    await settle(b, "together")
    a.wake("together")
    assert await b.wait("together", LONG_S)


async def test_an_outage_costs_nothing_but_company(server: RedisServer, outage: Outage) -> None:
    begin, end = outage
    one, other = pair(server.url, "t:")
    async with one as a, other as b:
        await assert_works_together(a, b)
        begin(server)
        await eventually(lambda: not a.is_listening, within_s=RECOVERY_S)
        await assert_works_alone(a)
        await assert_works_alone(b)
        end(server)
        await assert_works_together(a, b)


async def test_one_outage_is_told_once(
    server: RedisServer,
    outage: Outage,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin, end = outage
    monkeypatch.setattr("bot.coordination.redis.RETRY_S", 0.0)
    caplog.set_level(logging.INFO, "bot.coordination.redis")
    async with running(server.url, "t:") as one:
        await eventually(lambda: one.is_listening)
        begin(server)
        await eventually(lambda: not one.is_listening, within_s=RECOVERY_S)
        for _ in range(4):
            await one.take("sms", 10, 1)
        end(server)
        await eventually(lambda: one.is_listening, within_s=RECOVERY_S)
    said = [record.getMessage().partition(";")[0] for record in caplog.records]
    assert said == ["Redis is away", "Redis is back"]


async def test_whoever_waits_when_redis_dies_is_woken_to_look(
    server: RedisServer, outage: Outage
) -> None:
    begin, _ = outage
    async with running(server.url, "t:") as one:
        await eventually(lambda: one.is_listening)
        await settle(one, "outbox")
        waiter = asyncio.create_task(one.wait("outbox", LONG_S))
        await asyncio.sleep(0)
        begin(server)
        async with asyncio.timeout(RECOVERY_S):
            assert await waiter


async def test_a_wait_is_short_while_nobody_can_be_heard() -> None:
    async with running(f"redis://127.0.0.1:{free_port()}/0", "t:") as one:
        async with asyncio.timeout(POLL_S + 5):
            await settle(one, "outbox")
            assert not await one.wait("outbox", LONG_S)


async def test_a_redis_that_was_never_there_is_no_reason_to_stop() -> None:
    async with running(f"redis://127.0.0.1:{free_port()}/0", "t:") as one:
        await assert_works_alone(one)
        assert not one.is_up


async def test_a_flush_forgets_and_nothing_breaks(server: RedisServer) -> None:
    one, other = pair(server.url, "t:")
    async with one as a, other as b:
        await assert_works_together(a, b)
        assert await a.take("sms", SLOW, 100) == 59
        assert await a.lease("scheduler", "a", LONG_S)
        server.flush()
        assert await b.take("sms", SLOW, 100) == 59
        assert await b.lease("scheduler", "b", LONG_S)
        assert not await a.lease("scheduler", "a", LONG_S)
        await assert_works_together(a, b)
