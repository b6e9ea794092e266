"""Reads one update: what a person wrote, tapped or shared in a private chat with the bot.

Pure. Groups, channels, forwards, edits and other bots give nothing.
Source: Telegram Bot API, "Update", read 2026-11.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from channels.base import (
    Address,
    ChannelName,
    InboundEvent,
    InboundMessage,
    ReachChange,
    SharedContact,
)
from channels.errors import MalformedError

_REACHABLE: Final = {"member": True, "kicked": False}
_WRITTEN: Final = frozenset(
    {"text", "caption", "title", "first_name", "last_name", "file_name", "question", "query"}
)
"""Where people write; all else is numbers, ids, kinds and what we wrote ourselves."""
_FORWARDED: Final = ("forward_origin", "forward_date")
Json = Mapping[str, Any]


def update_id(body: bytes) -> str | None:
    """The update's own id; None if the body is unreadable."""
    try:
        return str(_number(_document(body), "update_id"))
    except MalformedError:
        return None


def cover_update(body: bytes, hide: Callable[[str], str]) -> bytes:
    """An update with every text and name in it as `hide` gives it back."""
    try:
        document = _document(body)
        covered = _covered(document, hide)
    except (MalformedError, RecursionError):
        return body
    return body if covered == document else json.dumps(covered).encode()


def _covered(value: object, hide: Callable[[str], str], name: str = "") -> object:
    if isinstance(value, str):
        return hide(value) if name in _WRITTEN else value
    if isinstance(value, list):
        return [_covered(each, hide, name) for each in value]
    if isinstance(value, dict):
        return {key: _covered(each, hide, key) for key, each in value.items()}
    return value


def parse_update(body: bytes) -> Sequence[InboundEvent]:
    """Read an update as Telegram sends it.

    Returns:
        One event, or none for a kind that does not concern us.

    Raises:
        MalformedError: no JSON, or not the shape of a kind that does.
    """
    update = _document(body)
    event_id = str(_number(update, "update_id"))
    if "message" in update:
        event: InboundEvent | None = _message(event_id, _object(update, "message"))
    elif "callback_query" in update:
        event = _tap(event_id, _object(update, "callback_query"))
    elif "my_chat_member" in update:
        event = _reach(event_id, _object(update, "my_chat_member"))
    else:
        event = None
    return () if event is None else (event,)


def _message(event_id: str, message: Json) -> InboundMessage | None:
    chat_id = _private_chat(message)
    if chat_id is None or "from" not in message or any(key in message for key in _FORWARDED):
        return None
    author = _object(message, "from")
    if author.get("is_bot"):
        return None
    return InboundMessage(
        event_id=event_id,
        sender=Address(ChannelName.TELEGRAM, chat_id),
        text=_text(message, "text") or _text(message, "caption") or "",
        at=_time(message),
        replied_to=_replied_to(message, chat_id),
        sender_name=_text(author, "first_name"),
        contact=_contact(message, _number(author, "id")),
        user_id=str(_number(author, "id")),
        extra={**_language(author), **_document_sent(message), **_attached(message)},
    )


def _tap(event_id: str, query: Json) -> InboundMessage | None:
    """A tapped button; under a message of ours, which may be too old for all but its number."""
    author = _object(query, "from")
    payload = _text(query, "data")
    if "message" not in query or payload is None or author.get("is_bot"):
        return None
    under = _object(query, "message")
    chat_id = _private_chat(under)
    if chat_id is None:
        return None
    return InboundMessage(
        event_id=event_id,
        sender=Address(ChannelName.TELEGRAM, chat_id),
        text="",
        payload=payload,
        tap_id=_text(query, "id"),
        replied_to=f"{chat_id}:{_number(under, 'message_id')}",
        sender_name=_text(author, "first_name"),
        user_id=str(_number(author, "id")),
    )


def _reach(event_id: str, change: Json) -> ReachChange | None:
    """A person blocked the bot or came back."""
    chat_id = _private_chat(change)
    status = _text(_object(change, "new_chat_member"), "status")
    if chat_id is None or status not in _REACHABLE:
        return None
    return ReachChange(
        event_id=event_id,
        sender=Address(ChannelName.TELEGRAM, chat_id),
        is_reachable=_REACHABLE[status],
        at=_time(change),
    )


def _private_chat(message: Json) -> str | None:
    chat = _object(message, "chat")
    return str(_number(chat, "id")) if chat.get("type") == "private" else None


def _contact(message: Json, author_id: int) -> SharedContact | None:
    """A shared card; somebody else's may lack the user, and a number may lack its plus."""
    if "contact" not in message:
        return None
    contact = _object(message, "contact")
    phone = (_text(contact, "phone_number") or "").strip()
    if not phone:
        raise MalformedError("a contact without number")
    return SharedContact(
        phone if phone.startswith("+") else f"+{phone}",
        is_own=contact.get("user_id") == author_id,
    )


def _replied_to(message: Json, chat_id: str) -> str | None:
    if "reply_to_message" not in message:
        return None
    return f"{chat_id}:{_number(_object(message, 'reply_to_message'), 'message_id')}"


def _language(author: Json) -> Mapping[str, str]:
    """What the person's app speaks, an IETF tag as "pt-br"."""
    spoken = _text(author, "language_code")
    return {} if spoken is None else {"language_code": spoken}


def _document_sent(message: Json) -> Mapping[str, str]:
    """A file that came with the message, as {"file_id", "file_name", "mime_type", "size"}."""
    if "document" not in message:
        return {}
    document = _object(message, "document")
    found = {name: _text(document, name) for name in ("file_id", "file_name", "mime_type")}
    size = document.get("file_size")
    return {
        **{name: value for name, value in found.items() if value is not None},
        **({"size": str(size)} if isinstance(size, int) else {}),
    }


_KINDS: Final = {
    "photo": "photo",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "voice": "recording",
    "audio": "recording",
    "sticker": "sticker",
    "document": "document",
}


def _attached(message: Json) -> Mapping[str, str]:
    """What kind of file came with the message; an animation is a document too.

    Source: Bot API, Message.
    """
    return next(({"attachment": kind} for name, kind in _KINDS.items() if name in message), {})


def _document(body: bytes) -> Json:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("no JSON") from None
    if not isinstance(document, dict):
        raise MalformedError("no JSON object")
    return document


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise MalformedError(f"{name} is no object")
    return value


def _number(parent: Json, name: str) -> int:
    value = parent.get(name)
    if type(value) is not int or abs(value) >= 1 << 63:
        raise MalformedError(f"{name} is no number")
    return value


def _text(parent: Json, name: str) -> str | None:
    """A text that any database keeps: without NUL and lone surrogates; None for an empty one."""
    value = parent.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no text")
    return value.replace("\0", "").encode("utf-8", "replace").decode() or None


def _time(parent: Json) -> datetime | None:
    if "date" not in parent:
        return None
    try:
        return datetime.fromtimestamp(_number(parent, "date"), UTC)
    except (OverflowError, ValueError, OSError):
        raise MalformedError("date is no time") from None
