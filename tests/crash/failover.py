"""The primary dies or hangs, and the standby that each commit waited for takes its place.

Nothing that was answered may be missing afterwards, and the service finds the new one by itself.
"""

import asyncio
import random
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bot.store.migrate import migrate
from tests.crash.kill9 import Tally
from tests.crash.outage import DOWN_S, MANY, Afflicted, ServerMissingError, report_of
from tests.crash.report import Report, seconds, share
from tests.services import PostgresServer, eventually, postgres_server, private_folder

HANGS, STANDBY_DIES = 0.3, 0.25
"""How many primaries hang instead of dying, and before how many the standby goes away first."""
ZOMBIE_S = 0.3
"""How long a primary that hung goes on, beside the new one, before it is put down."""
COPIED_WITHIN_S = 30.0
_IS_SYNCED = "select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')"


@dataclass(slots=True)
class Pair:
    """A primary, and a standby without which nothing is committed."""

    primary: PostgresServer
    standby: PostgresServer
    counts: dict[str, int] = field(default_factory=lambda: {"hung": 0, "standby_away": 0})

    @property
    def url(self) -> str:
        """Whichever takes writes."""
        ports = f"{self.primary.port},{self.standby.port}"
        hosts = "127.0.0.1,127.0.0.1"
        query = f"host={hosts}&port={ports}&target_session_attrs=read-write"
        return f"postgresql://postgres@/postgres?{query}"

    async def follow(self) -> None:
        """Make the standby anew, and have each commit wait for it from now on."""
        await asyncio.to_thread(self.standby.copy, self.primary)
        await asyncio.to_thread(self.standby.start)
        self._wait_for("*")
        await eventually(self._is_synced, COPIED_WITHIN_S)

    async def fail_over(self, chance: random.Random) -> None:
        """Lose the primary; the standby takes its place."""
        hangs = chance.random() < HANGS
        self.counts["hung"] += hangs
        (self.primary.pause if hangs else self._crash)()
        await asyncio.sleep(chance.uniform(*DOWN_S))
        self.primary, self.standby = self.standby, self.primary
        await asyncio.to_thread(self.primary.promote)
        self._wait_for("")
        if hangs:
            self.standby.resume()
            await asyncio.sleep(ZOMBIE_S)
            await asyncio.to_thread(self.standby.stop, signal.SIGQUIT)

    async def miss_standby(self, chance: random.Random) -> None:
        """Do without the standby for a while, in which no commit ends."""
        self.counts["standby_away"] += 1
        await asyncio.to_thread(self.standby.stop, signal.SIGQUIT)
        await asyncio.sleep(chance.uniform(*DOWN_S))
        await asyncio.to_thread(self.standby.start)
        await eventually(self._is_synced, COPIED_WITHIN_S)

    def _crash(self) -> None:
        self.primary.stop(signal.SIGQUIT)

    def _wait_for(self, standbys: str) -> None:
        with psycopg.connect(self.primary.url, autocommit=True) as connection:
            wanted = f"alter system set synchronous_standby_names = '{standbys}'"
            connection.execute(wanted.encode())
            connection.execute("select pg_reload_conf()")

    async def _is_synced(self) -> bool:
        return await asyncio.to_thread(self._has_synced)

    def _has_synced(self) -> bool:
        with psycopg.connect(self.primary.url) as connection:
            return connection.execute(_IS_SYNCED).fetchone() == (1,)


async def failed_over(*, times: int, seed: int) -> Report:
    """Fail over so often under load.

    Raises:
        ServerMissingError: PostgreSQL is not installed.
    """
    with ExitStack() as stack:
        folders = [stack.enter_context(private_folder()) for _ in range(2)]
        servers = [server for folder in folders if (server := postgres_server(folder))]
        if not servers:
            raise ServerMissingError("no PostgreSQL")
        for server in servers:
            stack.callback(server.stop, signal.SIGQUIT)
        pair = Pair(servers[0], servers[1])
        pair.primary.create()
        pair.primary.start()
        migrate(pair.primary.url)
        await pair.follow()
        return await _under_load(pair, times, seed)


async def _under_load(pair: Pair, times: int, seed: int) -> Report:
    chance, tally = random.Random(seed), Tally()
    back: list[float] = []
    with tempfile.TemporaryDirectory(prefix="paybot-failover-") as name:
        async with Afflicted(Path(name), pair.url, tally, chance) as service:

            async def hurt() -> None:
                if chance.random() < STANDBY_DIES:
                    await pair.miss_standby(chance)
                began = time.monotonic()
                await pair.fail_over(chance)
                await service.fleet.until_ready(service.fleet.members)
                back.append(time.monotonic() - began)
                await pair.follow()

            await service.suffer(hurt, times)
            report = report_of("failover", service, tally, seed)
    report.figures |= {"failovers": times, **pair.counts}
    for name, count in pair.counts.items():
        report.must_bite(times < MANY or count, name)
    report.figures |= {"back_p50": seconds(share(back, 50)), "back": seconds(max(back))}
    return report
