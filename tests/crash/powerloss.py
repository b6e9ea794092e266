"""Power loss, which killing a process cannot show: only what was synced is sure to be there.

A process is recorded while it acknowledges callbacks: every write, cut and sync of its database.
The disk is then played back up to many moments; of what was not synced by then some writes are
there and some are not, by chance. Every acknowledged row must be on each of these disks.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.store.migrate import migrate
from tests.crash.report import Report

ROOT = Path(__file__).resolve().parents[2]
SHIM = Path(__file__).with_name("disk_shim.c")
RECORD_S = 120
CUTS_EACH = 400
"""Cuts in one recording, which then has to be long enough for a checkpoint or two."""

PUTS_A_CUT = 4
SECTOR = 512
CHILD = """
import asyncio, datetime, itertools, os, sys
import sqlalchemy as sa
from bot.store.engine import Store
from bot.store.inbox import Door, Received, Source

url, puts, fault = sys.argv[1], int(sys.argv[2]), sys.argv[3]
numbers = itertools.count()
record = os.open(os.environ["DISK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

async def put(door):
    while (number := next(numbers)) < puts:
        name = f"c{number}"
        await door.put(Received(Source.MIGO, name, "/", {}, name.encode() * 60))
        os.write(record, f"a 0 0 {name}\\n".encode())

async def main():
    store = Store(url, clock=lambda: datetime.datetime.now(datetime.UTC))
    store.open()
    exec(fault, globals() | {"store": store})
    door = Door(store)
    await asyncio.gather(*(put(door) for _ in range(4)))
    os._exit(0)

asyncio.run(main())
"""


class NoCompilerError(Exception):
    """The recorder has to be compiled, and there is no cc."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the record: a write, a cut, a sync, a removal, or an acknowledgement."""

    op: str
    offset: int
    name: str
    data: bytes


@dataclass(slots=True)
class Disk:
    """What is surely on the disk, and what may be."""

    sure: dict[str, bytearray]
    maybe: dict[str, list[Deed]] = field(default_factory=dict)
    acked: set[str] = field(default_factory=set)

    def do(self, deed: Deed) -> None:
        match deed.op:
            case "a":
                self.acked.add(deed.name)
            case "s":
                for pending in self.maybe.pop(deed.name, []):
                    _apply(self.sure.setdefault(deed.name, bytearray()), pending)
            case "u":
                self.sure.pop(deed.name, None)
                self.maybe.pop(deed.name, None)
            case _:
                self.maybe.setdefault(deed.name, []).append(deed)

    def after_the_cut(self, chance: random.Random) -> dict[str, bytes]:
        """The files as power comes back; unsynced writes are there, torn, or not."""
        files = {name: bytearray(content) for name, content in self.sure.items()}
        share = chance.choice((0.0, 0.0, 0.5, 0.9))
        for name, deeds in self.maybe.items():
            for deed in deeds:
                if chance.random() < share:
                    _apply(files.setdefault(name, bytearray()), _torn(deed, chance))
        return {name: bytes(content) for name, content in files.items()}


def _torn(deed: Deed, chance: random.Random) -> Deed:
    if chance.random() < 0.8:
        return deed
    kept = chance.randrange(0, len(deed.data) + 1, SECTOR) if deed.data else 0
    return Deed(deed.op, deed.offset, deed.name, deed.data[:kept])


def _apply(content: bytearray, deed: Deed) -> None:
    if deed.op == "t":
        content[deed.offset :] = bytes(max(0, deed.offset - len(content)))
        return
    content.extend(bytes(max(0, deed.offset - len(content))))
    content[deed.offset : deed.offset + len(deed.data)] = deed.data


def powerloss(*, cuts: int, seed: int, fault: str = "") -> Report:
    """Cut the power `cuts` times; `fault` is a program that a control has the process run first.

    Raises:
        NoCompilerError: there is no C compiler.
    """
    report, chance = Report("powerloss", {"seed": seed, "cuts": cuts}), random.Random(seed)
    began, done, acked = time.monotonic(), 0, 0
    lost: list[str] = []
    broken: list[str] = []
    unsynced = 0
    while done < cuts and not (lost or broken):
        now = min(CUTS_EACH, cuts - done)
        with tempfile.TemporaryDirectory(prefix="paybot-power-") as name:
            disk, deeds = _recorded(Path(name), now * PUTS_A_CUT, fault)
            for cut in _cuts(disk, deeds, now, chance):
                unsynced += bool(cut.maybe)
                _check(cut, Path(name) / "after", chance, lost, broken)
            done, acked = done + now, acked + len(disk.acked)
    report.figures |= {"acked": acked, "unsynced": unsynced, "secs": time.monotonic() - began}
    report.none_of("lost", lost)
    report.none_of("broken", broken)
    report.must_bite(acked, "acknowledged callbacks")
    report.must_bite(unsynced, "every cut fell on a disk with nothing under way")
    return report


def _recorded(folder: Path, puts: int, fault: str) -> tuple[Disk, list[Deed]]:
    """The disk before, and everything that was done to it."""
    data, record = folder / "data", folder / "record"
    data.mkdir()
    url = f"sqlite:///{data}/paybot.db"
    migrate(url)
    before = {each.name: bytearray(each.read_bytes()) for each in data.iterdir()}
    subprocess.run(
        [sys.executable, "-c", CHILD, url, str(puts), fault],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(compiled(SHIM, folder)),
            "DISK_LOG": str(record),
            "DISK_FOLDER": str(data),
        },
        check=True,
        timeout=RECORD_S,
    )
    return Disk(before), list(_read(record.read_bytes()))


def compiled(source: Path, folder: Path) -> Path:
    """A library to be loaded before all others.

    Raises:
        NoCompilerError: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompilerError("no C compiler")
    made = folder / f"{source.stem}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return made


def _read(record: bytes) -> Iterator[Deed]:
    at = 0
    while at < len(record):
        end = record.index(b"\n", at)
        op, offset, length, name = record[at:end].decode().split(" ", 3)
        at = end + 1 + int(length)
        yield Deed(op, int(offset), name, record[end + 1 : at])


def _cuts(disk: Disk, deeds: list[Deed], cuts: int, chance: random.Random) -> Iterator[Disk]:
    """Play everything, and stop at moments: most just after somebody was told that it is safe."""
    told = [number for number, deed in enumerate(deeds) if deed.op == "a"]
    moments = set(chance.sample(told, min(len(told), cuts * 3 // 4)))
    rest = [number for number in range(len(deeds)) if number not in moments]
    moments |= set(chance.sample(rest, min(len(rest), cuts - len(moments))))
    for number, deed in enumerate(deeds):
        disk.do(deed)
        if number in moments:
            yield disk


def _check(
    disk: Disk, folder: Path, chance: random.Random, lost: list[str], broken: list[str]
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in disk.after_the_cut(chance).items():
        (folder / name).write_bytes(content)
    connection = sqlite3.connect(folder / "paybot.db")
    try:
        if connection.execute("pragma integrity_check").fetchall() != [("ok",)]:
            broken.append("integrity_check")
        rows = connection.execute("select event_id, body from inbox").fetchall()
    except sqlite3.DatabaseError as error:
        broken.append(str(error))
        return
    finally:
        connection.close()
    kept = {name for name, body in rows if body == name.encode() * 60}
    lost.extend(sorted(disk.acked - kept)[:3])
