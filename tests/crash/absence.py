"""The database is away for long, while Migo goes on telling: each callback is kept and answered."""

import random
import signal
import tempfile
import time
from pathlib import Path

from tests.crash.kill9 import Tally
from tests.crash.outage import Afflicted, own_postgres, report_of
from tests.crash.report import Report, seconds, share
from tests.services import PostgresServer, eventually

RATE = 20.0
"""Callbacks a second."""
PAID_BEFORE = 50
PAID_WITHIN_S, DRAINED_WITHIN_S = 60.0, 120.0
ANSWERED_WITHIN_S, RESTED_WITHIN_S = 1.0, 60.0


class Alone(Afflicted):
    """One process with all roles, without a database for a while."""

    told: list[float]
    spooled = 0
    drained_s = 0.0

    async def bear(self, server: PostgresServer, for_s: float) -> None:
        """Take callbacks without a database; then come to rest and compare."""
        self.fleet.start(self.fleet.members)
        await self.fleet.until_ready(self.fleet.members)
        self.crowd.start()
        await eventually(lambda: self.crowd.acked_count >= PAID_BEFORE, PAID_WITHIN_S)
        await self.crowd.stop()
        server.stop(signal.SIGQUIT)
        self.told = await self.crowd.tell_more(RATE, for_s)
        assert self.fleet.is_alive(self.fleet.members[0]), self.fleet.log()[-3000:]
        self.spooled = await self._spool_items()
        server.start()
        began = time.monotonic()
        await eventually(self._is_drained, DRAINED_WITHIN_S)
        self.drained_s = time.monotonic() - began
        await self._end()


async def database_gone(*, for_s: int, seed: int) -> Report:
    """Stop PostgreSQL for so many seconds.

    Raises:
        ServerMissingError: it is not installed.
    """
    tally = Tally()
    with own_postgres() as server, tempfile.TemporaryDirectory(prefix="paybot-alone-") as name:
        async with Alone(Path(name), server.url, tally, random.Random(seed)) as service:
            await service.bear(server, for_s)
            report = report_of("absence", service, tally, seed)
    report.figures |= {"away_s": for_s, "told": len(service.told), "spooled": service.spooled}
    slowest = share(service.told, 99)
    report.figures |= {"answer_p99": seconds(slowest), "drained": seconds(service.drained_s)}
    report.must(slowest <= ANSWERED_WITHIN_S, "a callback in a hundred was kept waiting")
    report.must(service.drained_s <= RESTED_WITHIN_S, "the spool was not drained in a minute")
    report.must_bite(service.spooled >= len(service.told), "the database was not away")
    return report
