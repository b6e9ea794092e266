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
from bot.texts.facts import DebtFacts, Facts
from bot.texts.formats import format_money, format_time

Value = str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the customer's own `locale`; date patterns and words of the language written."""

    locale: str
    patterns: Mapping[str, str]
    merchant: str
    digest: Mapping[str, str]


def _merchant(facts: Facts, reader: Reader) -> Value:
    return reader.merchant


def _name(facts: Facts, reader: Reader) -> Value:
    return no_links(facts.name, NAME_CHARS) or None if facts.name else None


def _amount(facts: Facts, reader: Reader) -> Value:
    return None if facts.money is None else format_money(facts.money, reader.locale)


def _refund(facts: Facts, reader: Reader) -> Value:
    return None if facts.refund is None else format_money(facts.refund, reader.locale)


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


def _void(facts: Facts, reader: Reader) -> Value:
    return one_line(facts.extra.get("void", ""), REFERENCE_CHARS) or None


def _debts(facts: Facts, reader: Reader) -> Value:
    lines = [_debt_line(debt, facts, reader) for debt in facts.debts]
    if facts.more:
        lines.append(reader.digest["more"].replace("{number}", str(facts.more)))
    return "\n\n".join(lines) or None


def _debt_line(debt: DebtFacts, facts: Facts, reader: Reader) -> str:
    due = _time(debt.due_at, "day", facts, reader)
    parts = (
        format_money(debt.money, reader.locale),
        no_links(debt.concept, CONCEPT_CHARS) if debt.concept else None,
        reader.digest["due"].replace("{due}", due) if due else None,
    )
    return f"• {' · '.join(filter(None, parts))}\n{debt.url}"


def _count(facts: Facts, reader: Reader) -> Value:
    return str(len(facts.debts) + facts.more) if facts.debts else None


def _totals(facts: Facts, reader: Reader) -> Value:
    return " + ".join(format_money(money, reader.locale) for money in facts.totals) or None


def _replies(facts: Facts, reader: Reader) -> Value:
    return "yes" if facts.has_replies else None


def _chat(facts: Facts, reader: Reader) -> Value:
    return facts.chat_url or None


VALUES: dict[str, Callable[[Facts, Reader], Value]] = {
    "merchant": _merchant,
    "name": _name,
    "amount": _amount,
    "refund": _refund,
    "concept": _concept,
    "reference": _reference,
    "url": _url,
    "due": _due,
    "expires": _expires,
    "paid": _paid,
    "payment_id": _payment_id,
    "detail": _detail,
    "void": _void,
    "debts": _debts,
    "count": _count,
    "totals": _totals,
    "replies": _replies,
    "chat": _chat,
}
"""Every variable a text may use."""


def values_of(names: frozenset[str], facts: Facts, reader: Reader) -> dict[str, Value]:
    """The wanted variables only: a date that nobody reads is not formatted."""
    return {name: VALUES[name](facts, reader) for name in names}
