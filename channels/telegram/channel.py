"""The Telegram channel: checks a message, lets the Bot API send it, and brings in updates."""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from channels.base import (
    Accepted,
    ChannelName,
    ContactButton,
    InboundEvent,
    Limits,
    OutboundMessage,
    RawRequest,
    ReplyButton,
)
from channels.errors import BadSignatureError, NotSentError, UnsupportedError
from channels.outcome import new_client
from channels.telegram.files import fetch_file
from channels.telegram.polling import Poller
from channels.telegram.updates import cover_update, parse_update, update_id

if TYPE_CHECKING:
    from channels.telegram.api import BotApi

TEXT_CHARS: Final = 4096
CAPTION_CHARS: Final = 1024
"""Both in UTF-16 units, after entities. Source: Telegram Bot API, sendMessage and sendPhoto."""

PAYLOAD_BYTES: Final = 64
"""Source: Telegram Bot API, InlineKeyboardButton, `callback_data`."""

TIMEOUT_S: Final = 30.0
_TOKEN: Final = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_CHAT_ID: Final = re.compile(r"-?[0-9]{1,19}")
_START_PAYLOAD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Telegram:
    """Hands messages to one bot's chats, and reads what people do there."""

    name = ChannelName.TELEGRAM
    limits = Limits(
        text_chars=TEXT_CHARS,
        has_url_button=True,
        has_reply_button=True,
        has_contact_button=True,
        has_image=True,
        has_file=True,
        image_text_chars=CAPTION_CHARS,
        can_replace=True,
    )

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        webhook_secret: str | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Speak for one bot.

        Args:
            token: as BotFather gave it, `<bot id>:<secret>`.
            api_url: of the Bot API, without the token.
            webhook_secret: what Telegram shows when it calls us; None where we poll, and then
                nothing that calls us is believed.
            clock: gives the aware present time.

        Raises:
            ValueError: the token is none, or the secret is empty.
        """
        if not _TOKEN.fullmatch(token):
            raise ValueError("a bot's token is a number, a colon and a secret")
        if webhook_secret is not None and not webhook_secret:
            raise ValueError("an empty webhook secret would let anybody in")
        self._token = token
        self._api_url = api_url.rstrip("/")
        self._secret = webhook_secret
        self._clock = clock
        self._http = new_client(timeout_s=TIMEOUT_S, keep_alive=True)
        self._api: BotApi | None = None
        self._loading = asyncio.Lock()
        self._is_closed = False

    async def _ready(self) -> "BotApi":
        """Load aiogram in a thread, once: the first message waits for it."""
        async with self._loading:
            if self._api is None:
                self._api = await asyncio.to_thread(self._load)
            return self._api

    def _load(self) -> "BotApi":
        from channels.telegram.api import BotApi

        return BotApi(self._token, self._api_url, self._http)

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """See `Channel.send`; Telegram honours no key, so that it stays here.

        A message that `replaces` one which is gone is sent anew. The tap that it `answers` is
        answered beside it, whether that works or not.
        """
        _check(message)
        if self._is_closed:
            raise NotSentError("the channel is closed")
        api = await self._ready()
        # Together, as the one should not wait for the other; only the message may fail.
        message_id, _ = await asyncio.gather(
            _replace_or_send(api, message), api.answer_tap(message.answers)
        )
        return Accepted(f"{message.to.value}:{message_id}", self._clock())

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Check the secret that Telegram was given with the webhook.

        Raises:
            BadSignatureError: it is missing or wrong, or there is none to compare with.

        Source: Telegram Bot API, setWebhook, `secret_token`; it covers neither body nor URL.
        """
        given = headers.get("x-telegram-bot-api-secret-token", "")
        expected = (self._secret or "").encode()
        is_same = hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected)
        if self._secret is None or not is_same:
            raise BadSignatureError("wrong secret token")

    def verify(self, request: RawRequest) -> str | None:
        """Check the secret as `check_headers` does.

        Returns:
            The update's id; None if the body is unreadable, as `parse` will say.

        Raises:
            BadSignatureError: it is missing or wrong, or there is none to compare with.
        """
        self.check_headers(request.headers)
        return update_id(request.body)

    def cover(self, request: RawRequest, hide: Callable[[str], str]) -> bytes:
        """See `InboundChannel.cover`."""
        return cover_update(request.body, hide)

    def parse(self, request: RawRequest) -> Sequence[InboundEvent]:
        """See `InboundChannel.parse`."""
        return parse_update(request.body)

    async def poll(self, store: Callable[[Sequence[RawRequest]], Awaitable[None]]) -> None:
        """Fetch updates until cancelled.

        Args:
            store: keeps updates for good; Telegram is told that we have them only after it
                returned, and gives them again if it raised.
        """
        await Poller(self._http, f"{self._api_url}/bot{self._token}").run(store)

    async def set_webhook(self, url: str) -> None:
        """Have updates sent to `url`, at most 40 at a time. Safe to repeat.

        Raises:
            ValueError: there is no webhook secret.
            NotSentError, RejectedError, UncertainError: Telegram did not say yes.
        """
        if self._secret is None:
            raise ValueError("a webhook needs a secret")
        await (await self._ready()).set_webhook(url, self._secret)

    async def set_commands(
        self,
        commands: Mapping[str, str],
        *,
        language_code: str | None = None,
        chat_id: str | None = None,
    ) -> None:
        """Set the menu of commands. Safe to repeat.

        Args:
            commands: name, 1 to 32 of `a-z0-9_`, to description, 1 to 256 characters.
            language_code: ISO 639-1, for people whose app speaks it; None for all others.
            chat_id: for one chat only, as of staff; None for all private chats.

        Raises:
            NotSentError, RejectedError, UncertainError: Telegram did not say yes.
        """
        await (await self._ready()).set_commands(commands, language_code, chat_id)

    async def start_link(self, payload: str) -> str:
        """A link that opens the bot; Start then sends `/start <payload>`.

        Args:
            payload: 1 to 64 of `A-Za-z0-9_-`.

        Raises:
            UnsupportedError: the payload is anything else.
            NotSentError, RejectedError, UncertainError: the bot's name is not known yet.

        Source: Telegram docs, "Deep linking".
        """
        if not _START_PAYLOAD.fullmatch(payload):
            raise UnsupportedError("a start payload has 1 to 64 of A-Z a-z 0-9 _ -")
        username = await (await self._ready()).username()
        return f"https://t.me/{username}?start={payload}"

    async def fetch_file(self, file_id: str) -> bytes:
        """The content of a file that a person sent. Safe to repeat.

        Raises:
            NotSentError, UncertainError: not now.
            RejectedError: there is no such file any more, or it is over 5 MiB.
        """
        return await fetch_file(self._http, self._api_url, self._token, file_id)

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        self._is_closed = True
        await self._http.aclose()


