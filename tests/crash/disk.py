"""The disk is full, fails or takes no writes while money comes: nothing leaves unclaimed.

Full: no file of the data folder may grow, so that callbacks go to the slots. Failing: nothing of
the database's files is written or synced (EIO), so that they go to the spool. Sealed: all of the
folder is read only (EROFS), so that nothing can be kept, and no callback may be answered 2xx. Once
the disk is well again the process goes on, or was killed meanwhile and is started anew.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from enum import StrEnum
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.crash.integrity import is_whole
from tests.crash.kill9 import Tally
from tests.crash.outage import Afflicted
from tests.crash.powerloss import compiled
from tests.crash.report import Report, seconds
from tests.services import eventually

SHIM = Path(__file__).with_name("ill_disk_shim.c")
SHOWS_WITHIN_S = 30.0
STAYS_ILL_S = 2.0
TOLD = 20
"""Callbacks that are told at each illness, beside those of payments."""
MOST_UNPAID = 10
"""So that what is paid while the disk is full fits into the slots."""


class Illness(StrEnum):
    """What is the matter with the disk."""

    FULL = "full"
    BROKEN = "broken"
    SEALED = "sealed"


class IllDisk(Afflicted):
    """One process on a file; `hurt` has its disk be ill for a while."""

    def __init__(self, folder: Path, tally: Tally, chance: random.Random) -> None:
        data = folder / "data"
        data.mkdir()
        url = f"sqlite:///{data}/paybot.db"
        migrate(url)
        self._shim = compiled(SHIM, folder)
        self._signs = {illness: folder / illness for illness in Illness}
        self.times: Counter[Illness] = Counter()
        self.spooled = 0
        self.refused_sealed = 0
        self.sent_meanwhile = 0
        super().__init__(data, url, tally, chance)

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "LD_PRELOAD": str(self._shim),
            "DISK_FOLDER": str(self._folder),
            "DISK_BROKEN_FILES": str(self._folder / "paybot.db"),
            **{f"DISK_{illness.name}": str(sign) for illness, sign in self._signs.items()},
        }

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        await super().start(roles)
        # A forked process has loaded its libraries already.
        self.fleet.is_executed = True
        self.crowd.most_unpaid = MOST_UNPAID

    async def hurt(self) -> None:
        """Be ill until callbacks show it; every other time die of it."""
        number = self.times.total()
        illness = list(Illness)[number % len(Illness)]
        self.times[illness] += 1
        sign, refused = self._signs[illness], self.refused
        await eventually(lambda: self.crowd.acked_count > 0, SHOWS_WITHIN_S)
        sign.touch()
        is_sealed = illness is Illness.SEALED
        shows = (lambda: self.refused > refused) if is_sealed else self._is_spooling
        # What is owed may all be paid by now: money that is told of again shows the illness too.
        telling = asyncio.create_task(self.crowd.tell_more(TOLD / STAYS_ILL_S, STAYS_ILL_S))
        await eventually(shows, SHOWS_WITHIN_S)
        before = self._calls()
        await asyncio.sleep(STAYS_ILL_S)
        self.sent_meanwhile += self._calls() - before
        self.spooled += await self._spool_items()
        if number % 2 == 0:
            self._kill(self.fleet.members)
            self._note_sending()
            sign.unlink()
            self.fleet.start(self.fleet.members)
            await self.fleet.until_ready(self.fleet.members)
        else:
            sign.unlink()
        await eventually(self._is_drained, SHOWS_WITHIN_S)
        await telling
        if is_sealed:
            self.refused_sealed += self.refused - refused

    @property
    def refused(self) -> int:
        """How many callbacks were answered 5xx."""
        return sum(n for status, n in self.crowd.told.items() if status >= 500)

    async def _is_spooling(self) -> bool:
        return await self._spool_items() > 0

    def _calls(self) -> int:
        return len(list(self.sandbox.mailbox.mails)) + len(list(self.sandbox.twilio.messages))


async def disk_ill(*, times: int, seed: int) -> Report:
    """Have the disk be ill `times` times under load.

    Raises:
        NoCompilerError: there is no C compiler.
    """
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paybot-disk-") as name:
        async with IllDisk(Path(name), tally, random.Random(seed)) as service:
            await service.suffer(service.hurt, times)
            report = _report(service, tally, seed)
        report.must(is_whole("sqlite", Path(name) / "data"), "the database is not whole")
    report.figures["secs"] = time.monotonic() - began
    return report


def _report(service: IllDisk, tally: Tally, seed: int) -> Report:
    report, counts = Report("disk", {"seed": seed}), tally.counts
    report.figures |= {illness: service.times[illness] for illness in Illness}
    refused = service.refused - service.refused_sealed
    report.figures |= {"spooled": service.spooled, "sent_meanwhile": service.sent_meanwhile}
    for figure in ("acked", "payments", "paid", "5xx"):
        report.figures[figure] = counts[figure]
    report.figures["migo_5xx"] = refused
    report.must(not refused, f"Migo was answered 5xx: {dict(service.crowd.told)}")
    for duplicates, bound in (("receipts_dup", "dup_bound"), ("links_dup", "link_bound")):
        report.figures |= {duplicates: counts[duplicates], bound: counts[bound]}
        report.must(counts[duplicates] <= counts[bound], f"{duplicates} above its bound")
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("multi_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.figures["sealed_5xx"] = service.refused_sealed
    is_sealed = service.times[Illness.SEALED]
    report.must_bite(not is_sealed or service.refused_sealed, "a sealed disk that kept callbacks")
    report.must_bite(service.spooled, "callbacks that went to the slots")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    return report
