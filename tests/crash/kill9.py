"""`kill -9` at random moments under load: nothing acknowledged is lost, little comes twice.

How often a message may come twice is not guessed: it is the number of rows that were `sending` in
the database when the process that sent them died.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from bot.app import ALL_ROLES, Role
from bot.holding import LEASE
from bot.scheduler import LAPSED_EVERY_S
from bot.store.migrate import migrate
from tests.contract.books_invariants import check_books
from tests.contract.databases import empty
from tests.crash.crowd import MOST_UNPAID, Crowd, received, until
from tests.crash.cuts import Cut
from tests.crash.fleet import Fleet, Member
from tests.crash.integrity import Integrity, integrity
from tests.crash.mortal import MortalService
from tests.crash.progress import shown
from tests.crash.report import Report, seconds, share
from tests.services import eventually, free_port

ROUND = 100
"""Kills on one database; then all is brought to rest and compared."""

MOST_ALIVE_S = 0.25
ANSWER_WITHIN_S = 5.0
RECOVERED_WITHIN_S, RESTED_WITHIN_S = 2.0, 60.0
ENDED_WITHIN_S, WORKED_OFF_WITHIN_S = 30.0, 300.0
"""After these the run is given up; what is asked of it is `RESTED_WITHIN_S`."""
STUCK_A_KILL = 30
HELD_S = LEASE.total_seconds() + LAPSED_EVERY_S
"""What dead workers hold stays held for a lease and until the sweep, and must not keep new payments
from coming."""

_SENDING = "select id, token, purpose, claimed_by from outbox where status = 'sending'"
_END_LEASES = """
    with heard as (update inbox set lease_until = 0 where status = 'claimed')
    update outbox set lease_until = 0 where status = 'sending'
"""
_DUE = """
    with moment as (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now)
    select (select count(*) from inbox, moment
             where status = 'claimed' or (status = 'new' and not_before <= now))
         + (select count(*) from outbox, moment
             where status = 'sending' or (status = 'pending' and not_before <= now
                   and coalesce(purpose, '') != 'reminder'))
"""
_UNPAID = """
    select external_id, status, exists (select 1 from alert where payment_id = payment.id
        and closed_at is null and kind in ('create_unknown', 'undeliverable'))
      from payment where status != 'paid'
