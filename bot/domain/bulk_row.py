"""What one row of a file of payments asks for, or what is wrong with it, and how both are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bot.domain.identity import person_key
from bot.domain.money import Money

Same: TypeAlias = tuple[str, Money]
"""Who is asked, under one spelling, and for how much."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row; `detail` is a row number, a currency or a channel it is about."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}={self.detail}" if self.detail else self.code


def write_faults(faults: Sequence[Fault]) -> str:
    """Faults as one line to keep, as `phone_too_short;reference_twice=17`."""
    return ";".join(str(fault).replace(";", ",") for fault in faults)


def read_faults(text: str | None) -> list[Fault]:
    """What `write_faults` wrote."""
    parts = [part.partition("=") for part in (text or "").split(";") if part]
    return [Fault(code, detail) for code, _, detail in parts]


@dataclass(frozen=True, slots=True)
class RowRequest:
    """A payment that one row asks for, checked."""

    phone: str
    country: str
    money: Money
    route: tuple[str, ...]
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    concept: str | None = None
    reference: str | None = None
    send_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def same(self) -> Same:
        """What a second request must not share with this one by a slip."""
        return person_key(self.phone), self.money

    def document(self) -> dict[str, object]:
        """The same as JSON can hold it; what is not known is left out."""
        found: dict[str, object | None] = {
            "phone": self.phone,
            "country": self.country,
            "minor": self.money.minor,
            "currency": self.money.currency,
            "route": list(self.route),
            "name": self.name,
            "email": self.email,
            "locale": self.locale,
            "concept": self.concept,
            "reference": self.reference,
            "send_at": None if self.send_at is None else self.send_at.isoformat(),
            "due_at": None if self.due_at is None else self.due_at.isoformat(),
        }
        return {key: value for key, value in found.items() if value is not None}


def read_request(document: Mapping[str, object]) -> RowRequest:
    """What `RowRequest.document` wrote.

    Raises:
        TypeError: it is something else.
    """
    route, minor = document.get("route"), document.get("minor")
    if not isinstance(route, list) or not isinstance(minor, int):
        raise TypeError("this is no request of a row")
    texts = {key: value for key, value in document.items() if isinstance(value, str)}
    return RowRequest(
        phone=texts["phone"],
        country=texts["country"],
        money=Money(minor, texts["currency"]),
        route=tuple(map(str, route)),
        name=texts.get("name"),
        email=texts.get("email"),
        locale=texts.get("locale"),
        concept=texts.get("concept"),
        reference=texts.get("reference"),
        send_at=_instant(texts.get("send_at")),
        due_at=_instant(texts.get("due_at")),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
