"""What a schedule is: a rule, what each period asks for, and what became of each period. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.domain.money import Money
from bot.domain.recurring import Rule, Slot


class ScheduleStatus(StrEnum):
    """Where a schedule stands; `MOVES` says what may follow."""

    ACTIVE = "active"
    """Makes a payment each period."""
    PAUSED = "paused"
    """Makes none until somebody resumes it; what passes meanwhile is not made up for."""
    ENDED = "ended"
    """Over, or removed; the payments it made stay."""


MOVES: Mapping[ScheduleStatus, frozenset[ScheduleStatus]] = {
    ScheduleStatus.ACTIVE: frozenset({ScheduleStatus.PAUSED, ScheduleStatus.ENDED}),
    ScheduleStatus.PAUSED: frozenset({ScheduleStatus.ACTIVE, ScheduleStatus.ENDED}),
    ScheduleStatus.ENDED: frozenset(),
}
"""Which status may follow which; nothing leads back from the end."""


class RunState(StrEnum):
    """What became of one period."""

    MADE = "made"
    """It has its payment."""
    SKIPPED = "skipped"
    """Somebody said that it is left out."""
    MISSED = "missed"
    """Nobody was there in time to make it; staff were told."""
    FAILED = "failed"
    """It could not be made, and staff were told why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What each period asks for; `due_after_days` counts from the slot's date."""

    phone: str
    money: Money
    route: tuple[str, ...]
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    telegram_chat_id: str | None = None
    concept: str | None = None
    reminders: object = "default"
    due_after_days: int | None = None

    def document(self) -> dict[str, object]:
        """The same as JSON can hold it; what is not known is left out."""
        found: dict[str, object | None] = {
            "phone": self.phone,
            "minor": self.money.minor,
            "currency": self.money.currency,
            "route": list(self.route),
            "name": self.name,
            "email": self.email,
            "locale": self.locale,
            "telegram_chat_id": self.telegram_chat_id,
            "concept": self.concept,
            "reminders": self.reminders,
            "due_after_days": self.due_after_days,
        }
        return {key: value for key, value in found.items() if value is not None}


def read_ask(document: Mapping[str, object]) -> Ask:
    """What `Ask.document` wrote.

    Raises:
        TypeError: it is something else.
    """
    route, minor, due = (document.get(name) for name in ("route", "minor", "due_after_days"))
    if not isinstance(route, list) or not isinstance(minor, int):
        raise TypeError("this is not what a schedule asks for")
    texts = {key: value for key, value in document.items() if isinstance(value, str)}
    return Ask(
        phone=texts["phone"],
        money=Money(minor, texts["currency"]),
        route=tuple(map(str, route)),
        name=texts.get("name"),
        email=texts.get("email"),
        locale=texts.get("locale"),
        telegram_chat_id=texts.get("telegram_chat_id"),
        concept=texts.get("concept"),
        reminders=document.get("reminders", "default"),
        due_after_days=due if isinstance(due, int) else None,
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule that makes a fresh payment each period; `next` is there while it is active."""

    id: str
    ask: Ask
    rule: Rule
    time_zone: str
    starts_on: date
    ends_on: date | None
    status: ScheduleStatus
    next: Slot | None
    created_by: str
    notify: str | None
    created_at: datetime

    @property
    def zone(self) -> ZoneInfo:
        """Where its dates and times are read."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one period."""

    day: date
    state: RunState
    payment_id: str | None
    why: str | None
    at: datetime


def may_move(old: ScheduleStatus, new: ScheduleStatus) -> bool:
    """Whether the table allows this move; staying is no move."""
    return new in MOVES[old]
