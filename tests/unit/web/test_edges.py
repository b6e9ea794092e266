"""What a server of ours does with callers that are slow, large or many."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from bot.telemetry.metrics import Metrics
from bot.web import edges
from bot.web.callers import Proxies
from bot.web.edges import HEAD_BYTES, Edges
from tests.services import eventually

GOOD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
LIMIT_S = 0.3


async def echo(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Reads the body and says how long it was, and which headers of a test's own came."""
    body = await Request(scope, receive).body()
    seen = {name.decode(): "seen" for name, _ in scope["headers"] if name == b"x-seen"}
    await Response(str(len(body)), headers=seen)(scope, receive, send)


class Server:
    """A real server on loopback, with limits that a test can wait for."""

    def __init__(self, proxies: Proxies) -> None:
        self.metrics = Metrics()
        self.edges = Edges(self.metrics, proxies, [(b"x-safe", b"yes")])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(
            echo, http=self.edges.protocol(), ws="none", lifespan="off", log_config=None
        )
        config.timeout_keep_alive = 1
        self.uvicorn = uvicorn.Server(config)

    async def say(self, *parts: bytes, gap_s: float = 0.0) -> bytes:
        """Say something, part by part, and give all that comes back until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(gap_s)
            async with asyncio.timeout(10):
                return await self._rest(reader)
        finally:
            writer.close()

    async def _rest(self, reader: asyncio.StreamReader) -> bytes:
        heard = b""
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(1 << 20):
                heard += some
        return heard

    async def good(self) -> bytes:
        return await self.say(GOOD.replace(b"host: x", b"host: x\r\nconnection: close"))

    def cut(self, reason: str) -> float:
        found = self.metrics.registry.get_sample_value(
            "paybot_connections_cut_total", {"reason": reason}
        )
        return found or 0.0


@contextlib.asynccontextmanager
async def serving(proxies: Proxies | None = None) -> AsyncIterator[Server]:
    server = Server(proxies or Proxies())
    running = asyncio.create_task(server.uvicorn.serve(sockets=[server.listener]))
    await eventually(lambda: server.uvicorn.started)
    try:
        yield server
    finally:
        server.uvicorn.should_exit = True
        server.uvicorn.force_exit = True
        await running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "REQUEST_S", LIMIT_S)
    monkeypatch.setattr(edges, "_LOOK_S", 0.05)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def test_a_quick_request_is_served(server: Server) -> None:
    assert (await server.good()).endswith(b"\r\n\r\n2")


HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"POST / HT"],
        [b"P", b"O", b"S", b"T", b" ", b"/", *[b"a"] * 90],
        [b"\r\n"] * 90,
        [HEAD, *[b"x-drip: 1\r\n"] * 90],
        [HEAD, b"\r\n", *[b"x"] * 90],
        [GOOD, b"GET /", *[b"a"] * 90],
    ],
    ids=[
        "idle",
        "half a line",
        "dripped line",
        "blank lines",
        "dripped head",
        "dripped body",
        "2nd",
    ],
)
async def test_what_drips_is_cut_off_in_time(server: Server, parts: list[bytes]) -> None:
    start = time.monotonic()
    await server.say(*parts, gap_s=0.02)
    assert time.monotonic() - start < 2.5
    await eventually(lambda: server.cut("slow") == 1)
    assert (await server.good()).endswith(b"2")


async def test_who_is_cut_off_is_told_why(server: Server) -> None:
    answer = await server.say(HEAD)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"x-safe: yes" in answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_second_request_that_drips_gets_no_second_answer(server: Server) -> None:
    answer = await server.say(GOOD, b"POST", gap_s=0.05)
    assert answer.count(b"HTTP/1.1") == 1
    assert server.cut("slow") == 1


async def test_an_idle_connection_is_closed_after_its_answer(server: Server) -> None:
    start = time.monotonic()
    assert (await server.say(GOOD)).endswith(b"2")
    assert 0.5 < time.monotonic() - start < 3
    assert server.cut("slow") == 0


def _head_of(size: int) -> bytes:
    start = b"POST / HTTP/1.1\r\nconnection: close\r\nhost: x\r\ncontent-length: 2\r\nx-large: "
    return start + b"y" * (size - len(start)) + b"\r\n\r\n{}"


@pytest.mark.parametrize("size", [HEAD_BYTES + 1000, 200_000, 2_000_000])
async def test_a_large_head_is_refused(server: Server, size: int) -> None:
    answer = await server.say(_head_of(size))
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer
    assert server.cut("head") == 1
    assert (await server.good()).endswith(b"2")


async def test_many_small_headers_are_a_large_head_too(server: Server) -> None:
    lines = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
    answer = await server.say(HEAD, lines)
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer
    assert server.cut("head") == 1


async def test_a_head_within_limits_is_taken_with_a_large_body(server: Server) -> None:
    assert (await server.say(_head_of(HEAD_BYTES - 1000))).endswith(b"\r\n\r\n2")
    body = b"z" * 3 * HEAD_BYTES
    head = b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert (await server.say(head + body)).endswith(str(len(body)).encode())
    assert server.cut("head") == 0


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [CHUNKED + LAST, *[b"x-%d: %s\r\n" % (each, b"v" * 1000) for each in range(2000)]],
        [CHUNKED + LAST + b"x-long: ", *[b"v" * 10_000] * 200],
        [CHUNKED, b"2;", *[b"e" * 10_000] * 200],
        [CHUNKED, *[b"1;%s\r\n{\r\n" % (b"e" * 1000)] * 200],
    ],
    ids=["trailers", "one trailer", "an extension", "extensions"],
)
async def test_what_frames_a_body_is_limited_like_a_head(
    server: Server, monkeypatch: pytest.MonkeyPatch, parts: list[bytes]
) -> None:
    monkeypatch.setattr(edges, "REQUEST_S", 60)
    answer = await server.say(*parts)
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer
    assert server.cut("head") == 1
    assert (await server.good()).endswith(b"2")


async def test_a_body_in_chunks_is_taken_and_its_trailers_are_dropped(server: Server) -> None:
    large = b"400\r\n%s\r\n" % (b"z" * 1024) * 3000
    answer = await server.say(CHUNKED + large + LAST + b"x-seen: no\r\n\r\n")
    assert answer.endswith(str(3000 * 1024 + 2).encode())
    small = b"1\r\nz\r\n" * 2000
    assert (await server.say(CHUNKED + small + LAST + b"\r\n")).endswith(b"2002")
    assert b"x-seen" not in answer
    assert server.cut("head") == 0


async def test_requests_in_a_row_do_not_add_up(server: Server) -> None:
    request = _head_of(20_000).replace(b"connection: close\r\n", b"")
    answer = await server.say(request * 4 + _head_of(20_000))
    assert answer.count(b"HTTP/1.1 200 ") == 5


async def test_what_is_no_http_hears_nothing_of_the_server(server: Server) -> None:
    answer = await server.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"x-safe: yes" in answer
    assert b"uvicorn" not in answer.lower()
    assert server.cut("malformed") == 1


async def _crowd(server: Server, count: int) -> list[asyncio.StreamWriter]:
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(count)]
    return [writer for _, writer in opened]


def figure(server: Server) -> Callable[[], float | None]:
    return lambda: server.metrics.registry.get_sample_value("paybot_connections")


async def test_more_connections_than_the_server_takes_are_ended(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "CONNECTIONS", 20)
    monkeypatch.setattr(edges, "REQUEST_S", 60)
    writers = await _crowd(server, 20)
    await eventually(lambda: figure(server)() == 20)
    assert await server.say() == b""
    assert server.cut("crowd") == 1
    writers.pop().close()
    await eventually(lambda: figure(server)() == 19)
    assert (await server.good()).endswith(b"2")
    for writer in writers:
        writer.close()
    await eventually(lambda: figure(server)() == 0)


@pytest.fixture
def far_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers on loopback count as if they came from elsewhere."""
    monkeypatch.setattr("bot.web.callers.is_loopback", lambda peer: False)


@pytest.mark.parametrize(("trusted", "ended"), [((), 5), (("127.0.0.1",), 0)])
async def test_one_address_gets_its_share_unless_it_is_a_proxy(
    monkeypatch: pytest.MonkeyPatch, far_peers: None, trusted: tuple[str, ...], ended: int
) -> None:
    monkeypatch.setattr(edges, "CONNECTIONS_OF_ONE", 10)
    monkeypatch.setattr(edges, "REQUEST_S", 60)
    async with serving(Proxies(trusted)) as server:
        writers = await _crowd(server, 15)
        await eventually(lambda: server.cut("crowd of one") == ended)
        await eventually(lambda: figure(server)() == 15 - ended)
        for writer in writers:
            writer.close()


async def test_thousand_idle_callers_do_not_slow_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = await _crowd(server, 1000)
    start = time.monotonic()
    assert (await server.good()).endswith(b"2")
    assert time.monotonic() - start < 1
    await eventually(lambda: server.cut("slow") == 1000)
    for writer in writers:
        writer.close()
