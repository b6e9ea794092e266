"""Callbacks are kept whatever the database does, and reach the inbox once it is well again."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.spool import Spool
from bot.store.inbox import Received, Source
from bot.web import callbacks
from bot.web.callbacks import CallbackDoor, RefugeError
from tests.services import eventually


class FakeDoor:
    """An inbox that refuses or says nothing on demand."""

    def __init__(self) -> None:
        self.stored: list[Received] = []
        self.offers = 0
        self.is_away = False
        self.is_silent = False
        self.poison = b"no body is this"

    def offer(self, item: Received) -> asyncio.Future[None]:
        self.offers += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_away or item.body == self.poison:
            future.set_exception(OSError("away"))
        elif not self.is_silent:
            self.stored.append(item)
            future.set_result(None)
        return future

    def bodies(self) -> list[bytes]:
        return [item.body for item in self.stored]


def callback(body: str) -> Received:
    headers = {"content-type": "application/json"}
    return Received(Source.MIGO, f"hash of {body}", "https://x/", headers, body.encode())


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> FakeDoor:
    monkeypatch.setattr(callbacks, "_RETRY_S", 0.02)
    monkeypatch.setattr(callbacks, "_GIVE_UP_S", 0.1)
    return FakeDoor()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = Spool(tmp_path, clock=time.time)
    opened.open()
    yield opened
    await opened.aclose()


@pytest.fixture
async def door(inbox: FakeDoor, spool: Spool) -> AsyncIterator[CallbackDoor]:
    made = CallbackDoor(inbox, spool)
    draining = asyncio.create_task(made.drain())
    yield made
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)


async def test_with_a_database_nothing_is_spooled(
    door: CallbackDoor, inbox: FakeDoor, spool: Spool
) -> None:
    await door.put(callback("one"))
    assert (inbox.bodies(), len(spool)) == ([b"one"], 0)


async def test_what_the_database_refuses_comes_later_with_its_time(
    door: CallbackDoor, inbox: FakeDoor, spool: Spool
) -> None:
    inbox.is_away = True
    before = datetime.now(UTC)
    for number in range(200):
        await door.put(callback(str(number)))
    after = datetime.now(UTC)
    assert (len(spool), inbox.stored) == (200, [])
    inbox.is_away = False
    await eventually(lambda: not len(spool))
    assert sorted(set(inbox.bodies())) == sorted(str(number).encode() for number in range(200))
    first = next(item for item in inbox.stored if item.body == b"0")
    assert first.received_at is not None
    assert before <= first.received_at <= after
    assert (first.event_id, first.headers) == (callback("0").event_id, callback("0").headers)


async def test_a_database_that_is_away_is_not_asked_by_each_callback(
    door: CallbackDoor, inbox: FakeDoor
) -> None:
    inbox.is_away = True
    await asyncio.gather(*(door.put(callback(str(number))) for number in range(50)))
    asked = inbox.offers
    await asyncio.gather(*(door.put(callback(str(number))) for number in range(50, 500)))
    assert inbox.offers - asked < 50
    inbox.is_away = False
    await eventually(lambda: len(inbox.stored) >= 500)
    await door.put(callback("direct"))
    assert inbox.bodies()[-1] == b"direct"


async def test_a_silent_database_is_waited_for_one_second(
    door: CallbackDoor, inbox: FakeDoor, spool: Spool
) -> None:
    inbox.is_silent = True
    start = time.monotonic()
    async with asyncio.timeout(5):
        await asyncio.gather(*(door.put(callback(str(number))) for number in range(20)))
    assert 0.7 <= time.monotonic() - start < 2.5
    assert len(spool) == 20
    start = time.monotonic()
    await door.put(callback("next"))
    assert time.monotonic() - start < 0.5
    inbox.is_silent = False
    await eventually(lambda: not len(spool))


async def test_one_that_is_always_refused_holds_up_nobody(
    door: CallbackDoor, inbox: FakeDoor, spool: Spool
) -> None:
    inbox.is_away = True
    for body in ("bad", "good", "better"):
        await door.put(callback(body))
    inbox.poison = b"bad"
    inbox.is_away = False
    await eventually(lambda: len(spool) == 1)
    assert sorted(set(inbox.bodies())) == [b"better", b"good"]
    await door.put(callback("direct"))
    assert b"direct" in inbox.bodies()
    assert [record.body for record in await spool.oldest(9)] == [b"bad"]


async def test_what_nothing_takes_is_refused(
    door: CallbackDoor,
    inbox: FakeDoor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox.is_away = True
    monkeypatch.setattr("bot.spool.files.Folder.write", lambda self, contents: [None])
    with pytest.raises(RefugeError):
        await door.put(callback("canary"))
    assert [record.levelname for record in caplog.records].count("CRITICAL") == 1
    assert "canary" not in caplog.text
    inbox.is_away = False
    await eventually(lambda: not door._is_away)
    await door.put(callback("after"))
    assert inbox.bodies() == [b"after"]


async def test_what_a_process_leaves_is_brought_by_one_that_lives(
    door: CallbackDoor, inbox: FakeDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_ADOPT_S", 0.02)
    ending = Spool(tmp_path, clock=time.time)
    ending.open()
    away = FakeDoor()
    away.is_away = True
    await CallbackDoor(away, ending).put(callback("left"))
    adopting = asyncio.create_task(door.adopt())
    await ending.aclose()
    await eventually(lambda: inbox.bodies() == [b"left"])
    adopting.cancel()
    await asyncio.gather(adopting, return_exceptions=True)


async def test_what_a_dead_process_left_is_brought_at_the_start(
    inbox: FakeDoor, tmp_path: Path
) -> None:
    dead = Spool(tmp_path, clock=time.time)
    dead.open()
    inbox.is_away = True
    await CallbackDoor(inbox, dead).put(callback("left"))
    await dead.aclose()
    inbox.is_away = False
    spool = Spool(tmp_path, clock=time.time)
    spool.open()
    draining = asyncio.create_task(CallbackDoor(inbox, spool).drain())
    await eventually(lambda: inbox.bodies() == [b"left"])
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    await spool.aclose()
