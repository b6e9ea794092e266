"""Reads the cells of one row: each gives a value or says what is wrong with it.

A fault is named by a code that a text is chosen by; it never repeats what the cell says.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from babel import Locale

from bot.domain.bulk_columns import Column, fold
from bot.domain.bulk_row import Fault, RowRequest
from bot.domain.identity import (
    EmailError,
    Phone,
    PhoneError,
    parse_email,
    parse_phone,
    time_zone,
)
from bot.domain.money import AmountError, Money, parse_amount

MAX_AHEAD = timedelta(days=90)
"""How far ahead a date may lie: a slip of the year must not become a plan."""

_CHANNELS = {
    "whatsapp": "whatsapp,wa,whats app,wsp",
    "sms": "sms,mensaje de texto,texto,text,mensagem de texto",
    "email": "email,e mail,mail,correo,correo electronico",
    "telegram": "telegram,tg",
    "web": "web",
    "app": "app",
}
_LANGUAGES = {
    "es": "es,espanol,spanish,espanhol",
    "en": "en,ingles,english",
    "pt-BR": "pt,pt br,portugues,portuguese",
}
_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d\d?)[-/.](?P<d>\d\d?)(?:[T ][0-9:.]+)?", re.ASCII),
    re.compile(r"(?P<d>\d\d?)[-/.](?P<m>\d\d?)[-/.](?P<y>\d{4})", re.ASCII),
)
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TWO_WAYS = re.compile(r"[0-9]+[.,][0-9]{3}")
_SEPARATORS = re.compile(r"[,;>|/+\n]+")
_LAST_MINUTE = time(23, 59)
_MORNING = time(9)


class FieldError(ValueError):
    """A cell cannot be taken; `code` names why, `detail` what it is about."""

    def __init__(self, code: str, detail: str = "") -> None:
        """Keep what a text is chosen by."""
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class BulkRules:
    """What rows are checked against.

    `channels` are those that are on. `route` is for rows that name no channel. `region` is the
    ISO 3166 country of numbers without a plus. `now` is when the file is checked.
    """

    region: str
    currencies: frozenset[str]
    channels: frozenset[str]
    route: tuple[str, ...]
    now: datetime
    time_zone: str = "UTC"


_Value = TypeVar("_Value")


def read_row(
    texts: Mapping[Column, str], rules: BulkRules
) -> tuple[RowRequest | None, list[Fault]]:
    """Read one row: a request, or else every fault that it has.

    Args:
        texts: the cells, trimmed, of the columns that the file has.
        rules: what they are checked against.
    """
    row = _Row(texts, rules)
    phone, money = row.take(row.phone), row.take(row.money)
    email = row.take(row.email)
    route = row.take(lambda: row.route(has_email=email is not None))
    name = row.take(lambda: row.line(Column.NAME, 100))
    concept = row.take(lambda: row.line(Column.CONCEPT, 200))
    reference = row.take(lambda: row.line(Column.REFERENCE, 200))
    locale = row.take(row.language)
    send_at, due_at = row.dates(None if phone is None else time_zone(phone.e164))
    if phone is None or money is None or route is None or row.faults:
        return None, row.faults
    request = RowRequest(
        phone=phone.e164,
        country=phone.country,
        money=money,
        route=route,
        name=name,
        email=email,
        locale=locale,
        concept=concept,
        reference=reference,
        send_at=send_at,
        due_at=due_at,
    )
    return request, []


class _Row:
    """One row being read; `take` collects what is wrong with it."""

    def __init__(self, texts: Mapping[Column, str], rules: BulkRules) -> None:
        self._texts = texts
        self._rules = rules
        self.faults: list[Fault] = []

    def take(self, read: Callable[[], _Value]) -> _Value | None:
        try:
            return read()
        except FieldError as error:
            self.faults.append(Fault(error.code, error.detail))
            return None

    def _text(self, column: Column) -> str:
        return self._texts.get(column, "")

    def phone(self) -> Phone:
        text = self._text(Column.PHONE)
        if not text:
            raise FieldError("phone_missing")
        region = _country(self._text(Column.COUNTRY))
        try:
            phone = _read_phone(text, region or self._rules.region)
        except PhoneError as error:
            raise FieldError(f"phone_{error.problem.value}") from None
        if region is not None and phone.country != region:
            raise FieldError("phone_abroad", phone.country)
        return phone

    def money(self) -> Money:
        text, currency = self._text(Column.AMOUNT), self._currency()
        if not text:
            raise FieldError("amount_missing")
        try:
            return parse_amount(text, currency)
        except AmountError:
            code = "amount_two_ways" if _TWO_WAYS.fullmatch(text) else "amount_wrong"
            raise FieldError(code) from None

    def _currency(self) -> str:
        enabled = ", ".join(sorted(self._rules.currencies))
        code = self._text(Column.CURRENCY).upper()
        if not code:
            if len(self._rules.currencies) == 1:
                return next(iter(self._rules.currencies))
            raise FieldError("currency_missing", enabled)
        if code not in self._rules.currencies:
            raise FieldError("currency_off", enabled)
        return code

    def email(self) -> str | None:
        text = self._text(Column.EMAIL)
        try:
            return parse_email(text) if text else None
        except EmailError:
            raise FieldError("email_wrong") from None

    def route(self, *, has_email: bool) -> tuple[str, ...]:
        parts = [fold(part) for part in _SEPARATORS.split(self._text(Column.CHANNEL))]
        route = tuple(_channel(part) for part in parts if part)
        if not route:
            route = tuple(each for each in self._rules.route if has_email or each != "email")
        off = [name for name in route if name not in self._rules.channels]
        if off or not route:
            raise FieldError("channel_off", ", ".join(off))
        if len(set(route)) != len(route):
            raise FieldError("channel_twice")
        if "email" in route and not has_email:
            raise FieldError("email_missing")
        return route

    def line(self, column: Column, most: int) -> str | None:
        text = self._text(column)
        if len(text) > most:
            raise FieldError(f"{column.value}_too_long", str(most))
        if any(unicodedata.category(char) in _HIDDEN for char in text):
            raise FieldError(f"{column.value}_not_a_line")
        return text or None

    def language(self) -> str | None:
        text = self._text(Column.LANGUAGE)
        if not text:
            return None
        found = _words(tuple(_LANGUAGES.items())).get(fold(text))
        if found is None:
            raise FieldError("language_unknown")
        return found

    def dates(self, home: str | None) -> tuple[datetime | None, datetime | None]:
        """When to send and until when, in the customer's own time zone."""
        zone = _zone(home or self._rules.time_zone)
        send = self.take(lambda: self._day(Column.SEND, zone, _MORNING))
        due = self.take(lambda: self._day(Column.DUE, zone, _LAST_MINUTE))
        if send is not None and due is not None and due < send:
            self.faults.append(Fault("due_before_send"))
        return send, due

    def _day(self, column: Column, zone: ZoneInfo, at: time) -> datetime | None:
        text, now = self._text(column), self._rules.now
        if not text:
            return None
        match = next((found for form in _DATES if (found := form.fullmatch(text))), None)
        if match is None:
            raise FieldError(f"{column.value}_wrong")
        try:
            day = date(int(match["y"]), int(match["m"]), int(match["d"]))
            moment = datetime.combine(day, at, zone).astimezone(UTC)
        except (ValueError, OverflowError):
            raise FieldError(f"{column.value}_wrong") from None
        if column is Column.SEND and day == now.astimezone(zone).date():
            return None
        if moment <= now:
            raise FieldError(f"{column.value}_past")
        if moment > now + MAX_AHEAD:
            raise FieldError(f"{column.value}_far", str(MAX_AHEAD.days))
        return moment


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _country(text: str) -> str | None:
    if not text:
        return None
    code = _countries().get(fold(text))
    if code is None:
        raise FieldError("country_unknown")
    return code


def _read_phone(text: str, region: str) -> Phone:
    """Read a number; where it is none of `region`, as one whose plus a spreadsheet ate."""
    try:
        return parse_phone(text, region)
    except PhoneError as error:
        digits = re.sub(r"[ .\-()]", "", text)
        if not (digits.isascii() and digits.isdecimal() and 10 <= len(digits) <= 15):
            raise
        try:
            return parse_phone(f"+{digits}", region)
        except PhoneError:
            raise error from None


def _channel(name: str) -> str:
    found = _words(tuple(_CHANNELS.items())).get(name)
    if found is None:
        raise FieldError("channel_unknown")
    return found


@cache
def _words(spoken: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {word: name for name, words in spoken for word in words.split(",")}


@cache
def _countries() -> dict[str, str]:
    """ISO codes and names in our three languages, folded."""
    found: dict[str, str] = {}
    for language in ("es", "en", "pt"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha():
                found[fold(name)] = code
                found[code.lower()] = code
    return found
