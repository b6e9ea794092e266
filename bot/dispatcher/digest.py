"""Reads the payments that a digest lists out of the payload of its outbox row.

`{"debts": [{"amount_minor", "currency", "concept", "due", "url"}, …], "more": 2}`; `due` is a
moment or a day, or None. With debts left out, `totals` must say what all make together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.domain.money import Money
from bot.texts import Facts, format_money
from bot.texts.facts import DebtFacts
from channels.base import Button, UrlButton

_NOON = timedelta(hours=12)


def with_digest(facts: Facts, payload: Mapping[str, object]) -> Facts:
    """These facts, and those of the list, where there is one.

    Raises:
        KeyError: a payment of the list lacks something.
        ValueError: one of them cannot be read.
    """
    kept, more, totals = payload.get("debts"), payload.get("more"), payload.get("totals")
    if not isinstance(kept, list):
        return facts
    debts = tuple(_debt(each) for each in kept)
    left_out = more if isinstance(more, int) else 0
    told = [_money(each) for each in totals] if isinstance(totals, list) else []
    sums = told or ([] if left_out else _sums([debt.money for debt in debts]))
    return replace(facts, debts=debts, more=left_out, totals=tuple(sums))


def pay_buttons(debts: Sequence[DebtFacts], pay: str, locale: str) -> tuple[Button, ...]:
    """A button for each payment; `pay` is the word on it."""
    return tuple(UrlButton(f"{pay} {format_money(each.money, locale)}", each.url) for each in debts)


def _debt(kept: Mapping[str, object]) -> DebtFacts:
    concept, due = kept["concept"], kept["due"]
    return DebtFacts(
        money=_money(kept),
        concept=concept if isinstance(concept, str) else None,
        due_at=_moment(due) if isinstance(due, str) else None,
        url=str(kept["url"]),
    )


def _money(kept: Mapping[str, object]) -> Money:
    return Money(int(str(kept["amount_minor"])), str(kept["currency"]))


def _moment(text: str) -> datetime:
    """A moment; a day is its noon, which is the same day in every zone of the Americas."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC) + _NOON


def _sums(monies: Sequence[Money]) -> list[Money]:
    """What they make in each currency: sums of different ones are never added."""
    sums: dict[str, int] = {}
    for money in monies:
        sums[money.currency] = sums.get(money.currency, 0) + money.minor
    return [Money(minor, currency) for currency, minor in sorted(sums.items())]
