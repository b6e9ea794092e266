"""A load client of few instructions: precomputed requests over kept connections."""

import asyncio
import time
from collections.abc import Iterator, Sequence


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


async def _client(port: int, requests: Iterator[bytes], statuses: dict[int, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lowered = head.lower()
        start = lowered.find(b"content-length:")
        if start >= 0:
            length = int(lowered[start + 15 : lowered.index(b"\r\n", start)])
            if length:
                await reader.readexactly(length)
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()


async def fire(port: int, requests: Sequence[bytes], *, at_once: int) -> float:
    """Send all requests over `at_once` connections; give requests a second.

    Raises:
        RuntimeError: an answer was not 2xx.
    """
    statuses: dict[int, int] = {}
    shared = iter(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_client(port, shared, statuses) for _ in range(at_once)))
    took = time.perf_counter() - started
    if any(not 200 <= status < 300 for status in statuses):
        raise RuntimeError(f"not every answer was 2xx: {statuses}")
    return len(requests) / took
