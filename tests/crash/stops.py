"""SIGTERM under load: what is under way is finished and written, and nothing is left in doubt."""

import asyncio
import random
import signal
import tempfile
import time
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.crash.crowd import until
from tests.crash.fleet import START_S
from tests.crash.integrity import is_whole
from tests.crash.kill9 import KilledFleet, Tally, looked_up
from tests.crash.progress import shown
from tests.crash.report import Report, seconds

STOP_S = 20.0
ALIVE_S = (0.3, 1.5)
SLOW_S = 0.3
"""How late providers answer: every stop meets calls that are under way."""

_DOUBTFUL = """
    select id, status, uncertain_count from outbox
     where status in ('sending', 'uncertain') or uncertain_count > 0
"""
_CLAIMED = "select id, status, attempts from inbox where status = 'claimed'"
_ATTEMPTS = "select id, state, payment_id from link_attempt where state in ('sending', 'unknown')"


class StoppedFleet(KilledFleet):
    """Processes that are asked to end and started again."""

    may_be_held = False

    def __init__(self, folder: Path, url: str, tally: Tally, chance: random.Random) -> None:
        super().__init__(folder, url, tally, chance)
        self.took: list[float] = []
        self.codes: list[int | None] = []
        self.doubtful: list[object] = []
        self.under_way = 0

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        """Prepare the processes, and have providers answer late."""
        for provider, operation in (("migo", "create"), ("smtp", "data"), ("twilio", "create")):
            self.sandbox.faults.order(provider, operation, "delay", 10**9, seconds=SLOW_S)
        await super().start(roles)

    async def live(self, cycles: int) -> None:
        """Be stopped so many times, then come to rest and be compared."""
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        self.crowd.start()
        for _ in shown(range(cycles), "stops"):
            await asyncio.sleep(self._chance.uniform(*ALIVE_S))
            await self._stop_all()
            self.fleet.start(self.fleet.members)
            await self.fleet.until_ready(self.fleet.members)
        await self.crowd.stop()
        await self._stop_all()
        await self._come_to_rest()
        await self._compare()

    async def _stop_all(self) -> None:
        members = self.fleet.members
        # One that is not up yet dies of the signal, and has nothing under way.
        assert await until(lambda: all(_hears(member.pid) for member in members), START_S)
        began, before = time.monotonic(), self._calls()
        self.fleet.terminate(members)
        await until(lambda: not any(map(self.fleet.is_alive, members)), STOP_S + 5)
        self.took.append(time.monotonic() - began)
        self.under_way += self._calls() - before
        self.codes += [self.fleet.exit_code(member) for member in members]
        self.fleet.kill(members)
        for statement in (_DOUBTFUL, _CLAIMED, _ATTEMPTS):
            self.doubtful += looked_up(statement, self._database_url, self._folder)

    def _calls(self) -> int:
        """How many calls providers have carried out."""
        sandbox = self.sandbox
        made = (sandbox.migo.transactions, sandbox.mailbox.mails, sandbox.twilio.messages)
        return sum(len(list(each)) for each in made)


def _hears(pid: int) -> bool:
    """Whether a process does something of its own at SIGTERM."""
    told = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in told.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def stops(engine: str, *, times: int, seed: int, postgres_url: str | None = None) -> Report:
    """Stop everything `times` times on a database of `engine`."""
    tally, chance = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="paybot-stops-") as name:
        folder = Path(name)
        url = postgres_url or f"sqlite:///{folder}/paybot.db"
        migrate(url)
        if postgres_url is not None:
            empty(url)
        async with StoppedFleet(folder, url, tally, chance) as service:
            await service.live(times)
            report = _report(engine, service, tally, seed)
        report.must(is_whole(url, folder), "the database is not whole")
    return report


def _report(engine: str, service: StoppedFleet, tally: Tally, seed: int) -> Report:
    counts = tally.counts
    report = Report("stops", {"engine": engine, "seed": seed, "stops": len(service.took)})
    for name in ("acked", "payments", "paid", "receipts_dup", "links_dup", "orphans"):
        report.figures[name] = counts[name]
    for name in ("receipts_dup", "links_dup", "orphans"):
        report.must(not counts[name], f"{name}: {counts[name]}")
    report.figures |= {"under_way": service.under_way, "longest": seconds(max(service.took))}
    report.must(max(service.took) <= STOP_S, f"a stop took {max(service.took):.1f} s")
    report.none_of("exit_codes", [code for code in service.codes if code != 0])
    report.none_of("in_doubt", service.doubtful)
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("multi_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.must_bite(counts["acked"], "acknowledged callbacks")
    report.must_bite(service.under_way, "no call was under way when a stop came")
    return report
