"""Private chats between the bot and people: messages, keyboards, files, buttons pressed."""

import itertools
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.sandbox.config import TelegramConfig
from bot.sandbox.people import People, Person
from bot.sandbox.telegram.failures import (
    BLOCKED,
    CHAT_NOT_FOUND,
    NEVER_STARTED,
    TelegramRefusalError,
)

JsonObject = dict[str, object]

_FILES_KEPT: Final = 500


@dataclass(slots=True)
class ChatMessage:
    """One message; `photo` and `document` are file ids, `markup` the inline keyboard."""

    message_id: int
    is_from_bot: bool
    at: datetime
    text: str = ""
    parse_mode: str = ""
    markup: JsonObject | None = None
    photo: str = ""
    document: str = ""
    contact: JsonObject | None = None
    edited_at: datetime | None = None


@dataclass(slots=True)
class Chat:
    """A private chat; `keyboard` is the reply keyboard shown now."""

    person_id: int
    is_started: bool = False
    is_blocked: bool = False
    keyboard: JsonObject | None = None
    messages: deque[ChatMessage] = field(default_factory=lambda: deque(maxlen=1000))

    def find(self, message_id: int) -> ChatMessage | None:
        """Find a message by its id."""
        return next((one for one in self.messages if one.message_id == message_id), None)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file the bot sent or received."""

    name: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Tap:
    """A pressed button; `answer` is None until the bot answered it."""

    data: str
    answer: str | None = None


class Chats:
    """All chats of one bot."""

    def __init__(self, config: TelegramConfig, people: People, now: Callable[[], datetime]) -> None:
        self._config = config
        self._people = people
        self._now = now
        # One row of numbers for all chats, as Telegram keeps it for private chats of a bot.
        self._message_ids = itertools.count(1)
        self._chats: dict[int, Chat] = {}
        self.files: OrderedDict[str, StoredFile] = OrderedDict()
        self.taps: OrderedDict[str, Tap] = OrderedDict()

    @property
    def bot_id(self) -> int:
        """The bot's own user id: the number before the colon of its token."""
        return int(self._config.token.partition(":")[0])

    def bot_user(self) -> JsonObject:
        """Describe the bot as a Telegram user."""
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": self._config.name,
            "username": self._config.username,
        }

    def chat(self, chat_id: int) -> Chat:
        """Return the chat with a person, empty at first."""
        return self._chats.setdefault(chat_id, Chat(chat_id))

    def reachable(self, chat_id: object) -> Chat:
        """Return the chat to send to.

        Raises:
            TelegramRefusalError: 400 nobody has this id; 403 blocked, or never started.
        """
        text = str(chat_id)
        known = text.lstrip("-").isdecimal() and self._people.by_telegram(int(text))
        if not known:
            raise TelegramRefusalError(400, CHAT_NOT_FOUND)
        chat = self.chat(int(text))
        if chat.is_blocked:
            raise TelegramRefusalError(403, BLOCKED)
        # A bot cannot begin a conversation: the person presses Start first.
        if not chat.is_started:
            raise TelegramRefusalError(403, NEVER_STARTED)
        return chat

    def add(self, chat: Chat, *, is_from_bot: bool) -> ChatMessage:
        """Append an empty message to a chat, to be filled by the caller."""
        message = ChatMessage(next(self._message_ids), is_from_bot, self._now())
        chat.messages.append(message)
        return message

    def store(self, file: StoredFile) -> str:
        """Keep a file; gives its file id."""
        file_id = "BQACAgEAAxk" + secrets.token_urlsafe(24)
        self.files[file_id] = file
        if len(self.files) > _FILES_KEPT:
            self.files.popitem(last=False)
        return file_id

    def person(self, chat_id: int) -> Person:
        """Return who is on the other side.

        Raises:
            LookupError: nobody has this id.
        """
        person = self._people.by_telegram(chat_id)
        if person is None:
            raise LookupError(f"no Telegram user {chat_id}")
        return person

    def user(self, chat_id: int) -> JsonObject:
        """Describe a person as a Telegram user."""
        person = self.person(chat_id)
        return {
            "id": chat_id,
            "is_bot": False,
            "first_name": person.name,
            "language_code": "es",
        }

    def chat_json(self, chat_id: int) -> JsonObject:
        """Describe a private chat."""
        return {"id": chat_id, "type": "private", "first_name": self.person(chat_id).name}

    def message_json(self, chat: Chat, message: ChatMessage) -> JsonObject:
        """Write a message the way the Bot API does. Source: Bot API, Message."""
        # In a private chat both sides' messages name the person's chat.
        sender = self.bot_user() if message.is_from_bot else self.user(chat.person_id)
        body: JsonObject = {
            "message_id": message.message_id,
            "from": sender,
            "chat": self.chat_json(chat.person_id),
            "date": int(message.at.timestamp()),
        }
        if message.edited_at is not None:
            body["edit_date"] = int(message.edited_at.timestamp())
        has_file = bool(message.photo or message.document)
        if message.text:
            body["caption" if has_file else "text"] = message.text
        if message.photo:
            body["photo"] = [self._photo_size(message.photo)]
        if message.document:
            body["document"] = self._document(message.document)
        if message.contact is not None:
            body["contact"] = message.contact
        if message.markup is not None:
            body["reply_markup"] = message.markup
        return body

    def _photo_size(self, file_id: str) -> JsonObject:
        size = len(self.files[file_id].content) if file_id in self.files else 0
        unique = file_id[-15:]
        return {
            "file_id": file_id,
            "file_unique_id": unique,
            "width": 600,
            "height": 600,
            "file_size": size,
        }

    def _document(self, file_id: str) -> JsonObject:
        file = self.files.get(file_id)
        return {
            "file_id": file_id,
            "file_unique_id": file_id[-15:],
            "file_name": file.name if file else "file",
            "mime_type": file.content_type if file else "application/octet-stream",
            "file_size": len(file.content) if file else 0,
        }
