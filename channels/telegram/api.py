"""The Bot API through aiogram: sends, edits, answers taps, sets up the bot.

One call is one HTTP exchange, never repeated: Telegram knows no idempotency key. To be imported in
a thread, since aiogram takes seconds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from aiogram import Bot, exceptions
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
)

from channels.base import ContactButton, OutboundMessage, Refusal, UrlButton
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError
from channels.outcome import MAX_RETRY_AFTER_S, HttpClient
from channels.telegram.polling import ALLOWED_UPDATES
from channels.telegram.session import Session

_TAP_TIMEOUT_S: Final = 5
_MAX_CONNECTIONS: Final = 40

_NO_CHAT: Final = ("chat not found", "user not found", "peer_id_invalid", "chat_id_invalid")
_NOT_EDITABLE: Final = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "there is no text in the message to edit",
)
"""Parts of descriptions; Telegram has no other codes. Source: telegram-bot-api server 10."""


class BotApi:
    """What one bot can do."""

    def __init__(self, token: str, api_url: str, http: HttpClient) -> None:
        """Take the bot's token, where the API is, and a client that its owner closes."""
        session = Session(http, TelegramAPIServer.from_base(api_url))
        self._bot = Bot(token, session=session)

    async def send(self, message: OutboundMessage) -> int:
        """Send a text, or a photo or file with the text as its caption; the new message's number.

        Raises:
            NotSentError, RejectedError, UncertainError: as `Channel.send`.
        """
        chat_id, text, parse_mode = int(message.to.value), *_words(message)
        markup = _markup(message)
        with _answered():
            if message.image is not None:
                photo = BufferedInputFile(message.image.png, message.image.filename)
                sent = await self._bot.send_photo(
                    chat_id, photo, caption=text, parse_mode=parse_mode, reply_markup=markup
                )
            elif message.file is not None:
                document = BufferedInputFile(message.file.content, message.file.filename)
                sent = await self._bot.send_document(
                    chat_id, document, caption=text, parse_mode=parse_mode, reply_markup=markup
                )
            else:
                # A preview would make Telegram's servers open the payment link.
                sent = await self._bot.send_message(
                    chat_id,
                    text,
                    parse_mode=parse_mode,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                    reply_markup=markup,
                )
        return sent.message_id

    async def edit(self, message: OutboundMessage, message_id: int) -> bool:
        """Put the text in place of an earlier one. Safe to repeat.

        Returns:
            False if there is nothing left to edit.

        Raises:
            NotSentError, RejectedError, UncertainError: as `Channel.send`.
        """
        text, parse_mode = _words(message)
        with _answered():
            try:
                await self._bot.edit_message_text(
                    text,
                    chat_id=int(message.to.value),
                    message_id=message_id,
                    parse_mode=parse_mode,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                    reply_markup=_inline(message),
                )
            except exceptions.TelegramBadRequest as error:
                said = error.message.lower()
                if "message is not modified" in said:
                    return True
                if any(words in said for words in _NOT_EDITABLE):
                    return False
                raise
        return True

    async def answer_tap(self, tap_id: str | None) -> None:
        """Stop the spinner of a tapped button; too late, twice or never is all the same."""
        if tap_id is None:
            return
        with suppress(ChannelError), _answered():
            await self._bot.answer_callback_query(tap_id, request_timeout=_TAP_TIMEOUT_S)

    async def set_webhook(self, url: str, secret: str) -> None:
        """See `Telegram.set_webhook`."""
        with _answered():
            await self._bot.set_webhook(
                url,
                secret_token=secret,
                allowed_updates=list(ALLOWED_UPDATES),
                max_connections=_MAX_CONNECTIONS,
            )

    async def set_commands(
        self, commands: Mapping[str, str], language_code: str | None, chat_id: str | None
    ) -> None:
        """See `Telegram.set_commands`."""
        with _answered():
            await self._bot.set_my_commands(
                [
                    BotCommand(command=name, description=description)
                    for name, description in commands.items()
                ],
                scope=BotCommandScopeAllPrivateChats()
                if chat_id is None
                else BotCommandScopeChat(chat_id=int(chat_id)),
                language_code=language_code,
            )

    async def username(self) -> str:
        """The bot's name without the @; asked for once."""
        with _answered():
            me = await self._bot.me()
        return me.username or ""


@contextmanager
def _answered() -> Iterator[None]:
    """Map what aiogram raises within the block.

    Source: Telegram Bot API, "Making requests"; descriptions of the telegram-bot-api server 10.
    """
    try:
        yield
    except exceptions.TelegramRetryAfter as error:
        wait_s = min(float(error.retry_after), MAX_RETRY_AFTER_S)
        raise NotSentError("Telegram asks to wait", code="429", retry_after_s=wait_s) from None
    except exceptions.TelegramEntityTooLarge:
        # By its class a network error, though it is a plain no.
        raise RejectedError("too large", refusal=Refusal.CONTENT, code="413") from None
    except exceptions.TelegramServerError:
        raise UncertainError("Telegram failed", code="500") from None
    except (exceptions.TelegramNetworkError, exceptions.ClientDecodeError):
        raise UncertainError("Telegram's answer cannot be read") from None
    except exceptions.TelegramAPIError as error:
        raise _rejection(error) from None


def _rejection(error: exceptions.TelegramAPIError) -> RejectedError:
    """What a refusal means; its own words may name a person and are left out."""
    said = error.message.lower()
    match error:
        case exceptions.TelegramForbiddenError() if "blocked by the user" in said:
            return RejectedError(
                "the person blocked the bot", refusal=Refusal.OPTED_OUT, code="403"
            )
        case exceptions.TelegramForbiddenError():
            return RejectedError(
                "the person never started the bot, or is gone", refusal=Refusal.ADDRESS, code="403"
            )
        case exceptions.TelegramMigrateToChat():
            return RejectedError("no private chat", refusal=Refusal.ADDRESS, code="400")
        case exceptions.TelegramBadRequest() if any(words in said for words in _NO_CHAT):
            return RejectedError("no such chat", refusal=Refusal.ADDRESS, code="400")
        case exceptions.TelegramUnauthorizedError() | exceptions.TelegramNotFound():
            return RejectedError("the bot's token is wrong", refusal=Refusal.CONFIG, code="401")
        case exceptions.TelegramConflictError():
            reason = "two programs serve this bot"
            return RejectedError(reason, refusal=Refusal.CONFIG, code="409")
        case _:
            return RejectedError("Telegram refused it", refusal=Refusal.CONTENT, code="400")


def _words(message: OutboundMessage) -> tuple[str, ParseMode | None]:
    """The text and how it is to be read: as it stands, unless it comes as HTML."""
    if message.html is None:
        return message.text, None
    return message.html, ParseMode.HTML


def _markup(message: OutboundMessage) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    for button in message.buttons:
        if isinstance(button, ContactButton):
            key = KeyboardButton(text=button.text, request_contact=True)
            return ReplyKeyboardMarkup(
                keyboard=[[key]], resize_keyboard=True, one_time_keyboard=True
            )
    return _inline(message)


def _inline(message: OutboundMessage) -> InlineKeyboardMarkup | None:
    rows = [
        [InlineKeyboardButton(text=button.text, url=button.url)]
        if isinstance(button, UrlButton)
        else [InlineKeyboardButton(text=button.text, callback_data=button.payload)]
        for button in message.buttons
        if not isinstance(button, ContactButton)
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
