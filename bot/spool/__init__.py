"""A local refuge for requests that the database cannot take now.

Each record is on disk before `put` returns and stays until `free`. What a record means is not
known here.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

from bot.spool.files import SLOT_BYTES, SLOTS, Folder, Place, sync_folder
from bot.spool.records import TornError, encode

__all__ = ["SLOTS", "SLOT_BYTES", "Record", "Spool", "SpoolError", "SpoolFullError"]

_log = logging.getLogger(__name__)
_MOVED_AT_ONCE = 64
_Result = TypeVar("_Result")


class SpoolError(Exception):
    """The spool cannot be used."""


class SpoolFullError(SpoolError):
    """Neither the growing file nor a slot takes the record."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was put; `at` is the Unix time of its arrival."""

    place: Place
    at: float
    header: Mapping[str, object]
    body: bytes


@dataclass(slots=True)
class _Wish:
    """A record on its way to the disk."""

    at: float
    content: bytes
    done: "asyncio.Future[None]"


class Spool:
    """One process's records, oldest first; other processes have folders of their own beside it."""

    def __init__(self, home: Path, *, clock: Callable[[], float]) -> None:
        """Prepare; nothing is opened before `open`.

        Args:
            home: is created, for its owner only.
            clock: gives Unix time.
        """
        self._home = home
        self._clock = clock
        self._waiting: dict[Place, float] = {}
        self._wishes: list[_Wish] = []
        self._flushing: asyncio.Task[None] | None = None
        self._is_closed = False
        # One thread for all that touches the files: nothing in them needs a lock.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def oldest_s(self) -> float:
        """How long the oldest record has been waiting; 0 for none."""
        return max(self._clock() - min(self._waiting.values()), 0.0) if self._waiting else 0.0

    def open(self) -> None:
        """Take a folder that no living process has, and all that dead ones left in theirs.

        Raises:
            SpoolError: the place cannot be written.
        """
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = _free_folders(self._home)
            self._folder = next(free)
            self._waiting = dict(self._folder.recover())
            for left in free:
                for some in _batches(left.recover()):
                    self._waiting |= self._move(left, some)
                left.close()
            self._waiting = dict(sorted(self._waiting.items(), key=lambda each: each[1]))
            sync_folder(self._home)
        except OSError as error:
            raise SpoolError(f"cannot keep callbacks in {self._home}: {error.strerror}") from error

    async def adopt(self) -> int:
        """Take over what processes left that have died since, and tell how many records.

        Raises:
            OSError: a folder cannot be read or written; what was not moved stays where it is.
        """
        adopted = 0
        for path in await self._in_thread(lambda: sorted(self._home.iterdir())):
            left = await self._in_thread(partial(_abandoned, path))
            if left is None:
                continue
            try:
                for some in _batches(await self._in_thread(left.recover)):
                    moved = await self._in_thread(partial(self._move, left, some))
                    self._waiting |= moved
                    adopted += len(moved)
            finally:
                await self._in_thread(left.close)
        return adopted

    def _move(self, left: Folder, some: Sequence[tuple[Place, float]]) -> dict[Place, float]:
        """Bring what a dead process left into our own folder; a crash in between doubles it."""
        records = [left.read(place) for place, _ in some]
        contents = [encode(each.at, each.header, each.body) for each in records]
        moved = self._folder.write(contents)
        kept = [
            (old, at, new) for (old, at), new in zip(some, moved, strict=True) if new is not None
        ]
        left.free([old for old, _, _ in kept])
        return {new: at for _, at, new in kept}

    async def aclose(self) -> None:
        """Let go of the files; the records stay. Calling it again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._flushing is not None:
            await self._flushing
        self._thread.shutdown()
        self._folder.close()

    async def put(self, header: Mapping[str, object], body: bytes) -> None:
        """Return once the record is on disk; those that wait together share one sync.

        Raises:
            SpoolFullError: there is no room for it.
        """
        at = self._clock()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wishes.append(_Wish(at, encode(at, header, body), future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await future

    async def oldest(self, limit: int) -> list[Record]:
        """The records to be taken next."""
        places = list(islice(self._waiting, limit))
        found = await self._in_thread(lambda: [self._read(place) for place in places])
        for place, record in zip(places, found, strict=True):
            if record is None:
                _log.critical("a record of the spool is damaged; it is left where it lies")
                del self._waiting[place]
        return [record for record in found if record is not None]

    async def free(self, records: Sequence[Record]) -> None:
        """Forget records that are safe elsewhere; after a crash they may turn up once more."""
        places = [record.place for record in records]
        for place in places:
            self._waiting.pop(place, None)
        await self._in_thread(lambda: self._folder.free(places))

    def postpone(self, records: Sequence[Record]) -> None:
        """Have records taken after all others."""
        for record in records:
            self._waiting[record.place] = self._waiting.pop(record.place)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _flush(self) -> None:
        try:
            while self._wishes:
                batch, self._wishes = self._wishes, []
                contents = [wish.content for wish in batch]
                places = await self._write(contents)
                for wish, place in zip(batch, places, strict=True):
                    self._settle(wish, place)
        finally:
            self._flushing = None

    async def _write(self, contents: Sequence[bytes]) -> Sequence[Place | None]:
        try:
            return await self._in_thread(lambda: self._folder.write(contents))
        except OSError:
            _log.exception("the spool cannot be written")
            return [None] * len(contents)

    def _settle(self, wish: _Wish, place: Place | None) -> None:
        if place is not None:
            self._waiting[place] = wish.at
        if wish.done.done():
            return
        if place is None:
            wish.done.set_exception(SpoolFullError("neither the file nor a slot has room"))
        else:
            wish.done.set_result(None)

    def _read(self, place: Place) -> Record | None:
        try:
            found = self._folder.read(place)
        except TornError:
            return None
        return Record(place, found.at, found.header, found.body)


def _batches(found: Sequence[tuple[Place, float]]) -> Iterator[Sequence[tuple[Place, float]]]:
    for start in range(0, len(found), _MOVED_AT_ONCE):
        yield found[start : start + _MOVED_AT_ONCE]


def _abandoned(path: Path) -> Folder | None:
    """A folder with something in it that no living process has, ourselves included."""
    if not Folder.has_records(path):
        return None
    try:
        return Folder(path)
    except BlockingIOError:
        return None


def _free_folders(home: Path) -> Iterator[Folder]:
    """Folders that nobody has: those there, and if all are taken one more."""
    has_one = False
    for number in count():
        path = home / str(number)
        if has_one and not path.exists():
            return
        try:
            yield Folder(path)
        except BlockingIOError:
            continue
        has_one = True
