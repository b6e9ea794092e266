"""The files of one process: a growing one, and slots for the day when the disk is full.

Everything blocks, and what is written is on disk on return.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.spool.records import FREED, LIVE, Found, TornError, decode, scan

SLOTS = 128
SLOT_BYTES = 72 * 1024
"""Room for the largest callback and what is kept beside its body."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies."""

    is_slot: bool
    offset: int


class Folder:
    """A folder with both files, locked as long as it is open."""

    def __init__(self, path: Path) -> None:
        """Open the files, made where needed.

        Raises:
            BlockingIOError: another process has them.
            OSError: they cannot be written.
        """
        path.mkdir(mode=0o700, exist_ok=True)
        self._slots = _Slots(path / "slots")
        self._log = _Log(path / "log")
        sync_folder(path)

    @staticmethod
    def has_records(path: Path) -> bool:
        """Whether a folder may have records, at a look that takes no lock."""
        try:
            if (path / "log").stat().st_size:
                return True
            with (path / "slots").open("rb") as slots:
                starts = (slots.seek(number * SLOT_BYTES) for number in range(SLOTS))
                return any(slots.read(len(LIVE)) == LIVE for _ in starts)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def close(self) -> None:
        """Unlock and close; records stay."""
        self._log.close()
        self._slots.close()

    def recover(self) -> list[tuple[Place, float]]:
        """Find the whole records that wait, each with the time of its arrival, oldest first."""
        found = [(Place(False, each.offset), each.at) for each in self._log.recover()]
        found += [(Place(True, each.offset), each.at) for each in self._slots.recover()]
        return sorted(found, key=lambda each: each[1])

    def write(self, contents: Sequence[bytes]) -> list[Place | None]:
        """Write records with one sync; None for each that there is no room for."""
        try:
            return [Place(False, offset) for offset in self._log.append(contents)]
        except OSError:
            slots = self._slots.put(contents)
            return [None if offset is None else Place(True, offset) for offset in slots]

    def read(self, place: Place) -> Found:
        """The record at a place.

        Raises:
            TornError: it is damaged by now.
        """
        return (self._slots if place.is_slot else self._log).read(place.offset)

    def free(self, places: Sequence[Place]) -> None:
        """Give the room of records back; unsynced, so that a power cut may bring them back."""
        self._slots.free([place.offset for place in places if place.is_slot])
        self._log.free([place.offset for place in places if not place.is_slot])


class _Log:
    """Records one behind the other."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = 0
        self._waiting = 0

    def close(self) -> None:
        os.close(self._file)

    def recover(self) -> list[Found]:
        """Find what waits; a torn end is cut off."""
        with _view(self._file) as view:
            whole = list(scan(view))
        found = [each for each in whole if each.is_live]
        self._waiting = len(found)
        self._end = whole[-1].offset + whole[-1].size if found else 0
        os.ftruncate(self._file, self._end)
        return found

    def append(self, contents: Sequence[bytes]) -> list[int]:
        """Write records; all of them or, where that raises OSError, none."""
        offsets, end = [], self._end
        for content in contents:
            offsets.append(end)
            end += len(content)
        try:
            _write(self._file, b"".join(contents), self._end)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end = end
        self._waiting += len(contents)
        return offsets

    def read(self, offset: int) -> Found:
        with _view(self._file) as view:
            return decode(view, offset)

    def free(self, offsets: Sequence[int]) -> None:
        for offset in offsets:
            _write(self._file, FREED, offset)
        self._waiting -= len(offsets)
        if not self._waiting:
            self._end = 0
            os.ftruncate(self._file, 0)


class _Slots:
    """Places of one size, written full at their creation, so that they need no room later."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._free: list[int] = []
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there, wanted = os.fstat(self._file).st_size, SLOTS * SLOT_BYTES
            if there < wanted:
                _write(self._file, bytes(wanted - there), there)
                os.fsync(self._file)
        except OSError:
            os.close(self._file)
            raise

    def close(self) -> None:
        os.close(self._file)

    def recover(self) -> list[Found]:
        """Find what waits; a torn record was never acknowledged, and its slot is free."""
        found = []
        with _view(self._file) as view:
            for offset in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES):
                try:
                    record = decode(view, offset)
                except TornError:
                    record = None
                if record is not None and record.is_live:
                    found.append(record)
                else:
                    self._free.append(offset)
        return found

    def put(self, contents: Sequence[bytes]) -> list[int | None]:
        """Write records; None for each that found no slot."""
        taken = [
            self._free.pop() if self._free and len(content) <= SLOT_BYTES else None
            for content in contents
        ]
        try:
            for content, offset in zip(contents, taken, strict=True):
                if offset is not None:
                    _write(self._file, content, offset)
            os.fsync(self._file)
        except OSError:
            self._free += [offset for offset in taken if offset is not None]
            return [None] * len(contents)
        return taken

    def read(self, offset: int) -> Found:
        with _view(self._file) as view:
            return decode(view, offset)

    def free(self, offsets: Sequence[int]) -> None:
        for offset in offsets:
            _write(self._file, FREED, offset)
            self._free.append(offset)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: int, content: bytes, offset: int) -> None:
    """Write all of it: near the end of the room a write may take a part only."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


@contextmanager
def _view(file: int) -> "Iterator[mmap.mmap | bytes]":
    """The file's content; an empty one cannot be mapped."""
    if not os.fstat(file).st_size:
        yield b""
        return
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as view:
        yield view
