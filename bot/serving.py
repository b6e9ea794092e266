"""One HTTP server of this process: its limits, its socket, and no signal handling of its own."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from bot.web.edges import KEEP_ALIVE_S, Edges

_BACKLOG = 2048
_STOP_WITHIN_S = 10


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: one process, one place that decides to stop."""

    def __init__(self, app: ASGIApp, edges: Edges, *, host: str, port: int) -> None:
        """Take the port.

        Raises:
            OSError: it is taken.
        """
        config = uvicorn.Config(
            app,
            http=edges.protocol(),
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        super().__init__(config)
        self._listener = _listen(host, port)
        self.is_up = asyncio.Event()

    async def run_here(self) -> None:
        """Serve in this event loop until `should_exit`."""
        await self.serve(sockets=[self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when requests are taken."""
        await super().startup(sockets=sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
