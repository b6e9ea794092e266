"""The Bot API methods: each takes a form and returns the `result`, or raises a refusal.

Source: Telegram Bot API 10; error texts from the telegram-bot-api server.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from bot.sandbox.config import TelegramConfig
from bot.sandbox.journal import Journal
from bot.sandbox.telegram.chats import Chat, ChatMessage, Chats, JsonObject, StoredFile
from bot.sandbox.telegram.failures import TelegramRefusalError
from bot.sandbox.telegram.markup import check_inline, plain_text, read_object
from bot.sandbox.telegram.settings import BotSettings
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.wire import Upload

Form = Mapping[str, object]
Method = Callable[[Form], Awaitable[object]]

_TEXT_CHARS: Final = 4096
_CAPTION_CHARS: Final = 1024
_NOT_MODIFIED: Final = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message"
)
_OLD_QUERY: Final = (
    "Bad Request: query is too old and response timeout expired or query ID is invalid"
)
_ATTACHED: Final = re.compile(r"^attach://(.+)$")


class Methods:
    """Sending, editing, answering and files; settings of the bot are in `BotSettings`."""

    def __init__(
        self,
        config: TelegramConfig,
        chats: Chats,
        updates: Updates,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._chats = chats
        self._journal = journal
        self._now = now
        self.settings = BotSettings(config, chats, updates)
        self._table: dict[str, Method] = {
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "senddocument": self._send_document,
            "editmessagetext": self._edit_text,
            "editmessagecaption": self._edit_caption,
            "editmessagereplymarkup": self._edit_markup,
            "answercallbackquery": self._answer_tap,
            "getfile": self._get_file,
            "getchat": self._get_chat,
            **self.settings.table,
        }

    async def call(self, method: str, form: Form) -> object:
        """Perform one method; its name is case-insensitive.

        Raises:
            TelegramRefusalError: as Telegram would refuse.
        """
        perform = self._table.get(method.lower())
        if perform is None:
            raise TelegramRefusalError(404, "Not Found: method not found")
        return await perform(form)

    async def _send_message(self, form: Form) -> object:
        chat = self._chats.reachable(form.get("chat_id"))
        text = self._text(form, "text", _TEXT_CHARS)
        if not plain_text(text, str(form.get("parse_mode", ""))).strip():
            raise TelegramRefusalError(400, "Bad Request: message text is empty")
        return self._put(chat, form, text)

    async def _send_photo(self, form: Form) -> object:
        chat = self._chats.reachable(form.get("chat_id"))
        caption = self._text(form, "caption", _CAPTION_CHARS)
        return self._put(chat, form, caption, photo=self._file(form, "photo"))

    async def _send_document(self, form: Form) -> object:
        chat = self._chats.reachable(form.get("chat_id"))
        caption = self._text(form, "caption", _CAPTION_CHARS)
        return self._put(chat, form, caption, document=self._file(form, "document"))

    def _put(
        self, chat: Chat, form: Form, text: str, photo: str = "", document: str = ""
    ) -> object:
        markup = read_object(form.get("reply_markup"), "reply keyboard markup")
        inline = check_inline(markup) if markup and "inline_keyboard" in markup else None
        message = self._chats.add(chat, is_from_bot=True)
        message.text, message.parse_mode = text, str(form.get("parse_mode", ""))
        message.photo, message.document, message.markup = photo, document, inline
        if markup and "keyboard" in markup:
            chat.keyboard = markup
        if markup and markup.get("remove_keyboard"):
            chat.keyboard = None
        self._journal.note("telegram", f"message to {chat.person_id}")
        return self._shown(chat, message)

    def _shown(self, chat: Chat, message: ChatMessage) -> JsonObject:
        body = self._chats.message_json(chat, message)
        key = "caption" if "caption" in body else "text"
        if key in body:
            body[key] = plain_text(message.text, message.parse_mode)
        return body

    def _text(self, form: Form, name: str, most: int) -> str:
        text = str(form.get(name, ""))
        shown = plain_text(text, str(form.get("parse_mode", "")))
        # After entity parsing and in UTF-16 units, as Telegram counts.
        if len(shown.encode("utf-16-le")) // 2 > most:
            what = "message" if name == "text" else "message caption"
            raise TelegramRefusalError(400, f"Bad Request: {what} is too long")
        return text

    def _file(self, form: Form, name: str) -> str:
        value = form.get(name)
        attached = _ATTACHED.match(value) if isinstance(value, str) else None
        value = form.get(attached[1]) if attached else value
        if isinstance(value, Upload):
            return self._chats.store(StoredFile(value.filename, value.content_type, value.content))
        if isinstance(value, str) and value in self._chats.files:
            return value
        raise TelegramRefusalError(400, f"Bad Request: there is no {name} in the request")

    def _own(self, form: Form) -> tuple[Chat, ChatMessage]:
        """Find the bot's message that a form wants to edit."""
        chat = self._chats.reachable(form.get("chat_id"))
        number = str(form.get("message_id", ""))
        message = chat.find(int(number)) if number.isdecimal() else None
        if message is None:
            raise TelegramRefusalError(400, "Bad Request: message to edit not found")
        if not message.is_from_bot:
            raise TelegramRefusalError(400, "Bad Request: message can't be edited")
        return chat, message

    async def _edit_text(self, form: Form) -> object:
        chat, message = self._own(form)
        if message.photo or message.document:
            raise TelegramRefusalError(400, "Bad Request: there is no text in the message to edit")
        return self._edit(chat, message, form, self._text(form, "text", _TEXT_CHARS))

    async def _edit_caption(self, form: Form) -> object:
        chat, message = self._own(form)
        if not (message.photo or message.document):
            reason = "Bad Request: there is no caption in the message to edit"
            raise TelegramRefusalError(400, reason)
        return self._edit(chat, message, form, self._text(form, "caption", _CAPTION_CHARS))

    async def _edit_markup(self, form: Form) -> object:
        chat, message = self._own(form)
        return self._edit(chat, message, form, message.text)

    def _edit(self, chat: Chat, message: ChatMessage, form: Form, text: str) -> object:
        markup = read_object(form.get("reply_markup"), "inline keyboard markup")
        inline = check_inline(markup) if markup and markup.get("inline_keyboard") else None
        # An edit that changes nothing is an error in Telegram, not a success.
        if (message.text, message.markup) == (text, inline):
            raise TelegramRefusalError(400, _NOT_MODIFIED)
        message.text, message.markup = text, inline
        message.parse_mode = str(form.get("parse_mode", ""))
        message.edited_at = self._now()
        self._journal.touch()
        return self._shown(chat, message)

    async def _answer_tap(self, form: Form) -> object:
        tap = self._chats.taps.get(str(form.get("callback_query_id", "")))
        # A tap can be answered once; later ones count as too old.
        if tap is None or tap.answer is not None:
            raise TelegramRefusalError(400, _OLD_QUERY)
        tap.answer = str(form.get("text", ""))
        self._journal.touch()
        return True

    async def _get_file(self, form: Form) -> object:
        file_id = str(form.get("file_id", ""))
        file = self._chats.files.get(file_id)
        if file is None:
            raise TelegramRefusalError(400, "Bad Request: invalid file_id")
        return {
            "file_id": file_id,
            "file_unique_id": file_id[-15:],
            "file_size": len(file.content),
            "file_path": f"files/{file_id}",
        }

    async def _get_chat(self, form: Form) -> object:
        chat = self._chats.reachable(form.get("chat_id"))
        return self._chats.chat_json(chat.person_id) | {
            "accent_color_id": 0,
            "max_reaction_count": 11,
        }
