"""Serves the emulators on a loopback port, inside the caller's event loop."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.sandbox.wire import ABORT


class _Protocol(HttpToolsProtocol):
    """Lets the application close the connection under a request."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}


class _Server(uvicorn.Server):
    """Leaves signals to the program around it and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpServer:
    """One ASGI application on one port."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            # Nothing here is a WebSocket, and looking for a library costs start-up time.
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # A browser left open holds its event stream; it must not hold the shutdown.
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses when `port` is 0.

        Raises:
            OSError: the port is taken.
        """
        # Bound here and not by uvicorn, which ends the whole process when a port is taken.
        listener = socket.create_server((host, port), backlog=2048)
        listener.setblocking(False)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.ready.wait()
        chosen: int = listener.getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Finish the open requests and close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
