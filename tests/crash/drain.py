"""The spool is brought to the inbox by a process that is killed while it does so, again and again.

However often it is begun anew, each spooled callback is one inbox row in the end, byte for byte.
"""

import asyncio
import hashlib
import random
import tempfile
import time
from pathlib import Path

from bot.app import Role
from bot.sandbox.app import Sandbox
from bot.spool import Spool
from bot.spool.records import FREED
from bot.store.inbox import Received, Source
from bot.store.migrate import migrate
from bot.web.callbacks import header_of
from tests.contract.databases import empty
from tests.crash.crowd import until
from tests.crash.fleet import Fleet, Member
from tests.crash.integrity import is_whole
from tests.crash.kill9 import looked_up
from tests.crash.progress import shown
from tests.crash.report import Report
from tests.crash.wire import json_bytes
from tests.flow.service import TOKEN
from tests.services import free_port

RECORDS = 200
KILLS = 4
"""In one round, most of them while records are freed; then it may go on."""

DRAINED_S = 30.0
_BODIES = "select body from inbox"


class Drained:
    """A process that does nothing but take callbacks, and its spool."""

    def __init__(self, folder: Path, url: str, chance: random.Random) -> None:
        self._folder = folder
        self._url = url
        self._chance = chance
        self._log = folder / "spool" / "0" / "log"
        port = free_port()
        environment = {
            **Sandbox().environment(),
            "DATABASE_URL": url,
            "DATA_DIR": str(folder),
            "PORT": str(port),
            "API_TOKENS": TOKEN,
        }
        self._fleet = Fleet(environment, folder, [Member(frozenset({Role.WEB}), port)])
        self.kills = 0
        self.in_the_middle = 0

    async def fill(self) -> set[bytes]:
        """Spool callbacks as the door does; give their bodies."""
        spool = Spool(self._folder / "spool", clock=time.time)
        spool.open()
        bodies = {json_bytes({"uid": f"u{number}"}) for number in range(RECORDS)}
        await asyncio.gather(*(spool.put(header_of(_received(body)), body) for body in bodies))
        await spool.aclose()
        return bodies

    async def drain(self) -> list[bytes]:
        """Be killed some times, then go on to the end; give what is in the inbox."""
        for _ in range(KILLS):
            await self._die_after(self._chance.randint(1, RECORDS - 1))
            self.in_the_middle += 0 < len(self._bodies()) < RECORDS
        self._fleet.start(self._fleet.members)
        assert await until(self._is_empty, DRAINED_S), "the spool is not drained"
        self._fleet.kill_all()
        return self._bodies()

    async def _die_after(self, freed: int) -> None:
        """Start it and kill it once so many records were freed, or a moment later."""
        self._fleet.start(self._fleet.members)
        assert await until(lambda: self._freed() >= freed or self._is_empty(), DRAINED_S)
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.005)))
        self._fleet.kill_all()
        self.kills += 1

    def _freed(self) -> int:
        return self._log.read_bytes().count(FREED)

    def _is_empty(self) -> bool:
        return self._log.stat().st_size == 0

    def _bodies(self) -> list[bytes]:
        return [bytes(body) for (body,) in looked_up(_BODIES, self._url, self._folder)]


def _received(body: bytes) -> Received:
    return Received(Source.MIGO, hashlib.sha256(body).hexdigest(), "/webhooks/migo", {}, body)


async def drain_killed(*, rounds: int, seed: int, postgres_url: str | None) -> Report:
    """Drain a spool so many times, every other time into PostgreSQL where there is one."""
    report, chance = Report("drain", {"seed": seed, "rounds": rounds}), random.Random(seed)
    found: list[str] = []
    kills = in_the_middle = 0
    for number in shown(range(rounds), "drain"):
        with tempfile.TemporaryDirectory(prefix="paybot-drain-") as name:
            folder = Path(name)
            url = (postgres_url if number % 2 else None) or f"sqlite:///{folder}/paybot.db"
            migrate(url)
            if url == postgres_url:
                empty(url)
            drained = Drained(folder, url, chance)
            wanted = await drained.fill()
            kept = await drained.drain()
            if sorted(kept) != sorted(wanted):
                found.append(f"{len(kept)} rows of {len(wanted)} records on {url}")
            if not is_whole(url, folder):
                found.append(f"{url} is not whole")
            kills, in_the_middle = kills + drained.kills, in_the_middle + drained.in_the_middle
    report.figures |= {"records": rounds * RECORDS, "kills": kills, "in_the_middle": in_the_middle}
    report.none_of("violations", found)
    report.must_bite(in_the_middle, "nobody died in the middle")
    return report
