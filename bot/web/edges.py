"""The server's own limits, which uvicorn has none of.

How long a request may take to arrive, how much may come beside its body, how many connections
there are.
"""

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.telemetry.metrics import Metrics
from bot.web.callers import Proxies

REQUEST_S = 10.0
"""From its first byte to its last, or from the connection to the first request."""
KEEP_ALIVE_S = 10
"""How long a connection may be idle between two requests."""
HEAD_BYTES = 32 * 1024
"""What may come beside bodies: a head, trailers, and what frames chunks."""
CONNECTIONS = 2048
CONNECTIONS_OF_ONE = 256
"""From one address, unless it is this machine or a proxy that speaks for many."""
_LOOK_S = 1.0


class HeadError(Exception):
    """The head of a request is too large."""


class Edges:
    """The connections of one server."""

    def __init__(
        self, metrics: Metrics, proxies: Proxies, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Keep what limits apply to.

        Args:
            metrics: what is cut off is counted there.
            proxies: addresses that speak for many.
            headers: go with every answer of the server's own.
        """
        self._metrics = metrics
        self._proxies = proxies
        self._open: set[GuardedProtocol] = set()
        self._of_one: Counter[str] = Counter()
        self._looker: asyncio.TimerHandle | None = None
        self._headers = b"".join(b"%s: %s\r\n" % header for header in headers)
        metrics.connections.set_function(lambda: len(self._open))

    def protocol(self) -> "type[GuardedProtocol]":
        """What uvicorn is to be given."""

        class Protocol(GuardedProtocol):
            edges = self

        return Protocol

    def admit(self, caller: "GuardedProtocol") -> bool:
        """Count a connection in; False if there are too many."""
        peer = caller.peer
        if len(self._open) >= CONNECTIONS:
            self._metrics.cut.labels("crowd").inc()
            return False
        if self._of_one[peer] >= CONNECTIONS_OF_ONE and not self._proxies.speaks_for_many(peer):
            self._metrics.cut.labels("crowd of one").inc()
            return False
        self._open.add(caller)
        self._of_one[peer] += 1
        if self._looker is None:
            self._looker = caller.loop.call_later(_LOOK_S, self._look, caller.loop)
        return True

    def release(self, caller: "GuardedProtocol") -> None:
        """Count a connection out."""
        if caller not in self._open:
            return
        self._open.remove(caller)
        self._of_one[caller.peer] -= 1
        if not self._of_one[caller.peer]:
            del self._of_one[caller.peer]

    def refuse(self, caller: "GuardedProtocol", status: HTTPStatus, reason: str) -> None:
        """Answer, unless an answer has begun, and hang up; nothing if that was done."""
        if caller.transport.is_closing():
            return
        self._metrics.cut.labels(reason).inc()
        if caller.cycle is None or not caller.cycle.response_started:
            caller.transport.write(self._answer(status))
        caller.transport.close()

    def _answer(self, status: HTTPStatus) -> bytes:
        line = b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())
        return line + self._headers + b"content-length: 0\r\nconnection: close\r\n\r\n"

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        # One timer for all: a timer a request would be paid for by every callback.
        latest = loop.time() - REQUEST_S
        for caller in [each for each in self._open if each.is_late(latest)]:
            self.refuse(caller, HTTPStatus.REQUEST_TIMEOUT, "slow")
        self._looker = loop.call_later(_LOOK_S, self._look, loop) if self._open else None


class GuardedProtocol(HttpToolsProtocol):
    """One connection that keeps to the limits."""

    edges: ClassVar[Edges]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or end it at once."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.peer = "" if self.client is None else self.client[0]
        self._reading_since: float | None = self.loop.time()
        self._is_in_head = True
        self._spare_bytes = 0
        if not self.edges.admit(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        self.edges.release(self)
        super().connection_lost(exc)

    def is_late(self, latest: float) -> bool:
        """Whether a request is still coming that began before `latest`."""
        since = self._reading_since
        return since is not None and since < latest

    def data_received(self, data: bytes) -> None:
        """Read on, unless too much beside the body has come by now."""
        if self._reading_since is None:
            self._reading_since = self.loop.time()
        self._spare_bytes += len(data)
        super().data_received(data)
        if self._spare_bytes > HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._reading_since = self._reading_since or self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on to the body, unless the head was too large."""
        self._is_in_head = False
        # What came so far may hold a part of the body too: only then it has to be counted.
        if self._spare_bytes > HEAD_BYTES and self._exact_head_bytes() > HEAD_BYTES:
            self._refuse_head()
            raise HeadError
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is dropped, for a proxy in front has not looked at it."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; it makes up for as many bytes that frame it."""
        self._spare_bytes = max(self._spare_bytes - 2 * len(body), 0)
        super().on_body(body)

    def _exact_head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_complete(self) -> None:
        """Note that the request is here."""
        super().on_message_complete()
        self._reading_since = None
        self._is_in_head = True
        self._spare_bytes = 0

    def send_400_response(self, msg: str) -> None:
        """Say no more than that it cannot be read."""
        self.edges.refuse(self, HTTPStatus.BAD_REQUEST, "malformed")

    def _refuse_head(self) -> None:
        self.edges.refuse(self, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head")
