"""What the handlers are told about this merchant and this installation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.domain.calendars import Reminding
from bot.domain.catalogue import Catalogue
from bot.domain.money import Money
from bot.domain.recurring import Rule, RuleError, Slot
from bot.domain.reminders import Plan
from bot.domain.staff import Caps
from channels.base import ChannelName


class Dispatches(StrEnum):
    """Whether Migo itself messages the customer."""

    YES = "yes"
    """It does: a link we never learnt of may have reached somebody."""
    NO = "no"
    """It does not: a link we never learnt of has no reader."""
    UNKNOWN = "unknown"
    """Treated as yes."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A link message as staff see it before it is sent."""

    channel: ChannelName
    money: Money
    name: str | None
    concept: str | None
    locale: str | None


def _no_preview(wanted: Preview) -> str:
    return ""


def _no_slot(rule: Rule, zone: ZoneInfo, after: date) -> Slot:
    raise RuleError("nothing here can tell when a rule comes")


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings that decisions depend on, with the sources of ids and chance.

    `reports` is the set of channels whose provider says later whether a message arrived.
    `migo_channels` maps our channel names, `web` and `app` included, to Migo's `channel` values.
    """

    couriers: frozenset[ChannelName]
    reports: frozenset[ChannelName]
    migo_channels: Mapping[str, str]
    currencies: frozenset[str]
    dispatches: Dispatches
    new_id: Callable[[], str]
    random: Callable[[], float]
    fallback_after: Mapping[ChannelName, timedelta] = field(default_factory=dict)
    link_ttl: timedelta = timedelta(days=7)
    region: str = "GT"
    locale: str = "es"
    catalogue: Catalogue = ()
    """What customers may buy in chat."""
    staff: str | None = None
    """Where news that nobody asked for goes, as `telegram:<chat id>`."""
    edits: frozenset[ChannelName] = frozenset()
    """Where a message can be changed after it was sent, and buttons be pressed."""
    caps: Caps = field(default_factory=Caps)
    """How much staff may ask for."""
    preview: Callable[[Preview], str] = _no_preview
    """Words a link message without sending it."""
    finds: frozenset[ChannelName] = frozenset()
    """Where the provider can be asked whether a message left."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Messages a second for each lane that has a limit."""
    time_zone: str = "UTC"
    """IANA name, for customers whose number does not tell."""
    reminding: Reminding = field(default_factory=Reminding)
    """When and how often customers are reminded."""
    next_slot: Callable[[Rule, ZoneInfo, date], Slot] = _no_slot
    """When a recurring rule comes next, on a later date than the one given."""
    summary_at: time | None = None
    """When staff are told of the day, by the merchant's clock; None is never."""
    plans: Mapping[str, Plan] = field(default_factory=dict)
    """The merchant's own reminder plans by name."""

    @property
    def courier_names(self) -> frozenset[str]:
        """The channels that can be sent over, by name."""
        return frozenset(name.value for name in self.couriers)

    def default_expiry(self, start: datetime, due_at: datetime | None) -> datetime:
        """When we stop asking if nobody says when: once due, with a week to be late."""
        end = start + self.link_ttl
        return end if due_at is None else max(end, due_at + timedelta(days=7))

    def fallback_of(self, channel: ChannelName) -> timedelta:
        """How long a channel may stay without a delivered report before the next one is used."""
        return self.fallback_after.get(channel, timedelta(minutes=10))

    def next_courier(self, route: tuple[str, ...]) -> tuple[ChannelName, tuple[str, ...]] | None:
        """The first channel of a route that can be sent over, and what is left after it."""
        for number, name in enumerate(route):
            if name in self.couriers:
                return ChannelName(name), route[number + 1 :]
        return None
