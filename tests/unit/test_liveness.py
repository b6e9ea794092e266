"""A loop that stops coming round ends its process, also where the event loop itself hangs."""

import asyncio
import subprocess
import sys
import threading

import pytest

from bot.liveness import EXIT_HUNG, Heartbeats, Watchdog
from bot.telemetry.metrics import Metrics
from tests.services import eventually

HANGS = """
import asyncio, time
from bot.liveness import Heartbeats, Watchdog
from bot.telemetry.metrics import Metrics

async def main():
    beats = Heartbeats(Metrics())
    beats.beat("event loop")
    Watchdog(beats, limit_s=0.3, look_every_s=0.05).start()
    time.sleep(60)

asyncio.run(main())
"""


class Time:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def beats(time: Time) -> Heartbeats:
    return Heartbeats(Metrics(), time)


def test_who_is_late_is_named(beats: Heartbeats, time: Time) -> None:
    beats.beat("intake")
    time.now_s += 10
    beats.beat("relay.sms")
    time.now_s += 6
    assert beats.late(15) == ["intake"]
    beats.beat("intake")
    assert beats.late(15) == []


def test_who_is_excused_has_its_time_anew_but_not_at_the_end(beats: Heartbeats, time: Time) -> None:
    beats.beat("intake")
    time.now_s += 29
    beats.excuse()
    time.now_s += 29
    assert beats.late(30) == []
    time.now_s += 2
    assert beats.late(30) == ["intake"]
    beats.end()
    time.now_s += 31
    beats.excuse()
    assert beats.late(30) == ["stopping"]


def test_while_it_stops_no_loop_has_to_come_round_but_the_end_may_not_take_long(
    beats: Heartbeats, time: Time
) -> None:
    beats.beat("intake")
    time.now_s += 29
    beats.end()
    time.now_s += 29
    assert beats.late(30) == []
    time.now_s += 2
    assert beats.late(30) == ["stopping"]


async def test_the_watchdog_ends_what_hangs_and_only_that(beats: Heartbeats, time: Time) -> None:
    exits: list[int] = []
    looked = threading.Event()
    real = beats.late

    def late(limit_s: float) -> list[str]:
        looked.set()
        return real(limit_s)

    beats.late = late  # type: ignore[method-assign]
    beats.beat("intake")
    watchdog = Watchdog(beats, look_every_s=0.01, end_process=exits.append)
    watchdog.start()
    assert await asyncio.to_thread(looked.wait, 5)
    assert exits == []
    time.now_s += 31
    await eventually(lambda: exits == [EXIT_HUNG])
    watchdog.stop()


def test_a_process_whose_event_loop_hangs_is_ended() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], timeout=50, check=False)
    assert ended.returncode == EXIT_HUNG
