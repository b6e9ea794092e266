"""The database and Redis go away under load and come back: callbacks are answered all the same."""

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.crash.fleet import Fleet, Member
from tests.crash.kill9 import KilledFleet, Tally
from tests.crash.progress import shown
from tests.crash.report import Report, seconds
from tests.services import (
    PostgresServer,
    RedisServer,
    postgres_server,
    private_folder,
    redis_binary,
)

PAUSED = 0.3
"""How many of the outages of a database are those of one that hangs."""
MANY = 10
_SPOOLED = """
    select count(*) from inbox where source = 'migo' and not_before > received_at + 100000
"""
"""What came into the inbox later than to us, by more than a commit takes."""
UP_S, DOWN_S = (0.5, 2.0), (0.0, 2.0)
Hurt = Callable[[], Awaitable[None]]


class ServerMissingError(Exception):
    """PostgreSQL or Redis is not installed."""


class Afflicted(KilledFleet):
    """One process with all roles that lives on while what it needs is taken away."""

    redis_url = ""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "REDIS_URL": self.redis_url}

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        await super().start(roles)
        self.fleet = Fleet(self.environment(), self._folder, [Member(ALL_ROLES, self.port)])
        self.crowd.ports = self.fleet.ports

    async def suffer(self, hurt: Hurt, times: int) -> None:
        """Live under load while `hurt` is done so many times; then come to rest and compare."""
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        self.crowd.start()
        for _ in shown(range(times), "outages"):
            await asyncio.sleep(self._chance.uniform(*UP_S))
            await hurt()
            assert self.fleet.is_alive(self.fleet.members[0]), self.fleet.log()[-3000:]
        await asyncio.sleep(UP_S[1])
        await self.crowd.stop()
        await self._end()

    async def _is_drained(self) -> bool:
        return await self._spool_items() == 0

    async def _spool_items(self) -> int:
        text = (await self.http.get("/metrics")).text
        line = next(line for line in text.splitlines() if line.startswith("paybot_spool_items "))
        return int(float(line.split()[1]))


async def database_away(*, restarts: int, seed: int) -> Report:
    """Stop PostgreSQL at once, as a crash would, or pause it, for up to two seconds each.

    Raises:
        ServerMissingError: it is not installed.
    """
    with own_postgres() as server:
        return await _without_database(server, restarts, seed)


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    """A migrated PostgreSQL that is ours to stop.

    Raises:
        ServerMissingError: it is not installed.
    """
    with private_folder() as folder:
        server = postgres_server(folder)
        if server is None:
            raise ServerMissingError("no PostgreSQL")
        server.create()
        server.start()
        try:
            migrate(server.url)
            yield server
        finally:
            server.stop()


async def _without_database(server: PostgresServer, restarts: int, seed: int) -> Report:
    chance, down_s = random.Random(seed), 0.0

    async def hurt() -> None:
        nonlocal down_s
        began = time.monotonic()
        is_paused = chance.random() < PAUSED
        (server.pause if is_paused else partial(server.stop, signal.SIGQUIT))()
        await asyncio.sleep(chance.uniform(*DOWN_S))
        await asyncio.to_thread(server.resume if is_paused else server.start)
        down_s += time.monotonic() - began

    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="paybot-outage-") as name:
        async with Afflicted(Path(name), server.url, tally, chance) as service:
            await service.suffer(hurt, restarts)
            report = report_of("db", service, tally, seed)
            [(spooled,)] = await service.select(_SPOOLED)
    report.figures |= {"restarts": restarts, "down_s": down_s, "spooled": spooled}
    report.must_bite(down_s > 0, "the database was never away")
    report.must_bite(restarts < MANY or spooled, "nothing was ever spooled")
    return report


async def redis_away(url: str, *, times: int, seed: int) -> Report:
    """Kill, flush or pause Redis, on a PostgreSQL database.

    Raises:
        ServerMissingError: it is not installed.
    """
    binary, chance, tally = redis_binary(), random.Random(seed), Tally()
    if binary is None:
        raise ServerMissingError("no Redis")
    empty(url)
    with tempfile.TemporaryDirectory(prefix="paybot-outage-") as name:
        redis = RedisServer(binary, Path(name))
        redis.start()

        async def hurt() -> None:
            match chance.choice(("kill", "flush", "pause")):
                case "kill":
                    redis.kill()
                    await asyncio.sleep(chance.uniform(*DOWN_S))
                    await asyncio.to_thread(redis.start)
                case "flush":
                    await asyncio.to_thread(redis.flush)
                case _:
                    redis.pause()
                    await asyncio.sleep(chance.uniform(*DOWN_S))
                    redis.resume()

        service = Afflicted(Path(name), url, tally, chance)
        service.redis_url = redis.url
        try:
            async with service:
                await service.suffer(hurt, times)
                report = report_of("redis", service, tally, seed)
        finally:
            redis.kill()
    report.figures["faults"] = times
    return report


def report_of(name: str, service: Afflicted, tally: Tally, seed: int) -> Report:
    report, counts = Report(name, {"seed": seed}), tally.counts
    refused = sum(n for status, n in service.crowd.told.items() if status >= 500)
    report.figures |= {"acked": counts["acked"], "payments": counts["payments"]}
    report.figures |= {"paid": counts["paid"], "migo_5xx": refused}
    report.must(not refused, f"Migo was answered 5xx: {dict(service.crowd.told)}")
    report.none_of("migo_unanswered", [0] * service.crowd.told[0])
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("multi_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.must_bite(counts["acked"], "acknowledged callbacks")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    return report
