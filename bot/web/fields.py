"""The kinds of field that `/v1` takes: each reads one value or says what it must be.

No message repeats the value, since answers end up in other people's logs.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from bot.domain.cards import holds_card
from bot.domain.identity import parse_email, parse_phone
from bot.domain.money import MAX_MINOR, is_currency
from bot.domain.reminders import plan_of
from bot.handlers.planning import parse_target
from bot.handlers.rules import Rules
from channels.base import ChannelName

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_LOCALE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,4}){0,2}")
_CHAT_ID = re.compile(r"-?[1-9][0-9]{0,18}")
# What moves or hides the text around it, where staff would read something else than is meant.
_UNSAFE = re.compile("[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


MAX_ROW_ID = 2**63 - 1
RowId = Annotated[int, Path(ge=1, le=MAX_ROW_ID)]
"""A number in a path; a larger one fits no column."""


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with an offset, as 2026-04-03T14:05:00-06:00")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time of any calendar") from None


def _line(max_chars: int) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = value.strip()
        if not text:
            raise ValueError("must not be empty; leave it out or send null")
        if len(text) > max_chars:
            raise ValueError(f"must have at most {max_chars} characters")
        if _UNSAFE.search(text) or any(unicodedata.category(char) == "Cc" for char in text):
            raise ValueError("must be one line without control characters")
        if holds_card(text):
            raise ValueError("must hold no card number")
        return text

    return BeforeValidator(check)


def _chat_id(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _CHAT_ID.fullmatch(value) or value.startswith("-"):
        raise ValueError("must be the numeric id of a private Telegram chat")
    return value


def _phone(value: str, info: ValidationInfo) -> str:
    return parse_phone(value, _region(info)).e164


def _locale(value: str) -> str:
    if not _LOCALE.fullmatch(value):
        raise ValueError("must be a language, as es, es-GT or pt-BR")
    return value


def _currency(value: str) -> str:
    if not is_currency(value):
        raise ValueError("must be an ISO 4217 code in capitals, as GTQ")
    return value


def _region(info: ValidationInfo) -> str:
    rules: Rules | None = info.context["rules"] if info.context else None
    return "" if rules is None else rules.region


def _reminders(wanted: object, info: ValidationInfo) -> object:
    rules: Rules | None = info.context["rules"] if info.context else None
    if rules is not None:
        plan_of(wanted, rules.plans, max_steps=rules.reminding.max_steps)
    return wanted


def _target(value: str, info: ValidationInfo) -> str:
    at = parse_target(value)
    if at is None:
        raise ValueError("must be telegram:<chat id>, whatsapp:+…, sms:+… or email:…")
    match at.channel:
        case ChannelName.TELEGRAM:
            if not _CHAT_ID.fullmatch(at.value):
                raise ValueError("must name a Telegram chat by its numeric id")
            return value
        case ChannelName.EMAIL:
            return f"email:{parse_email(at.value)}"
        case _:
            return f"{at.channel.value}:{parse_phone(at.value, _region(info)).e164}"


ChannelWord = Literal["whatsapp", "sms", "email", "telegram", "web", "app"]
"""Our channels and the two whose link is handed over by whoever asked for it."""
CourierWord = Literal["whatsapp", "sms", "email", "telegram"]
Actor = Annotated[str, _line(100)]
Amount = Annotated[int, Field(ge=1, le=MAX_MINOR)]
ChatId = Annotated[str, BeforeValidator(_chat_id)]
Concept = Annotated[str, _line(200)]
Currency = Annotated[str, AfterValidator(_currency)]
Email = Annotated[str, AfterValidator(parse_email)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Locale = Annotated[str, AfterValidator(_locale)]
Name = Annotated[str, _line(100)]
Phone = Annotated[str, AfterValidator(_phone)]
"""Kept as E.164; may be national to the region named in the validation's context."""
Reminders = Annotated[str | list[str], BeforeValidator(_reminders)]
"""`default`, `off`, the name of a plan, or own steps as `due-3`, `due`, `due+2 last`."""
Reference = Annotated[str, _line(200)]
Target = Annotated[str, AfterValidator(_target)]
"""Where staff are told: `telegram:<chat id>`, `whatsapp:+…`, `sms:+…` or `email:…`."""
