"""Brings in a part of the web role while the rest answers already.

Describing `/v1` to FastAPI takes a third of a start; callbacks need none of it.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class Late:
    """An application that is built in a thread; whoever asks for it meanwhile waits."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        """Begin to build, in the running event loop."""
        self._building = asyncio.ensure_future(asyncio.to_thread(build))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request once that is possible."""
        app = await self.built()
        await app(scope, receive, send)

    async def built(self) -> ASGIApp:
        """The application.

        Raises:
            Exception: it cannot be built, and why.
        """
        if not self._building.done():
            await asyncio.shield(self._building)
        return self._building.result()

    async def aclose(self) -> None:
        """Leave no thread at work."""
        await asyncio.wait({self._building})
