"""Queries of pages, and where a page ended, as a word that a client gives back unread."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from bot.store.payments import Cursor

PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"[0-9]{1,17}\.(?P<id>[A-Za-z0-9_-]{1,40})")
_MAX_CHARS = 100


def checked_cursor(text: str) -> str:
    """The same text, if it was written by us.

    Raises:
        ValueError: it was not.
    """
    read_cursor(text)
    return text


def checked_payment_id(text: str) -> str:
    """The same text, if it can be the id of a payment.

    Raises:
        ValueError: it cannot.
    """
    if not PAYMENT_ID.fullmatch(text):
        raise ValueError("must be the id of a payment")
    return text


def split_words(value: object) -> object:
    """What a repeated query parameter names, each perhaps several separated by commas."""
    if not isinstance(value, list):
        return value
    return [part.strip() for text in value for part in str(text).split(",")]


def write_cursor(cursor: Cursor) -> str:
    """Write the end of a page as URL-safe text."""
    text = f"{(cursor.created_at - _EPOCH) // _MICROSECOND}.{cursor.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read it back.

    Raises:
        ValueError: it was not written by us.
    """
    if len(text) > _MAX_CHARS or not text.isascii():
        raise ValueError("must be the next_cursor of an earlier answer")
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        plain = ""
    if not _CURSOR.fullmatch(plain):
        raise ValueError("must be the next_cursor of an earlier answer")
    micros, _, payment_id = plain.partition(".")
    return Cursor(_EPOCH + int(micros) * _MICROSECOND, payment_id)
