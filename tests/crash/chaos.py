"""A bad network before the providers: late, torn, refused and half-told answers."""

import asyncio
import contextlib
import random
import socket
import struct
import tempfile
from collections import Counter
from pathlib import Path

from bot.app import ALL_ROLES, Role
from bot.store.migrate import migrate
from tests.crash.kill9 import Tally
from tests.crash.outage import Afflicted
from tests.crash.report import Report, seconds

_CHUNK = 65536
_SHARE = 0.3
"""Of the requests that suffer something."""

_HTTP_FAULTS = ("late", "before", "after", "torn", "half", "429", "500")
_MAIL_FAULTS = ("late", "before", "after")
_ANSWERS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
}


class BadLine:
    """Forwards one port to another and harms requests by chance, until it is calm."""

    def __init__(self, target: int, faults: tuple[str, ...], chance: random.Random) -> None:
        self._target = target
        self._faults = faults
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.is_calm = False

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, EOFError):
                await self._forward(reader, writer)
        finally:
            writer.close()
            self._open.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_connection("127.0.0.1", self._target)
        line = _Answers(answers, writer)
        back = asyncio.create_task(line.pump())
        try:
            while data := await reader.read(_CHUNK):
                if not await self._harm(data, asks, line):
                    return
        finally:
            back.cancel()
            asks.close()

    async def _harm(self, data: bytes, asks: asyncio.StreamWriter, line: "_Answers") -> bool:
        """Pass one part of what is asked on; False where that ends the connection."""
        is_hit = not self.is_calm and self._chance.random() < _SHARE
        fault = self._chance.choice(self._faults) if is_hit else ""
        self.done[fault] += bool(fault)
        match fault:
            case "before":
                line.reset()
                return False
            case "429" | "500":
                line.write(_ANSWERS[fault])
                return True
            case "late":
                await asyncio.sleep(self._chance.uniform(0, 0.3))
            case "after":
                line.left = 0
            case "torn":
                line.left = self._chance.randint(1, 200)
            case "half":
                line.left, line.is_half = self._chance.randint(1, 200), True
        asks.write(data)
        await asks.drain()
        return True


class _Answers:
    """What comes back; after `left` bytes the connection is reset, or closed on our side only."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.left: int | None = None
        self.is_half = False

    async def pump(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(_CHUNK):
                if self.left is None:
                    self._writer.write(data)
                    continue
                self._writer.write(data[: self.left])
                self.left -= min(self.left, len(data))
                if self.left == 0:
                    self._end()
                    return
        self._writer.close()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def _end(self) -> None:
        if self.is_half and self._writer.can_write_eof():
            self._writer.write_eof()
        else:
            self.reset()

    def reset(self) -> None:
        """Close with RST, as a peer does that died."""
        connection = self._writer.get_extra_info("socket")
        if connection is not None:
            never = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, never)
        self._writer.transport.abort()


class BadlyConnected(Afflicted):
    """The service behind two bad lines, one for HTTP and one for mail."""

    lines: tuple[BadLine, ...] = ()
    _ports: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        given = super().environment()
        if not self._ports:
            return given
        http, mail = self._ports
        base = f"http://127.0.0.1:{http}"
        return {
            **given,
            "MIGO_BASE_URL": f"{base}/migo",
            "TWILIO_BASE_URL": f"{base}/twilio",
            "SMTP_URL": f"smtp://127.0.0.1:{mail}?tls=off",
        }

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        given = super().environment()
        http = int(given["MIGO_BASE_URL"].split(":")[2].split("/")[0])
        mail = int(given["SMTP_URL"].split(":")[2].split("?")[0])
        self.lines = (
            BadLine(http, _HTTP_FAULTS, self._chance),
            BadLine(mail, _MAIL_FAULTS, self._chance),
        )
        self._ports = (await self.lines[0].start(), await self.lines[1].start())
        await super().start(roles)

    async def _come_to_rest(self) -> None:
        for line in self.lines:
            line.is_calm = True
        await super()._come_to_rest()

    async def stop(self) -> None:
        await super().stop()
        for line in self.lines:
            await line.stop()


async def chaos(*, stretches: int, seed: int) -> Report:
    """Live a second or so `stretches` times behind bad lines, on a file."""
    chance, tally = random.Random(seed), Tally()

    async def nothing() -> None:
        """The lines do the harm."""

    with tempfile.TemporaryDirectory(prefix="paybot-chaos-") as name:
        url = f"sqlite:///{name}/paybot.db"
        migrate(url)
        async with BadlyConnected(Path(name), url, tally, chance) as service:
            await service.suffer(nothing, stretches)
            return await _report(service, tally, seed)


async def _report(service: BadlyConnected, tally: Tally, seed: int) -> Report:
    report, counts = Report("chaos", {"seed": seed}), tally.counts
    faults = service.lines[0].done + service.lines[1].done
    attempts = dict(await service.select("select state, count(*) from link_attempt group by state"))
    held = "select count(*) from payment where status = 'held'"
    report.figures["faults"] = "{" + ",".join(f"{a}:{b}" for a, b in sorted(faults.items())) + "}"
    report.figures |= {"acked": counts["acked"], "payments": counts["payments"]}
    report.figures |= {"paid": counts["paid"], "unknown_creates": attempts.get("unknown", 0)}
    report.figures |= {"orphans": counts["orphans"], "receipts_dup": counts["receipts_dup"]}
    report.figures["asked_staff"] = (await service.select(held))[0][0]
    report.none_of("lost", tally.lost)
    report.none_of("receipts_missing", tally.missing)
    report.none_of("double_exposed", tally.exposed)
    report.none_of("books_wrong", tally.broken)
    report.none_of("stuck", tally.stuck)
    report.must_bite(faults, "no request was harmed")
    report.must_bite(attempts.get("unknown", 0), "no create ended unknown")
    report.figures["quiesce"] = seconds(max(tally.quiesce, default=0))
    return report
