"""The disk is full while money comes: callbacks go to the slots, and nothing leaves unclaimed.

No file of the data folder may grow until there is room again; the process then goes on, or was
killed meanwhile and is started anew.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.crash.integrity import is_whole
from tests.crash.kill9 import Tally
from tests.crash.outage import Afflicted
from tests.crash.powerloss import compiled
from tests.crash.report import Report, seconds
from tests.services import eventually

SHIM = Path(__file__).with_name("full_shim.c")
FULL_WITHIN_S = 30.0
STAYS_FULL_S = 2.0
MOST_UNPAID = 10
"""So that what is paid while the disk is full fits into the slots."""


class FullDisk(Afflicted):
    """One process on a file; `fill` takes the room away for a while."""

    def __init__(self, folder: Path, tally: Tally, chance: random.Random) -> None:
        data = folder / "data"
        data.mkdir()
        url = f"sqlite:///{data}/paybot.db"
        migrate(url)
        self._shim = compiled(SHIM, folder)
        self._full = folder / "full"
        self.fills = 0
        self.spooled = 0
        self.sent_while_full = 0
        super().__init__(data, url, tally, chance)

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "LD_PRELOAD": str(self._shim),
            "DISK_FOLDER": str(self._folder),
            "DISK_FULL": str(self._full),
        }

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        await super().start(roles)
        # A forked process has loaded its libraries already.
        self.fleet.is_executed = True
        self.crowd.most_unpaid = MOST_UNPAID

    async def fill(self) -> None:
        """Have no room until callbacks went to the slots; every other time die of it."""
        self.fills += 1
        self._full.touch()
        await eventually(self._is_spooling, FULL_WITHIN_S)
        before = self._calls()
        await asyncio.sleep(STAYS_FULL_S)
        self.sent_while_full += self._calls() - before
        self.spooled += await self._spool_items()
        if self.fills % 2:
            self._kill(self.fleet.members)
            self._note_sending()
            self._full.unlink()
            self.fleet.start(self.fleet.members)
            await self.fleet.until_ready(self.fleet.members)
        else:
            self._full.unlink()
        await eventually(self._is_drained, FULL_WITHIN_S)

    async def _is_spooling(self) -> bool:
        return await self._spool_items() > 0

    async def _is_drained(self) -> bool:
        return await self._spool_items() == 0

    async def _spool_items(self) -> int:
        text = (await self.http.get("/metrics")).text
        line = next(line for line in text.splitlines() if line.startswith("paybot_spool_items "))
        return int(float(line.split()[1]))

    def _calls(self) -> int:
        return len(list(self.sandbox.mailbox.mails)) + len(list(self.sandbox.twilio.messages))


async def disk_full(*, times: int, seed: int) -> Report:
    """Fill the disk `times` times under load.

    Raises:
        NoCompilerError: there is no C compiler.
    """
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paybot-disk-") as name:
        async with FullDisk(Path(name), tally, random.Random(seed)) as service:
            await service.suffer(service.fill, times)
            report = _report(service, tally, seed)
        report.must(is_whole("sqlite", Path(name) / "data"), "the database is not whole")
    report.figures["secs"] = time.monotonic() - began
    return report


def _report(service: FullDisk, tally: Tally, seed: int) -> Report:
    report, counts = Report("disk", {"seed": seed, "fills": service.fills}), tally.counts
    refused = sum(n for status, n in service.crowd.told.items() if status >= 500)
    report.figures |= {"spooled": service.spooled, "sent_while_full": service.sent_while_full}
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
    report.must_bite(service.spooled, "callbacks that went to the slots")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    return report
