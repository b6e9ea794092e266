"""The composition root: builds every object once, runs the roles, and stops them in order."""

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot import wiring
from bot.coordination import open_coordination
from bot.dispatcher import Dispatcher
from bot.domain.cards import hide_cards
from bot.handlers import menus, outgoing, received
from bot.intake import Intake
from bot.liveness import LATE_S, Heartbeats, Watchdog
from bot.memory import spare_what_stays
from bot.migo import MigoClient
from bot.opening import excuse_waiting, open_store
from bot.relay import Relay
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.store import inbox, outbox
from bot.store.engine import Store, Tx
from bot.store.inbox import Received, Source
from bot.telemetry.metrics import Metrics
from channels.base import ChannelName, RawRequest
from channels.errors import ChannelError
from channels.outcome import new_client
from channels.registry import build_channels

if TYPE_CHECKING:
    from bot.web_role import WebRole

_log = logging.getLogger(__name__)

STOP_WITHIN_S = 20.0
_MIGO_TIMEOUT_S = 35.0
_SEND_TIMEOUT_S = 30.0
_WEBHOOK_RETRY_S = 60.0
_PULSE_S = 1.0
_POLL_WHEN_HEARD_S = 10.0
_FIRST_LOOK_S = 5.0
"""How long a start waits for a database server before it goes on without."""


class Role(StrEnum):
    """What one process may do; all of them by default."""

    WEB = "web"
    """Takes callbacks and answers `/v1`."""
    WORKER = "worker"
    """Handles what came in and sends what is owed."""
    SCHEDULER = "scheduler"
    """Sweeps and reminds."""


