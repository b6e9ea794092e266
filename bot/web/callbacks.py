"""Where payment callbacks go: into the inbox, or into the spool while the database is away.

What the spool has is brought to the inbox, oldest first, as soon as the database takes rows again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from bot.handlers.matching import Named
from bot.handlers.rules import Rules
from bot.handlers.suspicion import on_too_large, on_wrong_key
from bot.migo import AmountUnit, CallbackError, parse_callback
from bot.spool import Record, Spool, SpoolFullError
from bot.store.engine import Store, Tx
from bot.store.inbox import Received, Source

_log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long a commit may take before a callback is kept elsewhere; Migo may wait no longer."""
_LOOKS = 4
"""How often in that time it is looked at: patience ends by a quarter too early at most."""
_RETRY_S = 1.0
_ADOPT_S = 15.0
_BATCH = 64
_GIVE_UP_S = 10.0
_URL_CHARS = 2000


class Inbox(Protocol):
    """What takes callbacks while the database is well."""

    def offer(self, item: Received) -> asyncio.Future[None]:
        """See `Door.offer`."""


class SlowError(Exception):
    """The database did not answer in time."""


class RefugeError(Exception):
    """Neither the database nor the spool takes it."""


class CallbackDoor:
    """Stores callbacks one way or the other.

    While the database is known to be away nothing is tried there but what `drain` brings: that
    it goes through is the news that the database is back.
    """

    def __init__(self, door: Inbox, spool: Spool) -> None:
        self._door = door
        self._spool = spool
        self._is_away = False
        self._watched = deque[list[asyncio.Future[None]]]([] for _ in range(_LOOKS))
        self._looker: asyncio.TimerHandle | None = None
        self._has_work = asyncio.Event()

    async def put(self, item: Received) -> None:
        """Return once `item` is durable.

        Raises:
            RefugeError: it is not, and nothing takes it.
        """
        if self._is_away:
            await self._keep(item)
            return
        stored = self._door.offer(item)
        self._watch(stored)
        try:
            await stored
        except Exception as error:  # noqa: BLE001 - whatever ails the database, the callback is kept
            self._go_away(error)
            await self._keep(item)

    def _watch(self, stored: asyncio.Future[None]) -> None:
        # One timer for all rather than one each: this is paid for by every callback.
        self._watched[-1].append(stored)
        if self._looker is None:
            self._look_later()

    def _look_later(self) -> None:
        self._looker = asyncio.get_running_loop().call_later(PATIENCE_S / _LOOKS, self._look)

    def _look(self) -> None:
        self._watched.append([])
        for stored in self._watched.popleft():
            if not stored.done():
                stored.set_exception(SlowError())
        self._looker = None
        if any(self._watched):
            self._look_later()

    def _go_away(self, error: Exception) -> None:
        if not self._is_away:
            _log.error("callbacks are spooled, no database: %s", type(error).__name__)
        self._is_away = True

    async def _keep(self, item: Received) -> None:
        try:
            await self._spool.put(header_of(item), item.body)
        except SpoolFullError as error:
            _log.critical("a payment callback is refused: no database, and the spool is full")
            raise RefugeError from error
        finally:
            self._has_work.set()

    async def drain(self) -> None:
        """Bring what is spooled into the inbox; never ends by itself."""
        if len(self._spool):
            self._has_work.set()
        while True:
            await self._has_work.wait()
            try:
                await self._drain_all()
            except Exception:  # noqa: BLE001 - the top of a loop, which must not end
                _log.exception("the spool cannot be emptied")
                self._has_work.set()
            if self._has_work.is_set():
                await asyncio.sleep(_RETRY_S)

    async def adopt(self) -> None:
        """Take over what other processes left as they ended; never ends by itself."""
        while True:
            await asyncio.sleep(_ADOPT_S)
            try:
                adopted = await self._spool.adopt()
            except OSError:
                _log.exception("a spool that was left behind cannot be read")
                continue
            if adopted:
                _log.warning("took over %d callbacks of a process that ended", adopted)
                self._has_work.set()

    async def _drain_all(self) -> None:
        """Work until nothing is left or the database refuses."""
        # One by one first: the database may be away, and one bad row must not hold up the others.
        limit = 1
        while True:
            self._has_work.clear()
            records = await self._spool.oldest(limit)
            if not records:
                self._come_back()
                return
            if await self._bring(records):
                self._come_back()
                limit = _BATCH
            elif limit == 1:
                self._spool.postpone(records)
                self._has_work.set()
                return
            else:
                limit = 1

    async def _bring(self, records: Sequence[Record]) -> bool:
        """Store records and forget them here; False if the database did not take them in time."""
        stored = [self._door.offer(_received_of(record)) for record in records]
        try:
            _, late = await asyncio.wait(stored, timeout=_GIVE_UP_S)
        finally:
            for future in stored:
                future.cancel()
        errors = [future.exception() for future in stored if not future.cancelled()]
        if late or any(errors):
            return False
        await self._spool.free(records)
        return True

    def _come_back(self) -> None:
        if self._is_away:
            _log.warning("the database takes callbacks again")
        self._is_away = False


class Suspicion:
    """Looks at what was refused; without a database, or in haste, not at all."""

    def __init__(self, store: Store, rules: Rules, unit: AmountUnit) -> None:
        """Keep what looking takes; `unit` is how amounts are written."""
        self._store = store
        self._rules = rules
        self._unit = unit

    async def look(self, body: bytes) -> None:
        """Keep what came without the right key and tell staff, if it names a payment of ours."""
        try:
            found = parse_callback(body, unit=self._unit)
        except CallbackError:
            return
        external_id = None if found.external_id is None else str(found.external_id)
        named = Named(found.uid, external_id, found.reference, found.money)
        await self._note(lambda tx: on_wrong_key(tx, self._rules, named, body))

    async def note_large(self, start: bytes) -> None:
        """Keep the start of what came with the right key and is too large, and tell staff."""
        await self._note(lambda tx: on_too_large(tx, self._rules, start))

    async def _note(self, work: Callable[[Tx], None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._store.transact(work)
        except Exception as error:  # noqa: BLE001 - the caller is refused in any case
            _log.error("a refused callback was not looked at: %s", type(error).__name__)


def header_of(item: Received) -> Mapping[str, object]:
    """What is kept beside the body of a spooled callback."""
    return {
        "source": item.source.value,
        "event_id": item.event_id,
        "url": item.url[:_URL_CHARS],
        "headers": dict(item.headers),
    }


def _received_of(record: Record) -> Received:
    header = record.header
    headers = header["headers"]
    return Received(
        Source(str(header["source"])),
        None if header["event_id"] is None else str(header["event_id"]),
        str(header["url"]),
        dict(headers) if isinstance(headers, dict) else {},
        record.body,
        datetime.fromtimestamp(record.at, UTC),
    )
