"""A provider that takes every message and answers after a fixed latency.

Prints its port, and at SIGTERM how many messages it was given.
"""

import asyncio
import itertools
import json
import signal
import socket
import subprocess
import sys
from typing import cast

import uvloop

_NUMBERS = itertools.count()
_TAKEN = itertools.count()


def _answer(number: int) -> bytes:
    body = json.dumps(
        {
            "sid": f"SM{number:032x}",
            "status": "queued",
            "error_code": None,
            "error_message": None,
            "num_segments": "1",
            "num_media": "0",
            "price": None,
            "price_unit": None,
            "direction": "outbound-api",
            "from": "+15005550006",
            "to": "+50255551234",
            "body": "",
            "messaging_service_sid": None,
            "account_sid": "AC" + "0" * 32,
            "api_version": "2010-04-01",
            "date_created": "Mon, 23 Nov 2026 12:00:00 +0000",
            "date_updated": "Mon, 23 Nov 2026 12:00:00 +0000",
            "date_sent": None,
            "uri": "/",
            "subresource_uris": {},
        }
    ).encode()
    head = f"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Provider(asyncio.Protocol):
    """One connection: reads requests by their length, answers each after the latency."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n")[0]) if start >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            next(_TAKEN)
            asyncio.get_running_loop().call_later(self._latency_s, self._reply)

    def _reply(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_answer(next(_NUMBERS)))


class Started:
    """A provider in a process of its own."""

    def __init__(self, latency_s: float) -> None:
        command = [sys.executable, "-m", "benchmarks.slow_provider", str(latency_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = self._told()

    def end(self) -> int:
        """End it; gives how many messages it was given."""
        self._process.terminate()
        self._process.wait(timeout=10)
        return self._told()

    def _told(self) -> int:
        if self._process.stdout is None:
            raise RuntimeError("no output to read from")
        return int(self._process.stdout.readline())


async def main(latency_s: float) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Provider(latency_s), sock=listener, backlog=1024)
    is_over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, is_over.set)
    print(listener.getsockname()[1], flush=True)
    await is_over.wait()
    print(next(_TAKEN), flush=True)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1])))