ALL_ROLES = frozenset(Role)


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class Application:
    """One process of the service: start it, wait for it, stop it."""

    def __init__(
        self,
        settings: Settings,
        *,
        roles: Iterable[Role] = ALL_ROLES,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Build what needs no connection; to be done in a running event loop.

        Args:
            settings: everything the service is told.
            roles: what this process does.
            clock: gives the aware present time; the sandbox moves it.
        """
        self._settings = settings
        self._roles = frozenset(roles)
        self._clock = clock
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        redis_url = settings.coordination.url
        self._coordination = open_coordination(
            None if redis_url is None else redis_url.get_secret_value(),
            process=self._name,
            prefix=settings.coordination.prefix,
        )
        self.store = Store(
            settings.store.url.get_secret_value(), clock=clock, on_wake=self._coordination.wake
        )
        self._http = new_client(timeout_s=_SEND_TIMEOUT_S, keep_alive=True)
        self._migo_http = new_client(timeout_s=_MIGO_TIMEOUT_S, keep_alive=False)
        self._channels = build_channels(
            wiring.channels_config(settings), clock=clock, client=self._http
        )
        self.rules = wiring.rules(settings, self._channels)
        self._tokens: tuple[str, ...] = ()
        self._metrics = Metrics()
        self._metrics.coordination_up.set_function(lambda: self._coordination.is_up)
        self.beats = Heartbeats(self._metrics)
        self._tasks: list[asyncio.Task[None]] = []
        self._rising: asyncio.Task[None] | None = None
        self._web: WebRole | None = None
        self._scheduler: Scheduler | None = None
        self._stops: list[Callable[[], None]] = []

    @property
    def base_url(self) -> str:
        """Where the web role answers."""
        return f"http://{self._settings.web.host}:{self._settings.web.port}"

    @property
    def tokens(self) -> tuple[str, ...]:
        """The bearer tokens that `/v1` takes; known once started."""
        return self._tokens

    @property
    def web(self) -> "WebRole | None":
        """What answers requests, where something does; known once started."""
        return self._web

    async def start(self) -> None:
        """Open the database, take up what a dead process left, and start the roles.

        Where a server has the database, callbacks are taken before it is asked, and what needs it
        is started as soon as it answers, if need be after this returns.

        Raises:
            StoreError: the database cannot be used, or wants `paybot migrate` first.
            SpoolError: there is no place to keep callbacks without it.
            OSError: the port is taken.
        """
        if self.store.is_sqlite:
            await self._open_store()
            # One process holds the file, so that every claim found in it is a dead one's.
            await self.store.transact(self._take_over)
        given = tuple(token.get_secret_value() for token in self._settings.web.api_tokens)
        self._tokens = given or (_own_token(self._settings.store.token_path),)
        self._spawn("coordination", self._coordination.run())
        self._spawn("event loop", self._pulse())
        await self._start_web()
        self._rising = asyncio.create_task(self._start_rest(), name="start")
        await asyncio.wait({self._rising}, timeout=None if self.store.is_sqlite else _FIRST_LOOK_S)
        if self._rising.done():
            self._rising.result()

    async def _open_store(self) -> None:
        await open_store(self.store, self._settings.store.url.get_secret_value())

    async def _start_rest(self) -> None:
        """Start what cannot do without a database, once it is open."""
        if not self.store.is_sqlite:
            await self._open_store()
            self._spawn("database", excuse_waiting(self.store, self.beats))
        if Role.WORKER in self._roles:
            await self.store.transact(lambda tx: menus.owe_customer_menus(tx, self.rules))
            self._start_worker()
        if Role.SCHEDULER in self._roles:
            self._scheduler = Scheduler(self.store, self.rules, beat=self.beats.beat)
            self._scheduler.start()
            self._stops.append(self._scheduler.stop)
        self._start_telegram()

    def _take_over(self, tx: Tx) -> None:
        received.give_back_lapsed(tx, self.rules, all_claims=True)
        while outgoing.give_back_lapsed(tx, self.rules, all_claims=True):
            continue

    def _poll_s(self) -> float | None:
        """How long loops may wait for a wake-up: long where each is sure to be heard."""
        is_heard = self.store.is_sqlite or self._settings.coordination.url is not None
        return _POLL_WHEN_HEARD_S if is_heard else None

    def _start_worker(self) -> None:
        intake = Intake(
            self.store,
            self.rules,
            self._coordination,
            readers=wiring.readers(self._settings, self._channels),
            new_token=new_token,
            clock=self._clock,
            metrics=self._metrics,
            beat=self.beats.beat,
            poll_s=self._poll_s(),
        )
        relay = Relay(
            self.store,
            self.rules,
            self._dispatcher(),
            self._coordination,
            rates=self._settings.sending.rates,
            customer_rates=self._settings.sending.customer_rates,
            worker=self._name,
            new_token=new_token,
            clock=self._clock,
            metrics=self._metrics,
            beat=self.beats.beat,
            poll_s=self._poll_s(),
        )
        self._stops += [intake.stop, relay.stop]
        self._spawn("intake", intake.run())
        self._spawn("relay", relay.run())

    def _dispatcher(self) -> Dispatcher:
        return Dispatcher(
            channels=self._channels,
            migo=MigoClient(self._migo_http, config=wiring.migo_config(self._settings)),
            composer=wiring.composer(self._settings),
            sending=wiring.sending(self._settings),
            clock=self._clock,
            locale=self._settings.merchant.locale,
            check_file=wiring.file_checker(self.rules, self._clock),
        )

    async def _start_web(self) -> None:
        """Answer requests, if only for this process's health."""
        health_port = self._settings.web.metrics_port
        if Role.WEB not in self._roles and health_port is None:
            return
        from bot.web_role import Parts, WebRole

        parts = Parts(
            settings=self._settings,
            store=self.store,
            rules=self.rules,
            channels=self._channels,
            tokens=self._tokens,
            metrics=self._metrics,
            clock=self._clock,
            is_ready=self._is_ready,
            spawn=self._spawn,
        )
        self._web = WebRole(parts)
        if Role.WEB in self._roles:
            await self._web.open()
        elif health_port is not None:
            await self._web.open_health(health_port)

    def _start_telegram(self) -> None:
        telegram = self._channels.get(ChannelName.TELEGRAM)
        if telegram is None or not isinstance(telegram, wiring.TelegramSource):
            return
        if Role.WORKER not in self._roles:
            return
        if self._settings.telegram.webhook_secret is not None:
            url = f"{self._settings.web.public_url}/webhooks/telegram"
            self._spawn("telegram", _keep_webhook(telegram, url))
        else:
            self._spawn("telegram", telegram.poll(partial(self._store_updates, telegram)))

    async def _store_updates(
        self, telegram: wiring.TelegramSource, updates: Sequence[RawRequest]
    ) -> None:
        """Store polled updates; Telegram is told only afterwards that we have them."""
        received = [
            Received(
                Source.TELEGRAM,
                wiring.update_id(each),
                each.url,
                {},
                telegram.cover(each, hide_cards),
            )
            for each in updates
        ]
        await self.store.transact(lambda tx: inbox.record(tx, received))

    async def _is_ready(self) -> bool:
        try:
            async with asyncio.timeout(2):
                await self.store.transact(inbox.next_due)
        except Exception as error:  # noqa: BLE001 - whatever it is, the database is not there
            _log.warning("not ready: %s", type(error).__name__)
            return False
        late = self.beats.late(LATE_S)
        if late:
            _log.warning("not ready: %s is late", ", ".join(late))
        is_up = self._rising is None or self._rising.done()
        return is_up and not late and all(not task.done() for task in self._tasks)

    async def _pulse(self) -> None:
        """Beat for the event loop itself; every role has one."""
        while True:
            self.beats.beat("event loop")
            await asyncio.sleep(_PULSE_S)

    def _spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def look_again(self) -> None:
        """Have every loop look at what is due, as after the clock was moved."""
        for topic in (inbox.TOPIC, *map(outbox.topic, outbox.LANES)):
            self._coordination.wake(topic)
        if self._scheduler is not None:
            self._scheduler.sweep_now()

    async def wait(self) -> None:
        """Return when a role ends by itself, which none should.

        Raises:
            Exception: what ended it.
        """
        if self._rising is not None and not self._rising.done():
            # What it starts is to be waited for as well.
            waited = [self._rising, *self._tasks]
            ended, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            if self._rising not in ended:
                return
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def stop(self) -> None:
        """Take nothing new, finish what is under way, and close; 20 s at most."""
        self.beats.end()
        if self._rising is not None:
            self._rising.cancel()
            await asyncio.gather(self._rising, return_exceptions=True)
        for stop in self._stops:
            stop()
        if self._web is not None:
            self._web.stop()
        finishing = [
            task for task in self._tasks if task.get_name() in ("web", "health", "intake", "relay")
        ]
        if finishing:
            await asyncio.wait(finishing, timeout=STOP_WITHIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._scheduler is not None:
            await self._scheduler.aclose()
        for channel in self._channels.values():
            await channel.aclose()
        await self._http.aclose()
        await self._migo_http.aclose()
        await self._coordination.aclose()
        await self.store.close()
        if self._web is not None:
            await self._web.aclose()


async def _keep_webhook(telegram: wiring.TelegramSource, url: str) -> None:
    """Have Telegram call us, however often that has to be asked; never ends by itself."""
    wait_s = 1.0
    while True:
        try:
            await telegram.set_webhook(url)
        except ChannelError as error:
            _log.warning("Telegram does not call us yet: %s", error)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _WEBHOOK_RETRY_S)
        else:
            await asyncio.Event().wait()


def new_token() -> str:
    """A fresh random token for a claim."""
    return secrets.token_hex(12)


def _own_token(path: Path) -> str:
    """The `/v1` token beside the database, made at the first start, readable by its owner only."""
    if path.exists():
        return path.read_text("utf-8").strip()
    token = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    path.write_text(token + "\n", "utf-8")
    return token


async def serve(settings: Settings, roles: frozenset[Role]) -> None:
    """Run until SIGTERM or SIGINT, or until a role fails.

    Raises:
        StoreError: the database cannot be used.
        OSError: the port is taken.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    application = Application(settings, roles=roles)
    watchdog = Watchdog(application.beats)
    try:
        await application.start()
        watchdog.start()
        _log.info("paybot is up at %s as %s", application.base_url, ",".join(sorted(roles)))
        if application.web is not None:
            await application.web.whole()
        spare_what_stays()
        waits = [
            asyncio.create_task(stopping.wait()),
            asyncio.create_task(application.wait()),
        ]
        ended, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in ended:
            task.result()
    finally:
        await application.stop()
        watchdog.stop()
