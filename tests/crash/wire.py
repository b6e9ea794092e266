"""HTTP requests of few instructions, so that the load takes little from the loaded."""

import asyncio
import json
import time
from collections.abc import Mapping

_ANSWER_S = 20.0
_IDLE_S = 5.0
"""The server ends a connection that is idle for longer than twice that, which is no fault."""


def request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def status_of(port: int, path: str) -> int:
    """The status that a GET gets; 0 where nobody answers."""
    line = Line(port)
    try:
        return (await line.exchange(request("GET", path)))[0]
    finally:
        line.close()


class Line:
    """A kept connection to one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def exchange(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 where none came, and a short pause."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._exchange(data)
        except (OSError, EOFError, TimeoutError, ValueError):
            self.close()
            await asyncio.sleep(0.005)
            return 0, b""

    async def _exchange(self, data: bytes) -> tuple[int, bytes]:
        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        self._used_at = time.monotonic()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 : head.index(b"\r\n", start)]) if start >= 0 else 0
        return int(head[9:12]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def json_bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
