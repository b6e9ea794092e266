"""Turns facts received into decisions.

Claims inbox items, has them read, and gives each to its handler in one transaction with the mark
that it is done. Never talks to a provider.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.coordination import Coordination
from bot.domain.payment import Alert
from bot.handlers import chat, delivery, facts
from bot.handlers.facts import Report
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import inbox
from bot.store.engine import Store, Tx
from bot.store.inbox import InboxItem, Source
from bot.telemetry.metrics import Metrics
from channels.base import DeliveryReport, InboundEvent, InboundMessage, ReachChange
from channels.errors import MalformedError

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_BATCH = 64
_POLL_S = 1.0
MAX_ATTEMPTS = 5
_FAILURE_WAITS = tuple(timedelta(seconds=2.0**attempt) for attempt in range(1, MAX_ATTEMPTS))
_REPORT_WAITS = tuple(timedelta(seconds=each) for each in (0.25, 1, 4, 10))
"""A report may come before the answer it is about; most of those answers come a moment later."""

CHAT_RATE_PER_S = 19 / 60
"""How much one chat may write: about twenty messages a minute, as a whole number of them."""
_TOLD_RATE_PER_S = 1 / 60


@dataclass(frozen=True, slots=True)
class Flood:
    """A message over what a customer may write; only the first of a minute is answered."""

    message: InboundMessage
    is_first: bool


Event: TypeAlias = Report | InboundEvent | Flood
Reader = Callable[[InboxItem], Sequence[Event]]
"""Reads an item's bytes into events; raises `MalformedError` where they are not what they claim."""


class NotYetError(Exception):
    """What this event is about is not known yet."""


class Intake:
    """One loop over the inbox."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        coordination: Coordination,
        *,
        readers: Mapping[Source, Reader],
        new_token: Callable[[], str],
        clock: Callable[[], datetime],
        metrics: Metrics,
        beat: Callable[[str], None] = lambda name: None,
        poll_s: float | None = None,
    ) -> None:
        """Prepare; `run` does the work. `readers` has one entry for every source that is on."""
        self._store = store
        self._rules = rules
        self._coordination = coordination
        self._readers = readers
        self._new_token = new_token
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._poll_s = _POLL_S if poll_s is None else poll_s
        self._is_idle = False
        self._is_stopping = False

    def stop(self) -> None:
        """Claim nothing more."""
        self._is_stopping = True
        self._coordination.wake(inbox.TOPIC)

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._is_stopping:
            self._beat("intake")
            try:
                wait_s = await self._take_some()
            except Exception:
                _log.exception("cannot claim from the inbox")
                wait_s = _POLL_S
            if wait_s > 0:
                await self._coordination.wait(inbox.TOPIC, wait_s)

    async def _take_some(self) -> float:
        if self._is_idle:
            # A look writes nothing: where nothing was found, it is cheaper than another claim.
            due_at = await self._store.transact(inbox.next_due, is_single=True)
            if due_at is None or due_at > self._clock():
                return self._until(due_at)
        token = self._new_token()
        items = await self._store.transact(
            lambda tx: inbox.claim(tx, limit=_BATCH, lease=LEASE, token=token)
        )
        await asyncio.gather(*(self._handle(item) for item in items))
        self._is_idle = not items
        return 0.0

    def _until(self, due_at: datetime | None) -> float:
        if due_at is None:
            return self._poll_s
        return min(max((due_at - self._clock()).total_seconds(), 0.0), self._poll_s)

    async def _handle(self, item: InboxItem) -> None:
        try:
            events = [await self._rationed(item, event) for event in self._read(item)]
            verdicts = await self._store.transact(lambda tx: self._apply(tx, item, events))
        except MalformedError as error:
            await self._hold(item, str(error))
        except NotYetError as error:
            await self._later(item, str(error), give_up_as="done", waits=_REPORT_WAITS)
        except Exception as error:
            _log.exception("inbox item %d failed", item.id)
            await self._later(item, type(error).__name__, give_up_as="dead", waits=_FAILURE_WAITS)
        else:
            lag_s = (self._clock() - item.received_at).total_seconds()
            self._metrics.handling_seconds.labels(item.source.value).observe(max(lag_s, 0.0))
            for verdict in verdicts:
                self._metrics.events.labels(item.source.value, verdict).inc()

    def _read(self, item: InboxItem) -> Sequence[Event]:
        reader = self._readers.get(item.source)
        if reader is None:
            raise MalformedError(f"{item.source.value} is off, so nothing can read it")
        return reader(item)

    async def _rationed(self, item: InboxItem, event: Event) -> Event:
        """The event, or a flood; who wants to hear no more is heard in any case."""
        if not isinstance(event, InboundMessage) or chat.is_stop(event):
            return event
        # By the minute of receipt, so that a time when nothing was handled makes no flood.
        minute = int(item.received_at.timestamp() // 60)
        who = hashlib.sha256(f"{event.sender}".encode()).hexdigest()[:24]
        key = f"chat:{who}:{minute}"
        if await self._coordination.take(key, CHAT_RATE_PER_S, 1):
            return event
        return Flood(event, bool(await self._coordination.take(f"{key}:told", _TOLD_RATE_PER_S, 1)))

    def _apply(self, tx: Tx, item: InboxItem, events: Sequence[Event]) -> list[str]:
        if not inbox.finish(tx, item):
            return ["taken by another worker"]
        return [self._apply_one(tx, item, event) for event in events]

    def _apply_one(self, tx: Tx, item: InboxItem, event: Event) -> str:
        match event:
            case Report():
                return facts.on_payment_event(tx, self._rules, event)
            case DeliveryReport():
                if not delivery.on_report(tx, self._rules, event):
                    raise NotYetError("no message is known under this provider id")
                return event.state.value
            case InboundMessage():
                chat.on_message(
                    tx, self._rules, event, inbox_id=item.id, received_at=item.received_at
                )
                return "message"
            case Flood():
                chat.on_flood(
                    tx,
                    self._rules,
                    event.message,
                    inbox_id=item.id,
                    received_at=item.received_at,
                    is_first=event.is_first,
                )
                return "flood"
            case ReachChange():
                chat.on_reach(tx, event)
                return "reach"

    async def _hold(self, item: InboxItem, reason: str) -> None:
        """Keep what cannot be read; an unreadable payment callback is shown to a person."""

        def work(tx: Tx) -> None:
            inbox.finish(tx, item, status="held", error=reason)
            if item.source is Source.MIGO:
                alarm(
                    tx,
                    self._rules,
                    Alert.UNREADABLE,
                    key=str(item.id),
                    detail=f"the authentic callback {item.id} cannot be read: {reason}",
                    inbox_id=item.id,
                )

        await self._store.transact(work)
        self._metrics.events.labels(item.source.value, "held").inc()

    async def _later(
        self, item: InboxItem, reason: str, *, give_up_as: str, waits: Sequence[timedelta]
    ) -> None:
        def work(tx: Tx) -> None:
            if item.attempts <= len(waits):
                inbox.postpone(tx, item, delay=waits[item.attempts - 1], error=reason)
                return
            inbox.finish(tx, item, status=give_up_as, error=reason)
            if give_up_as == "dead":
                alarm(
                    tx,
                    self._rules,
                    Alert.UNREADABLE,
                    key=str(item.id),
                    detail=f"handling failed {item.attempts} times: {reason}",
                    inbox_id=item.id,
                )

        await self._store.transact(work)
