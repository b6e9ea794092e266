"""Scripted providers on loopback: they do one thing to each request, and keep what reached them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_LINE_BYTES = 1 << 20


class Fault(StrEnum):
    """What a provider does to a message."""

    NONE = "none"
    REFUSED = "refused"
    THROTTLED = "throttled"
    FAILED = "failed"
    GARBAGE = "garbage"
    LOST = "answer lost after the request was read"
    NO_CONNECTION = "no connection"
    SILENT = "never answers"


@dataclass
class Wire:
    """One scripted provider: the port it listens at, and the messages that it was handed."""

    port: int = 0
    fault: Fault = Fault.NONE
    calls: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def took(self, call: bytes) -> None:
        """Keep a message that was handed over."""
        self.calls.append(call)
        self.arrived.set()


HttpAnswer = Callable[[bytes, Fault], tuple[int, dict[str, str], bytes]]


def http_message(status: int, headers: dict[str, str], body: bytes) -> bytes:
    """Write an HTTP response."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def http_wire(answer: HttpAnswer) -> AsyncIterator[Wire]:
    """Serve HTTP; `answer` words what the faults that are answers say."""
    wire = Wire()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            call = head + await reader.readexactly(int(length or b"0"))
            wire.took(call)
            if wire.fault is Fault.LOST:
                return
            if wire.fault is Fault.SILENT:
                await reader.read()
                return
            writer.write(http_message(*answer(call, wire.fault)))
            await writer.drain()

    async with _listening(take, wire):
        yield wire


@asynccontextmanager
async def smtp_wire() -> AsyncIterator[Wire]:
    """Serve SMTP; each call is a whole mail that was ended by its dot."""
    wire = Wire()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _smtp_dialogue(wire, reader, writer)

    async with _listening(take, wire):
        yield wire


async def _smtp_dialogue(
    wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(b"220 relay.example ESMTP\r\n")
    while True:
        line = await reader.readuntil(b"\r\n")
        verb = line[:4].upper()
        if verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        if verb == b"RCPT" and wire.fault is Fault.REFUSED:
            wire.took(line)
            writer.write(b"550 5.1.1 no such user\r\n")
        elif verb == b"RCPT" and wire.fault is Fault.THROTTLED:
            wire.took(line)
            writer.write(b"451 4.7.1 slow down\r\n")
        elif verb == b"DATA":
            writer.write(b"354 go on\r\n")
            wire.took(await reader.readuntil(b"\r\n.\r\n"))
            if wire.fault is Fault.LOST:
                return
            if wire.fault is Fault.SILENT:
                await reader.read()
                return
            writer.write(
                {
                    Fault.GARBAGE: b"banana\r\n",
                    Fault.FAILED: b"421 4.3.0 going down\r\n",
                }.get(wire.fault, b"250 2.0.0 queued\r\n")
            )
        elif verb == b"EHLO":
            writer.write(b"250-relay.example\r\n250 SIZE 10000000\r\n")
        else:
            writer.write(b"250 2.1.0 ok\r\n")
        await writer.drain()


Take = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _listening(take: Take, wire: Wire) -> AsyncIterator[None]:
    """Listen on a free port; at the end nothing of it is left over."""
    open_ones: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones[task] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await take(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        del open_ones[task]

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LINE_BYTES)
    wire.port = listener.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listener.close()
        for writer in open_ones.values():
            writer.transport.abort()
        await asyncio.gather(*open_ones)


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
