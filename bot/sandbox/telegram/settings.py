"""Methods about the bot itself: who it is, its commands, and how updates reach it."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from bot.sandbox.config import TelegramConfig
from bot.sandbox.telegram.chats import Chats, JsonObject
from bot.sandbox.telegram.failures import TelegramRefusalError
from bot.sandbox.telegram.updates import Hook, Updates

Form = Mapping[str, object]

_SECRET: Final = re.compile(r"^[A-Za-z0-9_-]{1,256}$")
_COMMAND: Final = re.compile(r"^[a-z0-9_]{1,32}$")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "testserver")


def _strings(value: object) -> tuple[str, ...] | None:
    """Read a JSON list of strings; None where there is none."""
    if value in (None, ""):
        return None
    parsed: object = json.loads(value) if isinstance(value, str) else value
    return tuple(str(one) for one in parsed) if isinstance(parsed, list) else None


def _number(form: Form, name: str, default: int) -> int:
    text = str(form.get(name, default))
    return int(text) if text.lstrip("-").isdecimal() else default


class BotSettings:
    """The bot's own state; `commands` by scope and language, each a list of name and words."""

    def __init__(self, config: TelegramConfig, chats: Chats, updates: Updates) -> None:
        self._config = config
        self._chats = chats
        self._updates = updates
        self.commands: dict[tuple[str, str], list[JsonObject]] = {}
        self.table: dict[str, Callable[[Form], Awaitable[object]]] = {
            "getme": self._get_me,
            "getupdates": self._get_updates,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._get_webhook_info,
            "setmycommands": self._set_commands,
            "getmycommands": self._get_commands,
            "deletemycommands": self._delete_commands,
        }

    async def _get_me(self, form: Form) -> object:
        return self._chats.bot_user() | {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    async def _get_updates(self, form: Form) -> object:
        return await self._updates.get(
            _number(form, "offset", 0),
            min(max(_number(form, "limit", 100), 1), 100),
            min(max(_number(form, "timeout", 0), 0), 50),
            _strings(form.get("allowed_updates")),
        )

    async def _set_webhook(self, form: Form) -> object:
        url, secret = str(form.get("url", "")), str(form.get("secret_token", ""))
        parts = urlsplit(url)
        # A loopback address may be plain HTTP here, as with a self-hosted Bot API server.
        if url and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            reason = "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"
            raise TelegramRefusalError(400, reason)
        if secret and not _SECRET.match(secret):
            reason = "Bad Request: secret token contains unallowed characters"
            raise TelegramRefusalError(400, reason)
        self._drop_if_asked(form)
        allowed = _strings(form.get("allowed_updates")) or self._updates.hook.allowed
        self._updates.set_hook(Hook(url, secret, allowed))
        return True

    async def _delete_webhook(self, form: Form) -> object:
        self._drop_if_asked(form)
        # Telegram remembers the allowed kinds until another list comes.
        self._updates.set_hook(Hook(allowed=self._updates.hook.allowed))
        return True

    def _drop_if_asked(self, form: Form) -> None:
        if str(form.get("drop_pending_updates", "")).lower() == "true":
            self._updates.pending.clear()

    async def _get_webhook_info(self, form: Form) -> object:
        hook = self._updates.hook
        info: JsonObject = {
            "url": hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates.pending),
            "max_connections": 40,
        }
        if hook.last_error_at is not None:
            info["last_error_date"] = int(hook.last_error_at.timestamp())
            info["last_error_message"] = hook.last_error
        if hook.allowed:
            info["allowed_updates"] = list(hook.allowed)
        return info

    async def _set_commands(self, form: Form) -> object:
        value = form.get("commands", "[]")
        commands: object = json.loads(value) if isinstance(value, str) else value
        if not isinstance(commands, list) or len(commands) > 100:
            raise TelegramRefusalError(400, "Bad Request: can't parse commands JSON object")
        for one in commands:
            if not _COMMAND.match(str(one.get("command", ""))):
                raise TelegramRefusalError(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(str(one.get("description", ""))) <= 256:
                reason = "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"
                raise TelegramRefusalError(400, reason)
        self.commands[self._scope(form)] = commands
        return True

    async def _get_commands(self, form: Form) -> object:
        return self.commands.get(self._scope(form), [])

    async def _delete_commands(self, form: Form) -> object:
        self.commands.pop(self._scope(form), None)
        return True

    def _scope(self, form: Form) -> tuple[str, str]:
        value = form.get("scope")
        scope: object = json.loads(value) if isinstance(value, str) and value else value
        if not isinstance(scope, dict):
            scope = {"type": "default"}
        name = ":".join(str(scope[key]) for key in ("type", "chat_id") if key in scope)
        return name, str(form.get("language_code", ""))

    def menu_of(self, chat_id: int) -> list[JsonObject]:
        """List the commands a person is offered: their own scope first, Spanish first."""
        for scope in (f"chat:{chat_id}", "all_private_chats", "default"):
            # The people of the sandbox have their phones in Spanish.
            for language in ("es", ""):
                if self.commands.get((scope, language)):
                    return self.commands[scope, language]
        return []
