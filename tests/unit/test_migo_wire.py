"""One create over real sockets: what each way to break proves about the link."""

import asyncio
import dataclasses
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bot.domain.money import Money
from bot.migo import AmountUnit, CreateLink, LinkCreated, MigoClient, MigoConfig, errors
from channels.outcome import new_client

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GOOD = json.dumps({"uid": "abc", "URL": "https://pay.example.com/?orderId=abc"}).encode()
CONFIG = MigoConfig(
    base_url="http://127.0.0.1",
    client="shop",
    amount_unit=AmountUnit.MINOR,
    currencies=("GTQ",),
    channels={"sms": "sms"},
    link_hosts=("pay.example.com",),
    token="0123456789abcdef",
    timeout_s=5.0,
)
WANTED = CreateLink(
    money=Money(15000, "GTQ"),
    phone="+50255551234",
    migo_channel="sms",
    external_id="pay_1.1",
    created_by="staff",
)


class Server:
    """Counts connections and requests, and behaves towards each as told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.requests: list[bytes] = []
        self.connections = 0
        self.heard = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await _head(reader):
                self.requests.append(head)
                self.heard.set()
                await self._behaviour(reader, writer)
                await writer.drain()
        except ConnectionError:
            self.heard.set()
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """One whole request; empty once the other side is done."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = head.lower().partition(b"content-length:")[2].split()[0]
    await reader.readexactly(int(length))
    return head


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[tuple[Server, int]]:
    handler = Server(behaviour)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield handler, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def create(port: int, *, scheme: str = "http", timeout_s: float = 5.0) -> LinkCreated:
    config = dataclasses.replace(
        CONFIG, base_url=f"{scheme}://127.0.0.1:{port}", timeout_s=timeout_s
    )
    async with new_client(timeout_s=5.0, keep_alive=False) as http:
        return await MigoClient(http, config=config).create_link(WANTED)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


async def succeed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(GOOD))


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def answer_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(GOOD)[:-10])
    writer.close()


async def answer_half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    writer.close()


async def answer_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
    writer.close()


async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_link_is_made_over_a_socket() -> None:
    async with serving(succeed) as (server, port):
        link = await create(port)
    assert link == LinkCreated("abc", None, "https://pay.example.com/?orderId=abc")
    assert server.requests[0].startswith(b"POST /transactions HTTP/1.1\r\n")


async def test_each_create_has_a_connection_of_its_own() -> None:
    async with (
        serving(succeed) as (server, port),
        new_client(timeout_s=5.0, keep_alive=False) as http,
    ):
        config = dataclasses.replace(CONFIG, base_url=f"http://127.0.0.1:{port}")
        for _ in range(3):
            await MigoClient(http, config=config).create_link(WANTED)
    assert server.connections == len(server.requests) == 3


async def test_nobody_listening_means_no_link() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(errors.UnreachableError):
            await create(unused.getsockname()[1])


async def test_a_failed_tls_handshake_means_no_link() -> None:
    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak_plainly, "127.0.0.1", 0)
    async with server:
        with pytest.raises(errors.UnreachableError):
            await create(server.sockets[0].getsockname()[1], scheme="https")


@pytest.mark.parametrize(
    "behaviour", [hang_up, reset, answer_half, answer_half_a_head, answer_garbage]
)
async def test_after_the_request_a_break_leaves_it_unknown(behaviour: Behaviour) -> None:
    async with serving(behaviour) as (server, port):
        with pytest.raises(errors.AnswerLostError):
            await create(port)
    assert len(server.requests) == 1


async def test_silence_ends_as_unknown() -> None:
    async with serving(stay_silent) as (server, port):
        with pytest.raises(errors.AnswerLostError):
            await create(port, timeout_s=1.5)
    assert len(server.requests) == 1


async def test_an_answer_that_drips_ends_with_the_total_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as (_, port):
        with pytest.raises(errors.AnswerLostError):
            await create(port, timeout_s=0.3)


async def test_a_redirect_is_not_followed() -> None:
    async with serving(succeed) as (elsewhere, other_port):

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            location = f"Location: http://127.0.0.1:{other_port}/"
            writer.write(answer(b"", "307 Temporary Redirect", location))

        async with serving(redirect) as (_, port):
            with pytest.raises(errors.ServerFailedError):
                await create(port)
    assert elsewhere.connections == 0


async def test_cancelling_passes_through() -> None:
    async with serving(stay_silent) as (server, port):
        task = asyncio.create_task(create(port))
        async with asyncio.timeout(5):
            await server.heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
