"""A long steady load on two workers, with every fault now and then: nothing grows, nothing lags."""

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.crash.crowd import Crowd, mail_of, phone_of
from tests.crash.fleet import Fleet, Member
from tests.crash.kill9 import KilledFleet, Tally
from tests.crash.report import Report, seconds, share
from tests.crash.watching import Watched, growth
from tests.crash.wire import Line
from tests.services import free_port

RATE = 50
"""Payments a second: twenty times what is expected at the busiest."""
REACHED = 0.8
"""The share of it that must have come, or the load was none."""
MOST_MB_AN_HOUR, NOISE_MB = 1.0, 8.0
MOST_FILES, MOST_TASKS = 10, 20
STALL_S, LAG_S = 0.25, 5.0
LOOK_EVERY_S = 1.0
HURTS = tuple(
    itertools.product(
        (("migo", "create"), ("twilio", "create"), ("smtp", "data")),
        ("drop_answer", "server_error", "throttle", "refuse"),
    )
)


class Steady(Crowd):
    """Asks for so many payments a second, and notes when each customer has a link."""

    sellers = 20

    def __init__(self, *known: object) -> None:
        super().__init__(*known)  # type: ignore[arg-type]
        self.asked_at: dict[str, float] = {}
        self.lags: list[float] = []

    async def _sell(self, port: int) -> None:
        line, begun = Line(port), time.monotonic()
        try:
            for turn in itertools.count():
                await asyncio.sleep(begun + turn * self.sellers / RATE - time.monotonic())
                if self._is_over:
                    return
                number = next(self._numbers)
                self.asked_at[mail_of(number) if number % 2 else phone_of(number)] = (
                    time.monotonic()
                )
                await self._ask(line, number)
        finally:
            line.close()

    def new_messages(self) -> Iterator[tuple[str, str]]:
        for to, text in super().new_messages():
            if (asked_at := self.asked_at.pop(to, None)) is not None:
                self.lags.append(time.monotonic() - asked_at)
            yield to, text


class SoakedFleet(KilledFleet):
    """A door, two workers and a scheduler on PostgreSQL that are left alone for long."""

    crowd: Steady

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        """Prepare the processes; `soak` starts them."""
        del roles
        parts = (Role.WEB, Role.WORKER, Role.WORKER, Role.SCHEDULER)
        members = [Member(frozenset({role}), 0) for role in parts]
        members[0].port = self.port or free_port()
        told = {**self.environment(), "WATCHED": "1"}
        self.fleet = Fleet(told, self._folder, members)
        self.crowd = Steady(self.sandbox, self.fleet.ports, self._chance)
        self.watched: list[Watched] = []
        self.hurts = 0

    async def soak(self, for_s: float) -> None:
        """Live on so long, then come to rest and be compared."""
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        self.watched = [Watched(each.pid, each.roles) for each in self.fleet.members]
        self.crowd.start()
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            (provider, operation), kind = self._chance.choice(HURTS)
            self.sandbox.faults.order(provider, operation, kind)
            self.hurts += 1
            for member, each in zip(self.fleet.members, self.watched, strict=True):
                assert self.fleet.is_alive(member), self.fleet.log()[-3000:]
                each.look()
        self.sandbox.faults.clear()
        await self.crowd.stop()
        self._kill(self.fleet.members)
        self._note_sending()
        await self._come_to_rest()
        await self._compare()


async def soak(url: str, *, for_s: int, seed: int) -> Report:
    """Soak the service on a PostgreSQL database for so many seconds."""
    tally = Tally()
    migrate(url)
    empty(url)
    with tempfile.TemporaryDirectory(prefix="paybot-soak-") as name:
        folder = Path(name)
        async with SoakedFleet(folder, url, tally, random.Random(seed)) as service:
            await service.soak(for_s)
            report = Report("soak", {"seed": seed, "secs": for_s, "hurts": service.hurts})
            _judge_load(report, service, for_s)
            for each in service.watched:
                _judge_process(report, each, folder, for_s)
            _judge_books(report, tally)
    return report


def _judge_load(report: Report, service: SoakedFleet, for_s: int) -> None:
    rate, lag_s = len(service.crowd.created) / for_s, share(service.crowd.lags, 95)
    report.figures |= {"rate": f"{rate:.0f}/s", "lag_p95": seconds(lag_s)}
    report.must_bite(rate >= RATE * REACHED, f"only {rate:.0f} payments a second were asked for")
    report.must(lag_s < LAG_S, "links come late")
    report.must_bite(service.hurts, "faults of providers")


def _judge_process(report: Report, each: Watched, folder: Path, for_s: int) -> None:
    role = f"{'+'.join(sorted(each.roles))}_{each.pid}"
    stalls, tasks = each.inside(folder)
    grown_mb = growth(each.megabytes)
    stall_s = share(stalls, 99.9)
    report.figures[role] = (
        f"{each.megabytes[-1]:.0f}MB{grown_mb:+.1f} {grown_mb * 3600 / for_s:+.0f}MB/h"
        f" fds{growth([*map(float, each.files)]):+.0f} tasks{growth([*map(float, tasks)]):+.0f}"
        f" stall_p99.9={stall_s * 1000:.0f}ms"
    )
    report.must_bite(stalls, f"{role} was not watched from inside")
    report.must(stall_s < STALL_S, f"the loop of {role} stalls")
    # What an allocator keeps is no leak: an hour's growth shows only in hours.
    allowed_mb = NOISE_MB + MOST_MB_AN_HOUR * for_s / 3600
    report.must(grown_mb < allowed_mb, f"{role} grows by {grown_mb:.1f} MB")
    report.must(growth([*map(float, each.files)]) < MOST_FILES, f"{role} keeps files open")
    report.must(growth([*map(float, tasks)]) < MOST_TASKS, f"{role} keeps tasks")


def _judge_books(report: Report, tally: Tally) -> None:
    for figure in ("acked", "payments", "paid", "asked_staff", "receipts_dup", "links_dup"):
        report.figures[figure] = tally.counts[figure]
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("multi_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.must_bite(tally.counts["acked"], "acknowledged callbacks")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
