"""Turns facts into the variables of the templates, one function a variable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.texts.clean import (
    CONCEPT_CHARS,
    DETAIL_CHARS,
    NAME_CHARS,
    REFERENCE_CHARS,
    no_links,
    one_line,
)
from bot.texts.facts import Facts
from bot.texts.formats import format_money, format_time

Value = str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the customer's own `locale` and the date patterns of the language written."""

    locale: str
    patterns: Mapping[str, str]
    merchant: str


def _merchant(facts: Facts, reader: Reader) -> Value:
    return reader.merchant


def _name(facts: Facts, reader: Reader) -> Value:
    return no_links(facts.name, NAME_CHARS) or None if facts.name else None


def _amount(facts: Facts, reader: Reader) -> Value:
    return None if facts.money is None else format_money(facts.money, reader.locale)


def _concept(facts: Facts, reader: Reader) -> Value:
    return no_links(facts.concept, CONCEPT_CHARS) or None if facts.concept else None


def _reference(facts: Facts, reader: Reader) -> Value:
    return one_line(facts.reference, REFERENCE_CHARS) or None if facts.reference else None


def _url(facts: Facts, reader: Reader) -> Value:
    return facts.url or None


def _due(facts: Facts, reader: Reader) -> Value:
    return _time(facts.due_at, "day", facts, reader)


def _expires(facts: Facts, reader: Reader) -> Value:
    return _time(facts.expires_at, "moment", facts, reader)


def _paid(facts: Facts, reader: Reader) -> Value:
    return _time(facts.paid_at, "stamp", facts, reader)


def _time(at: datetime | None, pattern: str, facts: Facts, reader: Reader) -> Value:
    if at is None:
        return None
    return format_time(
        at, reader.patterns[pattern], time_zone=facts.time_zone, locale=reader.locale
    )


def _payment_id(facts: Facts, reader: Reader) -> Value:
    return facts.payment_id or None


def _detail(facts: Facts, reader: Reader) -> Value:
    return one_line(facts.extra.get("detail", ""), DETAIL_CHARS) or None


VALUES: dict[str, Callable[[Facts, Reader], Value]] = {
    "merchant": _merchant,
    "name": _name,
    "amount": _amount,
    "concept": _concept,
    "reference": _reference,
    "url": _url,
    "due": _due,
    "expires": _expires,
    "paid": _paid,
    "payment_id": _payment_id,
    "detail": _detail,
}
"""Every variable a text may use."""


def values_of(names: frozenset[str], facts: Facts, reader: Reader) -> dict[str, Value]:
    """The wanted variables only: a date that nobody reads is not formatted."""
    return {name: VALUES[name](facts, reader) for name in names}
