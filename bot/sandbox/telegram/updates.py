"""Updates on their way to the bot: by webhook with redelivery, or by long polling.

Source: Bot API "Getting updates"; the telegram-bot-api server for redelivery: a failed update
blocks later ones of the same chat, the pause doubles, and after 24 hours it is given up.
"""

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.sandbox.config import TelegramConfig
from bot.sandbox.telegram.chats import JsonObject
from bot.sandbox.telegram.failures import TelegramRefusalError
from bot.sandbox.webhooks import Posted, Postman, Webhook

_LIFETIME: Final = timedelta(hours=24)
_WEBHOOK_ACTIVE: Final = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
_OTHER_CONSUMER: Final = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


@dataclass(slots=True)
class Hook:
    """Where updates go; an empty `url` means long polling."""

    url: str = ""
    secret: str = ""
    allowed: tuple[str, ...] = ()
    last_error: str = ""
    last_error_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """One event; `chat_id` is the queue it waits in."""

    update_id: int
    chat_id: int
    kind: str
    body: JsonObject
    at: datetime


class Updates:
    """The updates not yet taken by the bot, oldest first."""

    def __init__(
        self, config: TelegramConfig, postman: Postman, now: Callable[[], datetime], keep: int
    ) -> None:
        self._config = config
        self._postman = postman
        self._now = now
        self._keep = keep
        # Never from 1: a client must not rely on the first number.
        self._ids = itertools.count(100_000_000 + secrets.randbelow(10**8))
        self._draining: set[int] = set()
        self._arrived = asyncio.Event()
        self._poll = 0
        self._is_closed = False
        self.pending: list[Update] = []
        self.hook = Hook()

    def push(self, chat_id: int, kind: str, payload: JsonObject) -> Update:
        """Queue an event and start its delivery."""
        update_id = next(self._ids)
        body: JsonObject = {"update_id": update_id, kind: payload}
        update = Update(update_id, chat_id, kind, body, self._now())
        if not self.hook.allowed or kind in self.hook.allowed:
            self.pending.append(update)
            del self.pending[: -self._keep]
        self._wake()
        return update

    def set_hook(self, hook: Hook) -> None:
        """Switch to a webhook, or to long polling when its url is empty."""
        self.hook = hook
        self._wake()

    def close(self) -> None:
        """End waiting polls and redelivery."""
        self._is_closed = True
        self._signal()

    def _signal(self) -> None:
        # A fresh event each time, never a cleared one: a waiter that has not begun to wait yet
        # would miss a signal set and cleared before its turn.
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def _wake(self) -> None:
        self._signal()
        if not self.hook.url:
            return
        for chat_id in {update.chat_id for update in self.pending} - self._draining:
            self._draining.add(chat_id)
            self._postman.start(self._drain(chat_id))

    async def get(
        self, offset: int, limit: int, timeout_s: float, allowed: tuple[str, ...] | None
    ) -> list[JsonObject]:
        """Answer a long poll; everything below `offset` is confirmed and forgotten.

        Raises:
            TelegramRefusalError: 409, a webhook is set or another poll came.
        """
        if self.hook.url:
            raise TelegramRefusalError(409, _WEBHOOK_ACTIVE)
        self._poll += 1
        mine = self._poll
        self._signal()
        if allowed is not None:
            self.hook.allowed = allowed
        self._confirm(offset)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not self.pending and not self._is_closed:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._wait(left):
                break
            # The newer poll wins, as with two running copies of a bot.
            if mine != self._poll:
                raise TelegramRefusalError(409, _OTHER_CONSUMER)
        return [update.body for update in self.pending[:limit]]

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            self.pending = self.pending[offset:]
        elif offset:
            self.pending = [update for update in self.pending if update.update_id >= offset]

    async def _wait(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _drain(self, chat_id: int) -> None:
        """Deliver the queue of one chat in order."""
        pause_s = self._config.retry_s
        try:
            while (update := self._head(chat_id)) and self.hook.url and not self._is_closed:
                posted = await self._postman.send(self._webhook(update))
                if posted is None or posted.is_taken or self._is_stale(update):
                    self._forget(update)
                    pause_s = self._config.retry_s
                    continue
                self._note_failure(posted)
                # The telegram-bot-api server honours Retry-After up to an hour.
                wait_s = float(posted.retry_after) if posted.retry_after.isdecimal() else pause_s
                await asyncio.sleep(min(wait_s, 3600.0))
                pause_s = min(pause_s * 2, self._config.retry_max_s)
        finally:
            self._draining.discard(chat_id)

    def _head(self, chat_id: int) -> Update | None:
        return next((update for update in self.pending if update.chat_id == chat_id), None)

    def _forget(self, update: Update) -> None:
        if update in self.pending:
            self.pending.remove(update)

    def _is_stale(self, update: Update) -> bool:
        return self._now() - update.at > _LIFETIME

    def _note_failure(self, posted: Posted) -> None:
        reason = posted.error or f"Wrong response from the webhook: {posted.status}"
        self.hook.last_error, self.hook.last_error_at = reason, self._now()

    def _webhook(self, update: Update) -> Webhook:
        headers = {"content-type": "application/json"}
        if self.hook.secret:
            headers["x-telegram-bot-api-secret-token"] = self.hook.secret
        body = json.dumps(update.body, ensure_ascii=False).encode()
        return Webhook("telegram", "update", self.hook.url, body, headers, f"update {update.kind}")
