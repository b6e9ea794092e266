"""Reads what a bot may put around a text: keyboards and HTML entities.

Source: Bot API, InlineKeyboardButton, ReplyKeyboardMarkup, "HTML style".
"""

import json
from html.parser import HTMLParser
from typing import Final

from bot.sandbox.telegram.chats import JsonObject
from bot.sandbox.telegram.failures import TelegramRefusalError

_TAGS: Final = frozenset(
    {
        *("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre"),
        *("span", "tg-spoiler", "blockquote", "tg-emoji"),
    }
)


def read_object(value: object, name: str) -> JsonObject | None:
    """Read an object that came as JSON text or as JSON.

    Raises:
        TelegramRefusalError: 400, it is neither.
    """
    if value in (None, ""):
        return None
    try:
        parsed: object = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise TelegramRefusalError(400, f"Bad Request: can't parse {name} JSON object")
    return parsed


def check_inline(markup: JsonObject) -> JsonObject:
    """Check an inline keyboard: each button has a text and one thing it does.

    Raises:
        TelegramRefusalError: 400, in Telegram's words.
    """
    rows = markup.get("inline_keyboard")
    for button in (one for row in rows for one in row) if isinstance(rows, list) else ():
        if not button.get("text"):
            raise TelegramRefusalError(400, "Bad Request: can't parse inline keyboard button")
        data = button.get("callback_data")
        # Counted in bytes: a Spanish word is longer than it looks.
        if data is not None and not 1 <= len(str(data).encode()) <= 64:
            raise TelegramRefusalError(400, "Bad Request: BUTTON_DATA_INVALID")
        url = button.get("url")
        if url is not None and not str(url).startswith(("http://", "https://", "tg://")):
            reason = f"Bad Request: inline keyboard button URL '{url}' is invalid: Wrong HTTP URL"
            raise TelegramRefusalError(400, reason)
        # Telegram wants each inline button to do exactly one thing.
        if not {"url", "callback_data", "copy_text", "web_app", "login_url"} & button.keys():
            raise TelegramRefusalError(
                400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed"
            )
    return markup


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            raise TelegramRefusalError(
                400, f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"'
            )
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise TelegramRefusalError(
                400, f'Bad Request: can\'t parse entities: Unexpected end tag "{tag}"'
            )

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def plain_text(text: str, parse_mode: str) -> str:
    """Give the text as people see it, with HTML entities parsed away.

    Raises:
        TelegramRefusalError: 400, the HTML is not Telegram's subset, or a tag stays open.
    """
    if parse_mode.lower() != "html":
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        raise TelegramRefusalError(
            400, f"Bad Request: can't parse entities: Can't find end tag for \"{reader.open[-1]}\""
        )
    return "".join(reader.text)
