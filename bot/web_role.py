"""What answers requests in a process: every door, or its health alone.

Apart from `bot.app`, so that a worker and a scheduler bring in none of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.types import ASGIApp

from bot import wiring
from bot.figures import Figures
from bot.handlers.rules import Rules
from bot.migo import AmountUnit
from bot.serving import Server
from bot.settings import Settings
from bot.spool import Spool
from bot.store.engine import Store
from bot.store.inbox import Door
from bot.telemetry.metrics import Metrics
from bot.web.app import ROUTES, Health, build_health, build_web, security_headers
from bot.web.callbacks import CallbackDoor, Suspicion
from bot.web.callers import Proxies, Refusals
from bot.web.edges import Edges
from bot.web.late import Late
from bot.web.measured import Measured
from bot.web.webhooks import Doors
from channels.base import Channel, ChannelName


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application has built and the doors need."""

    settings: Settings
    store: Store
    rules: Rules
    channels: Mapping[ChannelName, Channel]
    tokens: tuple[str, ...]
    metrics: Metrics
    clock: Callable[[], datetime]
    is_ready: Callable[[], Awaitable[bool]]
    spawn: Callable[[str, Coroutine[object, object, None]], None]


class WebRole:
    """The server of one process and, where there are doors, the spool behind them."""

    def __init__(self, parts: Parts) -> None:
        """Build nothing yet; `open` or `open_health` does."""
        self._parts = parts
        self._proxies = Proxies(parts.settings.web.trusted_proxies)
        self._refusals = Refusals(parts.metrics, self._proxies)
        self._server: Server | None = None
        self._spool: Spool | None = None
        self._api: Late | None = None

    @property
    def app(self) -> ASGIApp:
        """What the server calls; known once open."""
        if self._server is None:
            raise RuntimeError("not open")
        app: ASGIApp = self._server.config.app  # type: ignore[assignment]
        return app

    async def open(self) -> None:
        """Take callbacks and answer `/v1`.

        Raises:
            SpoolError: there is no place to keep callbacks without a database.
            OSError: the port is taken.
        """
        parts, settings = self._parts, self._parts.settings
        door = Door(parts.store)
        unit = AmountUnit(settings.migo.amount_unit)
        callbacks = CallbackDoor(door, await self._open_spool())
        suspicion = Suspicion(parts.store, parts.rules, unit)
        doors = Doors(
            put=door.put,
            put_callback=callbacks.put,
            is_from_migo=wiring.callback_gate(settings).admits,
            public_url=settings.web.public_url,
            twilio=wiring.twilio_channel(parts.channels),
            telegram=wiring.telegram_webhook(settings, parts.channels),
            refusals=self._refusals,
            suspect=suspicion.look,
            note_large=suspicion.note_large,
        )
        self._api = Late(self._build_api)
        web = build_web(doors, self._api, self._health(), tokens=parts.tokens)
        await self._serve("web", web, port=settings.web.port)
        parts.spawn("api", self._keep_api(self._api))
        parts.spawn("spool", callbacks.drain())
        parts.spawn("adoption", callbacks.adopt())

    def _build_api(self) -> ASGIApp:
        from bot.web.api import build_api

        parts = self._parts
        return build_api(
            parts.store,
            parts.rules,
            tokens=parts.tokens,
            refusals=self._refusals,
            invite_links=wiring.invite_links(parts.settings, parts.channels),
        )

    async def _keep_api(self, api: Late) -> None:
        """End the process where `/v1` cannot be built; never ends by itself else."""
        await api.built()
        await asyncio.Event().wait()

    async def whole(self) -> None:
        """Return once nothing is left to be brought in."""
        if self._api is not None:
            await self._api.built()

    async def open_health(self, port: int) -> None:
        """Answer for a process that has no doors.

        Raises:
            OSError: the port is taken.
        """
        health = build_health(self._health(), self._refusals, tokens=self._parts.tokens)
        await self._serve("health", health, port=port)

    def stop(self) -> None:
        """Take no more requests; those under way are answered."""
        if self._server is not None:
            self._server.should_exit = True

    async def aclose(self) -> None:
        """Close what callbacks are kept in."""
        if self._api is not None:
            await self._api.aclose()
        if self._spool is not None:
            await self._spool.aclose()

    def _health(self) -> Health:
        parts = self._parts
        figures = Figures(parts.store, parts.metrics, parts.clock)
        return Health(is_ready=parts.is_ready, metrics=figures.render)

    async def _serve(self, name: str, app: ASGIApp, *, port: int) -> None:
        parts, web = self._parts, self._parts.settings.web
        self._server = Server(
            Measured(app, parts.metrics, ROUTES),
            Edges(parts.metrics, self._proxies, security_headers(web.public_url)),
            host=web.host,
            port=port,
        )
        parts.spawn(name, self._server.run_here())
        await self._server.is_up.wait()

    async def _open_spool(self) -> Spool:
        spool = Spool(self._parts.settings.store.spool_dir, clock=time.time)
        await asyncio.to_thread(spool.open)
        self._spool = spool
        self._parts.metrics.spool_items.set_function(lambda: len(spool))
        self._parts.metrics.spool_oldest_seconds.set_function(spool.oldest_s)
        return spool
