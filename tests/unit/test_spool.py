"""The spool keeps what it acknowledged: through torn writes, full disks and kills."""

import asyncio
import itertools
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bot.spool import SLOT_BYTES, SLOTS, Spool, SpoolError, SpoolFullError

LARGEST = b"x" * (64 * 1024)
HEADER = {"source": "migo", "event_id": "e", "url": "https://pay.example/", "headers": {}}


def ticking() -> Callable[[], float]:
    """A clock that is one second later at each look."""
    seconds = itertools.count(1_001.0)
    return lambda: next(seconds)


CLOCK = ticking()


@asynccontextmanager
async def opened(home: Path, clock: Callable[[], float] = CLOCK) -> AsyncIterator[Spool]:
    spool = Spool(home, clock=clock)
    spool.open()
    try:
        yield spool
    finally:
        await spool.aclose()


async def bodies(spool: Spool) -> list[bytes]:
    return [record.body for record in await spool.oldest(100_000)]


async def keep(spool: Spool, *contents: bytes) -> None:
    await asyncio.gather(*(spool.put(HEADER, content) for content in contents))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files can grow to so many bytes and no further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, ticking()) as spool:
        await keep(spool, b"one", b"\x00\xff", b"")
        assert len(spool) == 3
    async with opened(tmp_path) as spool:
        found = await spool.oldest(2)
        assert [record.body for record in found] == [b"one", b"\x00\xff"]
        assert (found[0].header, found[0].at) == (HEADER, 1_001.0)
        assert len(spool) == 3


async def test_what_was_freed_stays_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await keep(spool, b"one", b"two", b"three")
        await spool.free((await spool.oldest(3))[1:2])
        assert await bodies(spool) == [b"one", b"three"]
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"one", b"three"]
        await spool.free(await spool.oldest(2))
        assert (len(spool), (tmp_path / "0/log").stat().st_size) == (0, 0)
        await keep(spool, b"four")
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"four"]


async def test_a_postponed_record_comes_last(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await keep(spool, b"one", b"two")
        spool.postpone(await spool.oldest(1))
        assert await bodies(spool) == [b"two", b"one"]


@pytest.mark.parametrize("lost", [1, 3, 30, 60])
async def test_a_torn_end_costs_only_itself(tmp_path: Path, lost: int) -> None:
    async with opened(tmp_path) as spool:
        await keep(spool, b"one", b"two")
        await keep(spool, b"three")
    log = tmp_path / "0/log"
    os.truncate(log, log.stat().st_size - lost)
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"one", b"two"]
        await keep(spool, b"four")
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"one", b"two", b"four"]


@pytest.mark.parametrize("at", range(0, 200, 7))
async def test_a_damaged_record_costs_only_itself(tmp_path: Path, at: int) -> None:
    async with opened(tmp_path) as spool:
        await keep(spool, b"one", b"t" * 200, b"three")
    log = tmp_path / "0/log"
    content = bytearray(log.read_bytes())
    content[content.index(b"t" * 200) + at] ^= 0xFF
    log.write_bytes(content)
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"one", b"three"]


