"""Copies are made, and checkpoints are cut, under load: what can be read is whole.

A file is held by its process: a copy over another connection is refused and harms nobody. It is
killed while it brings its log into the file. PostgreSQL is dumped and restored beside itself.
"""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

from bot.app import utc_now
from bot.domain.delivery import Purpose
from bot.handlers.restoring import doubt_all
from bot.store import claims
from bot.store.engine import Store
from bot.store.migrate import migrate
from tests.contract.books_invariants import check_books
from tests.contract.databases import empty
from tests.contract.world import rules_of
from tests.crash.integrity import is_whole
from tests.crash.kill9 import Tally
from tests.crash.outage import Afflicted
from tests.crash.report import Report, seconds
from tests.services import fresh_database

CHECKPOINT_WITHIN_S = 20.0
RUN_S = 60


class DumpMissingError(Exception):
    """`pg_dump` and `pg_restore` are not installed."""


class CopiedFile(Afflicted):
    """One process on a file that somebody copies, and that is killed in a checkpoint."""

    copies = 0
    refused = 0
    checkpoints = 0

    async def copy_and_cut(self) -> None:
        """Try to copy the file, then kill the process once the file is written to."""
        self.copies += 1
        self.refused += not await asyncio.to_thread(_copied, self._file, self._folder / "backup.db")
        self.checkpoints += await asyncio.to_thread(_is_written, self._file)
        self._kill(self.fleet.members)
        self._note_sending()
        self._tally.counts["broken"] += not is_whole(self._database_url, self._folder, "copy.db")
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)

    @property
    def _file(self) -> Path:
        return self._folder / "paybot.db"


def _copied(file: Path, target: Path) -> bool:
    """Whether a copy was given; one that is has to be whole."""
    target.unlink(missing_ok=True)
    source, copy = sqlite3.connect(file, timeout=0.1), sqlite3.connect(target)
    try:
        # A backup that finds the file held would wait for it for ever.
        source.execute("select count(*) from sqlite_master")
        source.backup(copy)
        assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]
    except sqlite3.OperationalError:
        return False
    finally:
        source.close()
        copy.close()
    return True


def _is_written(file: Path) -> bool:
    """Wait until a checkpoint begins: nothing else writes to the file itself."""
    before, began = file.stat().st_mtime_ns, time.monotonic()
    while file.stat().st_mtime_ns == before:
        if time.monotonic() - began > CHECKPOINT_WITHIN_S:
            return False
        time.sleep(0.0005)
    return True


class DumpedDatabase(Afflicted):
    """One process on PostgreSQL whose database is dumped and restored meanwhile."""

    restored = 0

    async def dump_and_restore(self) -> None:
        """Dump it while it is written to, restore it elsewhere, and look at those books."""
        dump = self._folder / "dump"
        await _ran("pg_dump", "--format=custom", f"--file={dump}", self._database_url)
        with fresh_database(self._database_url) as url:
            await _ran("pg_restore", "--exit-on-error", f"--dbname={url}", str(dump))
            await self._look_at(url)
        self.restored += 1

    async def _look_at(self, url: str) -> None:
        store, rules = Store(url, clock=utc_now), rules_of()
        store.open()
        try:
            await store.transact(lambda tx: check_books(tx, set()))
            await store.transact(lambda tx: doubt_all(tx, rules))
            await store.transact(lambda tx: check_books(tx, set()))
            owed = await store.transact(claims.owed)
            self._tally.broken += [
                f"would be done again: {item.key}"
                for item in owed
                if item.purpose is not Purpose.STAFF
            ]
        except AssertionError as error:
            self._tally.broken.append(f"restored: {error}")
        finally:
            await store.close()


async def _ran(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    async with asyncio.timeout(RUN_S):
        _, said = await process.communicate()
    assert process.returncode == 0, f"{command[0]}: {said.decode()[-500:]}"


async def file_copied(*, times: int, seed: int) -> Report:
    """Copy a file and cut a checkpoint, so many times."""
    tally, chance = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="paybot-backup-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/paybot.db"
        migrate(url)
        async with CopiedFile(folder, url, tally, chance) as service:
            await service.suffer(service.copy_and_cut, times)
            report = _report(service, tally, seed)
            figures = {"copies": service.copies, "refused": service.refused}
            report.figures |= {**figures, "checkpoints_cut": service.checkpoints}
        report.must(is_whole(url, folder), "the database is not whole")
        report.must(_copied(folder / "paybot.db", folder / "backup.db"), "no copy after the end")
    report.must_bite(service.checkpoints, "nobody died in a checkpoint")
    return report


async def database_dumped(url: str, *, times: int, seed: int) -> Report:
    """Dump a PostgreSQL database and restore it, so many times.

    Raises:
        DumpMissingError: there is no `pg_dump`.
    """
    if shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        raise DumpMissingError("no pg_dump")
    tally, chance = Tally(), random.Random(seed)
    empty(url)
    with tempfile.TemporaryDirectory(prefix="paybot-backup-") as name:
        async with DumpedDatabase(Path(name), url, tally, chance) as service:
            await service.suffer(service.dump_and_restore, times)
            report = _report(service, tally, seed)
            report.figures["restored"] = service.restored
    report.must_bite(service.restored, "nothing was restored")
    return report


def _report(service: Afflicted, tally: Tally, seed: int) -> Report:
    report, counts = Report("backup", {"seed": seed}), tally.counts
    for figure in ("acked", "payments", "paid"):
        report.figures[figure] = counts[figure]
    for duplicates, bound in (("receipts_dup", "dup_bound"), ("links_dup", "link_bound")):
        report.figures |= {duplicates: counts[duplicates], bound: counts[bound]}
        report.must(counts[duplicates] <= counts[bound], f"{duplicates} above its bound")
    report.must(not counts["broken"], "a file cut in a checkpoint is not whole")
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.must_bite(counts["acked"], "acknowledged callbacks")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    return report
