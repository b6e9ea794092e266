"""Fetches updates by long polling and confirms them only once they are kept. Needs no aiogram."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from channels.base import RawRequest
from channels.errors import ChannelError, RejectedError, UncertainError
from channels.outcome import HttpClient, error_for, exchange, read_capped

_log = logging.getLogger(__name__)

ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")
"""The kinds that are read; Telegram keeps the others to itself."""

_WAIT_S: Final = 25
_DEADLINE_S: Final = 60.0
_MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_BACKOFF_S: Final = 30.0

Store = Callable[[Sequence[RawRequest]], Awaitable[None]]


class Poller:
    """Polls for one bot."""

    def __init__(self, http: HttpClient, bot_url: str, *, first_backoff_s: float = 1.0) -> None:
        """Take the API's URL with the token in it, and how long to wait after a first failure."""
        self._http = http
        self._bot_url = bot_url
        self._first_backoff_s = first_backoff_s

    async def run(self, store: Store) -> None:
        """Poll until cancelled; whatever fails is tried again, after 1 s doubling to 30 s.

        Source: Telegram Bot API, getUpdates: an update counts as received once a later call asks
        for a higher offset; there are no updates while a webhook is set.
        """
        offset, backoff_s, has_webhook = 0, self._first_backoff_s, True
        while True:
            try:
                if has_webhook:
                    await self._call("deleteWebhook")
                    has_webhook = False
                updates = _updates(await self._fetch(offset))
                if updates:
                    await store([_raw(update) for update in updates])
                    offset = max(update["update_id"] for update in updates) + 1
                backoff_s = self._first_backoff_s
            except Exception as error:  # noqa: BLE001 - the updates wait at Telegram meanwhile
                has_webhook = isinstance(error, RejectedError) and error.code == "409"
                _log.warning("polling Telegram failed: %s", _reason(error))
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)

    async def _fetch(self, offset: int) -> object:
        wanted = {"timeout": str(_WAIT_S), "allowed_updates": json.dumps(ALLOWED_UPDATES)}
        # Without an offset the oldest unconfirmed one comes first; ids may begin anywhere.
        return await self._call("getUpdates", wanted | ({"offset": str(offset)} if offset else {}))

    async def _call(self, method: str, fields: Mapping[str, str] | None = None) -> object:
        """Call a method and return its result.

        Raises:
            NotSentError, RejectedError, UncertainError: there is none.
        """
        try:
            async with asyncio.timeout(_DEADLINE_S):
                with exchange():
                    async with self._http.stream(
                        "POST",
                        f"{self._bot_url}/{method}",
                        data=dict(fields or {}),
                        timeout=_WAIT_S + 10,
                    ) as response:
                        content = await read_capped(response, _MAX_BYTES)
        except TimeoutError:
            raise UncertainError("Telegram did not answer in time") from None
        error = error_for(response.status_code, response.headers)
        if error is not None:
            raise error
        try:
            return json.loads(content)["result"]
        except (ValueError, RecursionError, TypeError, KeyError):
            raise UncertainError("Telegram's answer cannot be read") from None


def _updates(result: object) -> list[dict[str, Any]]:
    """The updates in a result; one without a number cannot be confirmed and is not taken."""
    if not isinstance(result, list):
        raise UncertainError("Telegram's answer has no updates")
    return [
        update
        for update in result
        if isinstance(update, dict) and type(update.get("update_id")) is int
    ]


def _raw(update: Mapping[str, Any]) -> RawRequest:
    """An update as the webhook would have brought it."""
    return RawRequest("", {}, json.dumps(update).encode("ascii"))


def _reason(error: Exception) -> str:
    """What may be logged: our own errors name no person and no token, others might."""
    return str(error) if isinstance(error, ChannelError) else type(error).__name__