async def test_slots_take_over_where_files_cannot_grow(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        with largest_file(SLOTS * SLOT_BYTES):
            await keep(spool, *[LARGEST] * 140)
            assert len(spool) == 140
        with largest_file(1024), pytest.raises(SpoolFullError):
            await spool.put(HEADER, b"no slot can be written at all" * 100)
        assert len(spool) == 140


async def test_slots_are_used_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as spool:
        _fill_disk(monkeypatch, tmp_path)
        await keep(spool, *[LARGEST] * SLOTS)
        with pytest.raises(SpoolFullError):
            await spool.put(HEADER, b"one more")
        assert len(spool) == SLOTS
        await spool.free(await spool.oldest(1))
        await spool.put(HEADER, b"now there is room")
    monkeypatch.undo()
    async with opened(tmp_path) as spool:
        assert (await bodies(spool)).count(LARGEST) == SLOTS - 1
        assert b"now there is room" in await bodies(spool)


def _fill_disk(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No byte can be added to the growing file."""
    log, write = (home / "0/log").stat().st_ino, os.pwrite

    def pwrite(file: int, content: bytes, offset: int) -> int:
        if os.fstat(file).st_ino == log:
            raise OSError(28, "No space left on device")
        return write(file, content, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


async def test_a_torn_slot_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as spool:
        _fill_disk(monkeypatch, tmp_path)
        await keep(spool, b"one")
        await keep(spool, b"two")
    monkeypatch.undo()
    slots = tmp_path / "0/slots"
    content = slots.read_bytes()
    slots.write_bytes(content.replace(b"two", b"tw\0"))
    async with opened(tmp_path) as spool:
        assert await bodies(spool) == [b"one"]


async def test_processes_do_not_share_a_folder_and_leave_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as first, opened(tmp_path) as second:
        await keep(first, b"of the first")
        await keep(second, b"of the second")
        assert await bodies(second) == [b"of the second"]
    async with opened(tmp_path) as heir:
        assert sorted(await bodies(heir)) == [b"of the first", b"of the second"]
    async with opened(tmp_path) as again:
        assert len(again) == 2
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]


async def test_what_a_process_leaves_is_taken_over_by_one_that_lives(tmp_path: Path) -> None:
    async with opened(tmp_path) as living:
        async with opened(tmp_path) as busy:
            await keep(busy, b"its own")
            async with opened(tmp_path) as ending:
                await keep(ending, *(b"left %d" % number for number in range(200)))
                assert await living.adopt() == 0
            await keep(living, b"mine")
            assert await living.adopt() == 200
            assert len(living) == 201
            assert living.oldest_s() > 200
            assert await living.adopt() == 0
            assert await bodies(busy) == [b"its own"]
        assert await living.adopt() == 1
    async with opened(tmp_path) as later:
        assert len(await bodies(later)) == 202


async def test_what_was_left_in_slots_is_taken_over_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as living:
        async with opened(tmp_path) as ending:
            with largest_file(SLOTS * SLOT_BYTES):
                for number in range(200):
                    await keep(ending, LARGEST + b"%d" % number)
            kept = len(ending)
            assert any(place.is_slot for place in ending._waiting)
        assert await living.adopt() == kept


async def test_only_the_owner_may_read(tmp_path: Path) -> None:
    home = tmp_path / "spool"
    async with opened(home):
        modes = [path.stat().st_mode & 0o777 for path in (home, home / "0")]
        assert modes == [0o700, 0o700]
        assert {path.stat().st_mode & 0o777 for path in (home / "0").iterdir()} == {0o600}


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    with pytest.raises(SpoolError, match="cannot keep callbacks"):
        Spool(tmp_path / "spool", clock=CLOCK).open()


async def test_waiting_requests_share_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs, real = [], os.fsync

    def fsync(file: int) -> None:
        syncs.append(file)
        real(file)

    async with opened(tmp_path) as spool:
        monkeypatch.setattr(os, "fsync", fsync)
        await keep(spool, *(b"%d" % number for number in range(500)))
        assert len(spool) == 500
    assert 1 <= len(syncs) <= 5


WRITER = """
import asyncio, sys, time
from pathlib import Path
from bot.spool import Spool

async def main():
    spool = Spool(Path(sys.argv[1]), clock=time.time)
    spool.open()
    async def write(worker):
        for number in range(1_000_000):
            body = f"{sys.argv[2]}:{worker}:{number}:".encode() + b"x" * (number * 37 % 3000)
            await spool.put({"n": number}, body)
            print(f"{sys.argv[2]}:{worker}:{number}", flush=True)
    await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main())
"""


def _acknowledged_until_killed(home: Path, name: str, lines: int) -> set[str]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, home, name], stdout=subprocess.PIPE)
    assert process.stdout is not None
    heard = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    heard += process.communicate()[0].splitlines(keepends=True)
    return {line.decode().strip() for line in heard if line.endswith(b"\n")}


async def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for number in range(5):
        acknowledged |= await asyncio.to_thread(
            _acknowledged_until_killed, tmp_path, str(number), 50 + 37 * number
        )
    async with opened(tmp_path) as spool:
        kept = [body.decode().rsplit(":", 1)[0] for body in await bodies(spool)]
    assert len(acknowledged) > 500
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))