"""
Row = tuple[Any, ...]


@dataclass(slots=True)
class Tally:
    """What all rounds together found."""

    counts: Counter[str] = field(default_factory=Counter)
    ready: list[float] = field(default_factory=list)
    executed: list[float] = field(default_factory=list)
    """Those of `ready` in which a process was executed anew."""
    answered: list[float] = field(default_factory=list)
    quiesce: list[float] = field(default_factory=list)
    lost: list[object] = field(default_factory=list)
    missing: list[object] = field(default_factory=list)
    exposed: list[object] = field(default_factory=list)
    broken: list[object] = field(default_factory=list)
    stuck: list[object] = field(default_factory=list)


async def kill9(engine: str, *, cycles: int, seed: int, postgres_url: str | None = None) -> Report:
    """Kill the service `cycles` times on a database of `engine`."""
    chance, tally, began = random.Random(seed), Tally(), time.monotonic()
    for first in range(0, cycles, ROUND):
        with tempfile.TemporaryDirectory(prefix="paybot-kill9-") as name:
            folder = Path(name)
            url = postgres_url if engine == "postgres" else f"sqlite:///{folder}/paybot.db"
            assert url is not None, "kill9 on PostgreSQL needs its URL"
            migrate(url)
            if engine == "postgres":
                empty(url)
            async with KilledFleet(folder, url, tally, chance) as service:
                await service.live(min(ROUND, cycles - first))
            tally.counts[integrity(url, folder)] += 1
    return _report(engine, cycles, seed, tally, time.monotonic() - began)


class KilledFleet(MortalService):
    """The service as processes that are killed; at the end its books are opened in this one."""

    is_revived = False
    may_be_held = True
    """Whether dead workers may have left claims."""

    def __init__(self, folder: Path, url: str, tally: Tally, chance: random.Random) -> None:
        super().__init__(folder, url, Cut(""))
        self._tally = tally
        self._chance = chance
        self._is_sqlite = url.startswith("sqlite")
        self._sending: set[Row] = set()
        self._dead: set[int] = set()
        self._killed_at: list[float] = []

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PUBLIC_URL": f"http://127.0.0.1:{self.port}"}

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        """Prepare the processes; `live` starts them."""
        for provider, operation in (("migo", "create"), ("smtp", "data"), ("twilio", "create")):
            # Carried out, then answered late: the longer a call takes the more deaths meet it.
            self.sandbox.faults.order(provider, operation, "delay", 10**9, seconds=0.01)
        ports = [self.port, free_port()]
        self.fleet = Fleet.of(self.environment(), self._folder, ports, is_sqlite=self._is_sqlite)
        self.crowd = Crowd(self.sandbox, self.fleet.ports, self._chance)

    async def live(self, cycles: int) -> None:
        """Be killed so many times, then come to rest and be compared."""
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        self.crowd.start()
        for _ in shown(range(cycles), "kills of this round"):
            await self._cycle()
        await self.crowd.stop()
        await self._end()

    async def _end(self) -> None:
        """Die once more; then come to rest and be compared."""
        self._kill(self.fleet.members)
        self._note_sending()
        await self._come_to_rest()
        await self._compare()

    async def _cycle(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, MOST_ALIVE_S))
        dying = self._some()
        self._kill(dying)
        self._let_more_ask()
        self._note_sending()
        began = time.monotonic()
        self.fleet.start(dying)
        if self._chance.random() < 0.1:
            return
        await self.fleet.until_ready(dying)
        self._tally.ready.append(time.monotonic() - began)
        if any(member.is_executed and member.is_web for member in dying):
            self._tally.executed.append(self._tally.ready[-1])
        answers = await until(lambda: self.crowd.answered_at > began, ANSWER_WITHIN_S)
        if answers:
            self._tally.answered.append(self.crowd.answered_at - began)

    def _let_more_ask(self) -> None:
        now_s = time.monotonic()
        self._killed_at = [at for at in self._killed_at if now_s - at < HELD_S] + [now_s]
        self.crowd.most_unpaid = MOST_UNPAID + STUCK_A_KILL * len(self._killed_at)

    def _some(self) -> list[Member]:
        """All of them, or one."""
        members = self.fleet.members
        return members if self._chance.random() < 0.3 else [self._chance.choice(members)]

    def _kill(self, dying: list[Member]) -> None:
        self._dead.update(member.pid for member in dying)
        self.fleet.kill(dying)
        self._tally.counts["kills"] += 1

    def _note_sending(self) -> None:
        rows = looked_up(_SENDING, self._database_url, self._folder)
        mine = {row for row in rows if int(row[3].split("-")[-2]) in self._dead}
        self._sending |= mine

    async def _come_to_rest(self) -> None:
        began = time.monotonic()
        # On a file what dead workers held is released at every start.
        if self.may_be_held and not self._is_sqlite:
            await self._work_off()
        await super().start()
        self.is_revived = True
        await self.rest()
        while await self.crowd.pay_rest(self.port):
            await self.rest()
        self._tally.quiesce.append(time.monotonic() - began)

    async def _work_off(self) -> None:
        """Have the processes do all that is due, as they would once the leases of the dead end."""
        with psycopg.connect(self._database_url) as connection:
            connection.execute(_END_LEASES)
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        await self._until_idle()
        while await self.crowd.pay_rest(self.port):
            await self._until_idle()
        self.fleet.terminate(self.fleet.members)
        members = self.fleet.members
        assert await until(lambda: not any(map(self.fleet.is_alive, members)), ENDED_WITHIN_S)
        self.fleet.kill_all()

    async def _until_idle(self) -> None:
        async def is_idle() -> bool:
            await self.sandbox.settled()
            [(due,)] = await asyncio.to_thread(looked_up, _DUE, self._database_url, self._folder)
            return not due

        await eventually(is_idle, WORKED_OFF_WITHIN_S)

    async def stop(self) -> None:
        self.fleet.kill_all()
        if self.is_revived:
            await super().stop()

    async def _compare(self) -> None:
        """The crowd's memory, the books and what reached the customers must tell one story."""
        tally, crowd = self._tally, self.crowd
        kept = {bytes(body) for (body,) in await self.select("select body from inbox")}
        acked = [body for bodies in crowd.acked.values() for body in bodies]
        tally.lost += [body for body in acked if body not in kept]
        await self._compare_customers()
        try:
            await self.app.store.transact(lambda tx: check_books(tx, set()))
        except AssertionError as error:
            tally.broken.append(str(error))
        counts = tally.counts
        counts["payments"] += len(crowd.created)
        counts["acked"] += len(acked)
        counts["unacked"] += crowd.unacked
        counts["exec"] += self.fleet.executed
        counts["5xx"] += crowd.statuses[503]
        counts["dup_bound"] += sum(row[2] == "receipt" for row in self._sending)
        counts["link_bound"] += sum(row[2] == "link" for row in self._sending)
        [(known,)] = await self.select("select count(*) from link")
        counts["orphans"] += len(list(self.sandbox.migo.transactions)) - known
        [(parked,)] = await self.select("select count(*) from fact where payment_id is null")
        counts["parked_left"] += parked
        paid = "select count(*) from payment where status = 'paid'"
        counts["paid"] += (await self.select(paid))[0][0]

    async def _compare_customers(self) -> None:
        rows = await self.select(_UNPAID)
        unpaid = {name for name, _, _ in rows}
        # A person was asked, as the books' invariants want it; anything else was forgotten.
        self._tally.stuck += [(name, status) for name, status, asked in rows if not asked]
        counts = self._tally.counts
        counts["asked_staff"] += sum(bool(asked) for _, _, asked in rows)
        for number in self.crowd.created:
            uids, receipts = received(self.sandbox, number)
            if len(set(uids)) > 1:
                self._tally.exposed.append((number, uids))
            is_acked = any(uid in self.crowd.acked for uid in uids)
            if is_acked and (not receipts or f"INV-{number}" in unpaid):
                self._tally.missing.append(number)
            counts["receipts_dup"] += max(0, len(receipts) - 1)
            counts["links_dup"] += max(0, len(uids) - 1)


