"""What becomes of an HTTP exchange, tried on real sockets: no stub knows how a wire breaks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from channels.base import Refusal
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError
from channels.outcome import (
    MAX_BODY_BYTES,
    MAX_CONNECTIONS,
    MAX_RETRY_AFTER_S,
    error_for,
    exchange,
    new_client,
    read_capped,
    retry_after_s,
)
from tests.services import eventually

SECRET = "s3cret"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A loopback server that answers as it is told and counts what reached it."""

    def __init__(self, answer: Answer) -> None:
        self.connections = 0
        self.requests = 0
        self._answer = answer
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or b"0"))
                self.requests += 1
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        del self._open[task]

    async def close(self) -> None:
        """Leave nothing open."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Server, str]]:
    server = Server(answer)
    listener = await asyncio.start_server(server.take, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield server, f"http://127.0.0.1:{port}/{SECRET}"
    finally:
        listener.close()
        await server.close()


def whole(body: bytes = b"{}") -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    return answer


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"this is not HTTP\r\n\r\n")
    await writer.drain()
    writer.close()


async def bad_chunk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
    await writer.drain()
    writer.close()


async def bad_gzip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    )
    await writer.drain()


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def post(url: str, *, timeout_s: float = 5.0, keep_alive: bool = True) -> bytes:
    async with new_client(timeout_s=timeout_s, keep_alive=keep_alive) as client:
        return await post_over(client, url)


async def post_over(client: httpx.AsyncClient, url: str) -> bytes:
    with exchange():
        async with client.stream("POST", url, content=b"x=1") as response:
            return await read_capped(response)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_refused_connection_is_surely_not_sent() -> None:
    with pytest.raises(NotSentError) as caught:
        await post(f"http://127.0.0.1:{free_port()}/{SECRET}")
    assert SECRET not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_surely_not_sent() -> None:
    with pytest.raises(NotSentError):
        await post("http://name.invalid/")


async def test_a_connection_that_never_opens_is_surely_not_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            with pytest.raises(NotSentError):
                await post(f"http://127.0.0.1:{port}/", timeout_s=0.2)
        finally:
            for filler in fillers:
                filler.close()


async def test_tls_that_cannot_be_agreed_is_surely_not_sent() -> None:
    async with serving(whole()) as (server, url):
        with pytest.raises(NotSentError):
            await post(url.replace("http:", "https:"))
    assert server.requests == 0


@pytest.mark.parametrize("answer", [reset, hang_up, half, garbage, bad_chunk, bad_gzip])
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_whatever_breaks_after_the_request_is_uncertain_and_happens_once(
    answer: Answer, keep_alive: bool
) -> None:
    async with serving(answer) as (server, url):
        with pytest.raises(UncertainError) as caught:
            await post(url, keep_alive=keep_alive)
    assert server.requests == 1
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_silence_after_the_request_is_uncertain() -> None:
    async with serving(hang) as (server, url):
        with pytest.raises(UncertainError):
            await post(url, timeout_s=0.2)
    assert server.requests == 1


async def test_a_kept_connection_that_breaks_is_uncertain_and_not_tried_again() -> None:
    turns: list[Answer] = [whole(), hang_up]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await turns.pop(0)(reader, writer)

    async with serving(answer) as (server, url), new_client(timeout_s=5, keep_alive=True) as client:
        assert await post_over(client, url) == b"{}"
        with pytest.raises(UncertainError):
            await post_over(client, url)
    assert (server.connections, server.requests) == (1, 2)


async def test_a_wait_for_a_free_connection_that_is_too_long_is_surely_not_sent() -> None:
    async with serving(hang) as (server, url), new_client(timeout_s=30, keep_alive=True) as client:
        busy = [asyncio.create_task(post_over(client, url)) for _ in range(MAX_CONNECTIONS)]
        await eventually(lambda: server.requests == MAX_CONNECTIONS, within_s=30)
        with pytest.raises(NotSentError), exchange():
            await client.post(url, content=b"", timeout=httpx.Timeout(5, pool=0.1))
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    assert server.connections == MAX_CONNECTIONS


async def test_cancelling_passes_through() -> None:
    async with serving(hang) as (server, url):
        task = asyncio.create_task(post(url))
        await eventually(lambda: server.requests == 1, within_s=10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(("keep_alive", "connections"), [(True, 1), (False, 3)])
async def test_connections_are_kept_only_where_asked(keep_alive: bool, connections: int) -> None:
    async with (
        serving(whole()) as (server, url),
        new_client(timeout_s=5, keep_alive=keep_alive) as client,
    ):
        for _ in range(3):
            await post_over(client, url)
    assert server.connections == connections


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nset-cookie: a=b\r\n"
            b"content-length: 0\r\n\r\n"
        )
        await writer.drain()

    async with serving(answer) as (server, url), new_client(timeout_s=5, keep_alive=True) as client:
        for _ in range(2):
            response = await client.post(url)
            assert response.status_code == 302
            assert "cookie" not in response.request.headers
        assert not client.cookies
    assert server.requests == 2


@pytest.mark.parametrize("size", [0, 1, MAX_BODY_BYTES - 1, MAX_BODY_BYTES])
async def test_an_answer_up_to_the_cap_is_read_whole(size: int) -> None:
    async with serving(whole(b"x" * size)) as (_, url):
        assert len(await post(url)) == size


async def test_an_answer_over_the_cap_is_cut_and_the_rest_not_taken() -> None:
    written = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1 << 30))
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with serving(endless) as (_, url):
        assert await post(url) == b"x" * MAX_BODY_BYTES
    assert written < 1 << 26


def test_every_client_shares_one_tls_context() -> None:
    first, second = (new_client(timeout_s=1, keep_alive=True)._transport for _ in range(2))
    assert vars(first)["ssl_context"] is vars(second)["ssl_context"]
    assert vars(first)["ssl_context"].check_hostname


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
)
def test_httpx_errors_before_the_request(error: httpx.TransportError) -> None:
    with pytest.raises(NotSentError), exchange():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("x"),
        httpx.WriteTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.CloseError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.DecodingError("x"),
        httpx.TooManyRedirects("x"),
    ],
)
def test_httpx_errors_after_the_request(error: httpx.RequestError) -> None:
    with pytest.raises(UncertainError), exchange():
        raise error


@pytest.mark.parametrize(
    ("status", "expected", "refusal"),
    [
        (200, None, None),
        (201, None, None),
        (204, None, None),
        (302, RejectedError, Refusal.CONFIG),
        (400, RejectedError, Refusal.CONTENT),
        (401, RejectedError, Refusal.CONFIG),
        (403, RejectedError, Refusal.CONFIG),
        (404, RejectedError, Refusal.CONFIG),
        (408, NotSentError, None),
        (422, RejectedError, Refusal.CONTENT),
        (429, NotSentError, None),
        (500, UncertainError, None),
        (502, UncertainError, None),
        (503, UncertainError, None),
    ],
)
def test_each_status_has_one_end(
    status: int, expected: type[ChannelError] | None, refusal: Refusal | None
) -> None:
    error = error_for(status, {"retry-after": "7"})
    assert (None if error is None else type(error)) is expected
    assert getattr(error, "refusal", None) is refusal
    assert getattr(error, "retry_after_s", None) == (7.0 if expected is NotSentError else None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 12 "}, 12.0),
        ({"retry-after": "3601"}, MAX_RETRY_AFTER_S),
        ({"retry-after": "9" * 5000}, MAX_RETRY_AFTER_S),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            0.0,
        ),
        (
            {
                "retry-after": "Fri, 23 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            MAX_RETRY_AFTER_S,
        ),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:30 GMT", "date": "x"}, None),
    ],
)
def test_a_delay_is_read_or_ignored(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers) == expected


def test_a_delay_is_found_whatever_the_case_of_its_header() -> None:
    assert retry_after_s(httpx.Headers({"Retry-After": "5"})) == 5.0
