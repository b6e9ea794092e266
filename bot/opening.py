"""Opens the database, and tells a database that hangs from a loop that does.

A server may be away for as long as it likes: callbacks are spooled meanwhile. What no waiting mends
is told at once.
"""

import asyncio
import logging

from bot.liveness import Heartbeats
from bot.store.engine import Store, StoreAwayError, StoreError
from bot.store.migrate import migrate, needs_migration

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
STALLED_S = 3.0
"""A transaction that takes longer makes us ask whether the server answers at all."""
_LOOK_S = 0.5


async def open_store(store: Store, url: str) -> None:
    """Return once the database is open: a server's as soon as it answers, a file's now or never.

    Raises:
        StoreError: it cannot be used, or wants `paybot migrate` first.
    """
    is_told = False
    while True:
        try:
            await asyncio.to_thread(_open, store, url)
        except StoreAwayError as error:
            if not is_told:
                _log.error("no database yet, callbacks are spooled: %s", error)
            is_told = True
            await asyncio.sleep(_RETRY_S)
        else:
            if is_told:
                _log.warning("the database is there now")
            return


def _open(store: Store, url: str) -> None:
    if store.is_sqlite:
        migrate(url)
    elif needs_migration(store.engine):
        raise StoreError("the database is older than this program; run `paybot migrate`")
    store.open()


async def excuse_waiting(store: Store, beats: Heartbeats) -> None:
    """Excuse the loops while the server does not answer; never ends by itself.

    To end a process that waits would leave callbacks without a door, and change nothing.
    """
    while True:
        await asyncio.sleep(_LOOK_S)
        if store.is_stalled(STALLED_S) and not await asyncio.to_thread(store.answers):
            beats.excuse()