async def _replace_or_send(api: "BotApi", message: OutboundMessage) -> int:
    if message.replaces is not None:
        chat_id, _, message_id = message.replaces.rpartition(":")
        if chat_id == message.to.value and await api.edit(message, int(message_id)):
            return int(message_id)
    return await api.send(message)


def _check(message: OutboundMessage) -> None:
    if message.to.channel is not ChannelName.TELEGRAM or not _CHAT_ID.fullmatch(message.to.value):
        raise UnsupportedError("this is no Telegram chat")
    if message.template is not None:
        raise UnsupportedError("Telegram has no templates")
    if message.image is not None and message.file is not None:
        raise UnsupportedError("a message brings a picture or a file, not both")
    is_caption = message.image is not None or message.file is not None
    room = CAPTION_CHARS if is_caption else TEXT_CHARS
    if not message.text.strip() or _utf16_units(message.text) > room:
        raise UnsupportedError(f"a Telegram text here has 1 to {room} characters")
    _check_buttons(message)
    if message.replaces is None:
        return
    if not re.fullmatch(r"-?[0-9]{1,19}:[0-9]{1,19}", message.replaces):
        raise UnsupportedError("a message is replaced by its chat and number")
    if is_caption or _asks_contact(message):
        raise UnsupportedError("an edit brings no image, no file and no keyboard")


def _check_buttons(message: OutboundMessage) -> None:
    for button in message.buttons:
        if isinstance(button, ReplyButton):
            size = len(button.payload.encode("utf-8", "surrogatepass"))
            if not 0 < size <= PAYLOAD_BYTES:
                raise UnsupportedError(f"a button carries 1 to {PAYLOAD_BYTES} bytes")
    if _asks_contact(message) and len(message.buttons) > 1:
        raise UnsupportedError("a contact button stands alone: it is no inline button")


def _asks_contact(message: OutboundMessage) -> bool:
    return any(isinstance(button, ContactButton) for button in message.buttons)


def _utf16_units(text: str) -> int:
    try:
        return len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise UnsupportedError("a lone surrogate is no text") from None