def looked_up(statement: LiteralString, url: str, folder: Path) -> list[Row]:
    """Rows as they are on disk; a file is copied, lest looking should repair it."""
    if not url.startswith("sqlite"):
        with psycopg.connect(url) as connection:
            return connection.execute(statement).fetchall()
    copy = folder / "copy.db"
    for end in ("", "-wal"):
        source = folder / f"paybot.db{end}"
        (folder / f"copy.db{end}").unlink(missing_ok=True)
        if source.exists():
            shutil.copy(source, folder / f"copy.db{end}")
    file = sqlite3.connect(copy)
    try:
        return file.execute(statement).fetchall()
    finally:
        file.close()


def _report(engine: str, cycles: int, seed: int, tally: Tally, took_s: float) -> Report:
    counts, report = tally.counts, Report("kill9")
    names = (
        "exec",
        "acked",
        "unacked",
        "5xx",
        "payments",
        "paid",
        "asked_staff",
        "orphans",
        "parked_left",
    )
    report.figures |= {"engine": engine, "seed": seed, "cycles": cycles, "secs": took_s}
    report.figures |= {name: counts[name] for name in names}
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("multi_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    for duplicates, bound in (("receipts_dup", "dup_bound"), ("links_dup", "link_bound")):
        report.figures |= {duplicates: counts[duplicates], bound: counts[bound]}
        report.must(counts[duplicates] <= counts[bound], f"{duplicates} above its bound")
        report.must_bite(cycles < ROUND or counts[bound], f"{bound}: nobody died while sending")
    report.must_bite(counts["dup_bound"] + counts["link_bound"], "nobody died while sending")
    report.must(counts["parked_left"] == 0, "facts are parked for ever")
    report.must_bite(counts["acked"], "acknowledged callbacks")
    report.must_bite(cycles < ROUND or counts["orphans"], "orphans: nobody died in a create")
    # A few starts on a busy machine tell nothing of how long one takes.
    is_slow = cycles >= ROUND and share(tally.ready, 95) > RECOVERED_WITHIN_S
    report.must(not is_slow, f"recovery p95 above {RECOVERED_WITHIN_S:.0f} s")
    is_restless = max(tally.quiesce, default=0) > RESTED_WITHIN_S
    report.must(not is_restless, f"not at rest within {RESTED_WITHIN_S:.0f} s")
    report.figures["recovery_p50"] = seconds(share(tally.ready, 50))
    report.figures["p95"] = seconds(share(tally.ready, 95))
    report.figures["max"] = seconds(max(tally.ready, default=0))
    report.figures["exec_p50"] = seconds(share(tally.executed, 50))
    report.figures["answer_p95"] = seconds(share(tally.answered, 95))
    report.figures["quiesce_p50"] = seconds(share(tally.quiesce, 50))
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    worst = [each for each in (Integrity.BROKEN, Integrity.UNCHECKED) if counts[each]]
    report.figures["integrity"] = [*worst, Integrity.OK][0]
    report.must(not counts[Integrity.BROKEN], "the database is not whole")
    return report
