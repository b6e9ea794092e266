"""What is known of one customer when their reminders are decided on. Pure, and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from bot.domain.calendars import Reminding, Window, instant
from bot.domain.payment import PaymentStatus
from bot.domain.reminders import Planned, Tone


@dataclass(frozen=True, slots=True)
class Ask:
    """A message that asked the customer for money and may have reached them.

    A link sent again by hand counts as a reminder, and so does one of a schedule. Where a provider
    never says whether a message arrived, one that it took and did not give back is a delivered one.
    """

    outbox_id: int
    payment_id: str
    is_reminder: bool
    channel: str
    at: datetime
    is_delivered: bool


@dataclass(frozen=True, slots=True)
class Owed:
    """A payment as reminders see it; a link sent again by hand counts as a reminder."""

    payment_id: str
    status: PaymentStatus
    expires_at: datetime | None
    is_disputed: bool
    is_exposed: bool
    series: tuple[Planned, ...]
    sent_again: int
    route: tuple[str, ...] = ()
    made: tuple[str, datetime] = ("", datetime.min.replace(tzinfo=UTC))
    """By whom and when it was made: its id is not known before."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reminder that waits for its time: the one next in its payment's series.

    `day` is the date it was planned for, which stays when it has to wait longer. `is_fresh` says
    that it was not tried over any channel yet, `route_left` names those that are left if this one
    fails. `put_off_why` is what it had to wait longer for.
    """

    outbox_id: int
    payment_id: str
    day: date
    tone: Tone
    channel: str
    not_before: datetime
    is_fresh: bool = True
    route_left: tuple[str, ...] = ()
    put_off_why: str | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """A payment whose link will be made and sent at a time to come.

    That of a schedule counts as a reminder.
    """

    at: datetime
    payment_id: str
    is_scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """All that is known of one customer: what they wish, owe, were asked, and what waits."""

    customer_id: int
    zone: ZoneInfo
    window: Window
    reminding: Reminding
    couriers: frozenset[str]
    closed: Mapping[str, str] = field(default_factory=dict)
    """Channels over which this customer cannot be reached, or wants nothing, each with why."""
    is_opted_out: bool = False
    wants_reminders: bool = True
    paused_until: datetime | None = None
    barred_why: str | None = None
    human_until: datetime | None = None
    """When a person who talks with them will have been silent for so long that it is over."""
    asks: tuple[Ask, ...] = ()
    slots: Mapping[tuple[str, date], int] = field(default_factory=dict)
    owed: Mapping[str, Owed] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    coming: tuple[Coming, ...] = ()
    """Only looked at where what will be is foreseen."""

    def day_of(self, at: datetime) -> date:
        """The customer's date at this moment."""
        return at.astimezone(self.zone).date()

    def clock(self, at: datetime) -> str:
        """What the customer's clock shows at this moment, as the books write it."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def is_open(self, channel: str) -> bool:
        """Whether a message to this customer can go over a channel."""
        return channel in self.couriers and channel not in self.closed

    def order(self, row: Waiting) -> tuple[datetime, tuple[str, datetime], str]:
        """Which of several reminders comes first, whether they are there or only foreseen."""
        return (row.not_before, self.owed[row.payment_id].made, row.payment_id)

    def on(self, day: date) -> datetime:
        """When a reminder of this date is due: at the merchant's hour, or once it is allowed.

        Raises:
            NeverOpenError: it never is.
        """
        return self.window.next_open(instant(day, self.reminding.at, self.zone), self.zone)
