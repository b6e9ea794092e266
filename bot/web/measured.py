"""Counts and times every answer by its route's template; never by the path as it was asked for."""

import functools
import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.telemetry.metrics import Metrics

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Measured:
    """An application whose answers are counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[str]) -> None:
        self._app = app
        # Finding a counter by its labels costs as much as counting: each is looked up once.
        self._count = functools.cache(metrics.requests.labels)
        self._time = functools.cache(metrics.request_seconds.labels)
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count what was answered; one that was cut off counts as 499."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 499
        begun = time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            route = self._template(scope["path"])
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._count(method, route, str(status)).inc()
            self._time(route).observe(time.perf_counter() - begun)

    def _template(self, path: str) -> str:
        for route in self._routes:
            if path == route or path.startswith(f"{route}/"):
                return route
        return "other"
