"""Carries the providers' webhooks to the service under test.

Takes finished requests, lets ordered faults happen to them, posts them with httpx in the
background and keeps what was sent and answered. It signs nothing and repeats nothing by itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Final

import httpx

from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.journal import Journal

# httpx searches its pool in linear time: more connections make it slower, not faster.
MAX_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request a provider makes; `url` is the one the provider was told."""

    provider: str
    operation: str
    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """How one request ended: `status` is 0 when nobody answered, `error` then says why."""

    webhook: Webhook
    status: int
    elapsed_s: float
    body: str = ""
    error: str = ""
    retry_after: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the service answered with 2xx."""
        return 200 <= self.status < 300


class Postman:
    """Posts webhooks; `sent` keeps the latest, oldest first."""

    def __init__(self, faults: Faults, journal: Journal, *, timeout_s: float, keep: int) -> None:
        self._faults = faults
        self._journal = journal
        self._timeout_s = timeout_s
        self._transport: httpx.AsyncBaseTransport | None = None
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks: set[asyncio.Task[object]] = set()
        self._held: dict[tuple[str, str], list[Webhook]] = {}
        self.service_url = ""
        self.public_url = ""
        self.sent: deque[Posted] = deque(maxlen=keep)

    def point_at(
        self, service_url: str, public_url: str, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        """Choose where requests go; `public_url` is the service's address as providers know it."""
        self.service_url = service_url.rstrip("/")
        self.public_url = public_url.rstrip("/")
        self._transport = transport
        self._client = None

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Run `work` in the background; `settled` waits for it."""
        task: asyncio.Task[object] = asyncio.create_task(work)
        # The loop keeps only weak references to tasks; without this one they may vanish midway.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def held(self) -> int:
        """How many webhooks `reorder` holds back."""
        return sum(len(several) for several in self._held.values())

    async def settled(self) -> None:
        """Wait until nothing is under way. Requests held back by `reorder` stay held."""
        # A webhook's answer can cause the next one, so one pass is not enough.
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def send(self, webhook: Webhook) -> Posted | None:
        """Post one webhook as the oldest fitting fault wants it; None if nothing went out."""
        fault = self._faults.take(webhook.provider, webhook.operation)
        if fault is None:
            return await self._post_then_held(webhook)
        self._journal.note(webhook.provider, f"{webhook.label}: {fault.kind}", is_bad=True)
        return await self._suffer(webhook, fault)

    async def _suffer(self, webhook: Webhook, fault: Fault) -> Posted | None:
        match fault.kind:
            case FaultKind.NEVER:
                return None
            case FaultKind.REORDER:
                self._held.setdefault((webhook.provider, webhook.operation), []).append(webhook)
                self._journal.touch()
                return None
            case FaultKind.DELAY:
                await asyncio.sleep(fault.number("seconds", 2.0))
            case FaultKind.DUPLICATE:
                for _ in range(int(fault.number("copies", 2)) - 1):
                    await self.post(webhook)
            case FaultKind.GARBAGE:
                webhook = Webhook(
                    webhook.provider,
                    webhook.operation,
                    webhook.url,
                    b"\x00garbage{",
                    webhook.headers,
                    webhook.label,
                )
            case _:
                pass
        return await self._post_then_held(webhook)

    async def _post_then_held(self, webhook: Webhook) -> Posted:
        posted = await self.post(webhook)
        # Exactly the next of its kind overtakes; a third one finds nothing held any more.
        for held in self._held.pop((webhook.provider, webhook.operation), ()):
            await self.post(held)
        return posted

    async def release(self) -> None:
        """Post everything that `reorder` holds back."""
        held, self._held = self._held, {}
        for webhook in (one for several in held.values() for one in several):
            await self.post(webhook)

    async def post(self, webhook: Webhook) -> Posted:
        """Make one request. Never raises: a failure is a `Posted` without status."""
        async with self._places:
            posted = await self._exchange(webhook)
        self.sent.append(posted)
        answer = posted.error or str(posted.status)
        self._journal.note(
            webhook.provider, f"{webhook.label} → {answer}", is_bad=not posted.is_taken
        )
        return posted

    async def _exchange(self, webhook: Webhook) -> Posted:
        url = self._local(webhook.url)
        started = time.perf_counter()
        if not url:
            return Posted(webhook, 0, 0.0, error="no service to call")
        try:
            response = await self._http().post(url, content=webhook.body, headers=webhook.headers)
        except httpx.HTTPError as error:
            return Posted(webhook, 0, time.perf_counter() - started, error=type(error).__name__)
        return Posted(
            webhook,
            response.status_code,
            time.perf_counter() - started,
            body=response.text[:2000],
            retry_after=response.headers.get("retry-after", ""),
        )

    def _local(self, url: str) -> str:
        """Translate a public address of the service into the one it listens at."""
        if self.public_url and url.startswith(self.public_url + "/"):
            return self.service_url + url[len(self.public_url) :]
        return url if url.startswith(("http://", "https://")) else ""

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=self._timeout_s,
                # A proxy from the environment would carry loopback traffic away.
                trust_env=False,
                limits=httpx.Limits(max_connections=MAX_AT_ONCE),
            )
        return self._client

    async def aclose(self) -> None:
        """Stop what is under way and release connections."""
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._held.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None
