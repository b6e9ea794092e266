"""The emulated Telegram as the other parts see it: what people do in the app, and HTTP routes."""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.config import TelegramConfig
from bot.sandbox.faults import Faults
from bot.sandbox.journal import Journal
from bot.sandbox.people import People
from bot.sandbox.telegram.chats import Chat, ChatMessage, Chats, JsonObject, StoredFile, Tap
from bot.sandbox.telegram.failures import TelegramRefusalError, error_response, refusal
from bot.sandbox.telegram.methods import Methods
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.webhooks import Postman
from bot.sandbox.wire import json_object, json_response, multipart, suffer, urlencoded

_TAPS_KEPT: Final = 1000


class Telegram:
    """One bot and the people who talk to it; chat ids are people's `telegram_id`."""

    def __init__(
        self,
        config: TelegramConfig,
        *,
        faults: Faults,
        postman: Postman,
        journal: Journal,
        people: People,
        now: Callable[[], datetime],
        keep: int,
    ) -> None:
        self.config = config
        self.chats = Chats(config, people, now)
        self.updates = Updates(config, postman, now, keep)
        self.methods = Methods(config, self.chats, self.updates, journal, now)
        self._faults = faults
        self._journal = journal
        self._now = now

    def start(self, chat_id: int, payload: str = "") -> None:
        """Let a person open the bot and press Start, perhaps through a deep link."""
        self.write(chat_id, f"/start {payload}".strip())

    def write(self, chat_id: int, text: str) -> None:
        """Let a person write a message; it opens the chat if it was not."""
        chat = self._opened(chat_id)
        message = self.chats.add(chat, is_from_bot=False)
        message.text = text
        self._push_message(chat, message)

    def send_document(self, chat_id: int, name: str, content_type: str, content: bytes) -> None:
        """Let a person send a file."""
        chat = self._opened(chat_id)
        message = self.chats.add(chat, is_from_bot=False)
        message.document = self.chats.store(StoredFile(name, content_type, content))
        self._push_message(chat, message)

    def share_contact(self, chat_id: int, *, phone: str | None = None) -> None:
        """Let a person share a contact card: their own, or another's when `phone` is given.

        Telegram writes the number of an own card without plus and adds the person's user id;
        a card of somebody else has another user id or none.
        """
        chat = self._opened(chat_id)
        person = self.chats.person(chat_id)
        message = self.chats.add(chat, is_from_bot=False)
        if phone is None:
            # Telegram gives the number of an own card without its plus.
            own = person.phone.lstrip("+")
            message.contact = {"phone_number": own, "first_name": person.name, "user_id": chat_id}
        else:
            message.contact = {"phone_number": phone, "first_name": "Contact"}
        keyboard = chat.keyboard
        if keyboard is not None and keyboard.get("one_time_keyboard"):
            chat.keyboard = None
        self._push_message(chat, message)

    def tap(self, chat_id: int, message_id: int, data: str) -> str:
        """Let a person press an inline button; gives the callback query's id.

        Raises:
            LookupError: no such message, or it has no button with this data.
        """
        chat = self.chats.chat(chat_id)
        message = chat.find(message_id)
        if message is None or data not in _button_data(message):
            raise LookupError(f"no button {data!r} on message {message_id}")
        query_id = str(10**17 + secrets.randbelow(10**17))
        self.chats.taps[query_id] = Tap(data)
        if len(self.chats.taps) > _TAPS_KEPT:
            self.chats.taps.popitem(last=False)
        query: JsonObject = {
            "id": query_id,
            "from": self.chats.user(chat_id),
            "message": self.chats.message_json(chat, message),
            "chat_instance": str(chat_id * 7919),
            "data": data,
        }
        self.updates.push(chat_id, "callback_query", query)
        self._journal.note("telegram", "button tapped")
        return query_id

    def block(self, chat_id: int, *, is_blocked: bool = True) -> None:
        """Let a person block the bot, or come back."""
        chat = self.chats.chat(chat_id)
        if chat.is_blocked == is_blocked:
            return
        chat.is_blocked = is_blocked
        old, new = ("member", "kicked") if is_blocked else ("kicked", "member")
        change: JsonObject = {
            "chat": self.chats.chat_json(chat_id),
            "from": self.chats.user(chat_id),
            "date": int(self._now().timestamp()),
            "old_chat_member": self._member(old),
            "new_chat_member": self._member(new),
        }
        self.updates.push(chat_id, "my_chat_member", change)
        self._journal.note("telegram", "bot blocked" if is_blocked else "bot unblocked")

    def _member(self, status: str) -> JsonObject:
        member: JsonObject = {"user": self.chats.bot_user(), "status": status}
        return member | ({"until_date": 0} if status == "kicked" else {})

    def _opened(self, chat_id: int) -> Chat:
        # Writing to a blocked bot unblocks it.
        self.block(chat_id, is_blocked=False)
        chat = self.chats.chat(chat_id)
        chat.is_started = True
        return chat

    def _push_message(self, chat: Chat, message: ChatMessage) -> None:
        body = self.chats.message_json(chat, message)
        if message.text.startswith("/"):
            length = len(message.text.split()[0])
            body["entities"] = [{"offset": 0, "length": length, "type": "bot_command"}]
        self.updates.push(chat.person_id, "message", body)
        self._journal.note("telegram", f"message from {chat.person_id}")

    def routes(self) -> list[Route]:
        """List the API routes, to be mounted under `/telegram`."""
        return [
            Route("/bot{token}/{method}", self._call, methods=["GET", "POST"]),
            Route("/file/bot{token}/files/{file_id}", self._download, methods=["GET"]),
        ]

    async def _call(self, request: Request) -> Response:
        method = request.path_params["method"]
        if not self._is_token(request.path_params["token"]):
            return error_response(TelegramRefusalError(401, "Unauthorized"))
        form = await _form(request)
        # After the token: faults are ordered for our bot, not for strangers.
        fault = self._faults.take("telegram", method)

        async def perform() -> Response:
            try:
                result = await self.methods.call(method, form)
            except TelegramRefusalError as error:
                return error_response(error)
            return json_response({"ok": True, "result": result})

        return await (perform() if fault is None else suffer(fault, perform, refusal))

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.config.token.encode())

    async def _download(self, request: Request) -> Response:
        file = self.chats.files.get(request.path_params["file_id"])
        if file is None or not self._is_token(request.path_params["token"]):
            return error_response(TelegramRefusalError(404, "Not Found"))
        return Response(file.content, media_type="application/octet-stream")


def _button_data(message: ChatMessage) -> set[str]:
    rows = (message.markup or {}).get("inline_keyboard")
    buttons = (one for row in rows for one in row) if isinstance(rows, list) else ()
    return {str(one["callback_data"]) for one in buttons if "callback_data" in one}


async def _form(request: Request) -> dict[str, object]:
    """Read parameters from the query and from a form or JSON body, as the Bot API does."""
    form: dict[str, object] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        return form | multipart(kind, await request.body())
    if kind.startswith("application/json"):
        return form | await json_object(request)
    return form | dict(urlencoded(await request.body()))
