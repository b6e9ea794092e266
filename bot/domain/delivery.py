"""What may become of one thing we do, and when it is tried again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.bulk import BulkRow, FileError
from channels.base import DeliveryReport, DeliveryState, Refusal


@dataclass(frozen=True, slots=True)
class Sent:
    """A provider took a message under this id."""

    provider_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LinkMade:
    """Migo made a link."""

    uid: str
    reference: str | None
    url: str


@dataclass(frozen=True, slots=True)
class MenuSet:
    """A chat app shows the menu of commands that it was given."""


@dataclass(frozen=True, slots=True)
class FileFetched:
    """A file that staff sent was read: its checked rows, or why it is no file of rows."""

    checked: Sequence[BulkRow] | FileError


@dataclass(frozen=True, slots=True)
class Asked:
    """A provider was asked for its last word on a message; None if it has none that is known."""

    report: DeliveryReport | None


@dataclass(frozen=True, slots=True)
class Done:
    """It happened, with this result."""

    result: Sent | LinkMade | MenuSet | FileFetched | Asked


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It surely did not happen and may be tried again, after `after_s` if the provider said so."""

    reason: str
    code: str | None = None
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have happened; the class of the message decides what follows."""

    reason: str
    code: str | None = None
    uid: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It surely did not happen and never will this way."""

    reason: str
    code: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Unfound:
    """An earlier try of it was looked for in vain; it is looked for again before it is sent."""

    reason: str = "it was not found at the provider yet"
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The provider has messages that look like it, latest first; one may be its earlier try.

    Whose they are is for the books to say. Where what it `hides` tells it from others, a message
    that looks like it may still be another.
    """

    provider_ids: Sequence[str]
    at: datetime
    hides: bool = False
    reason: str = "messages like it were found at the provider"
    code: str | None = None


Outcome = Done | RetryLater | Uncertain | Refused | Unfound | Found

DIED = Uncertain("the process died in mid-call", code="died")
"""What became of a call whose process is gone."""

LOOKS_BEFORE_RESEND = 2
"""How often a provider is asked for a message that may have left, before it is sent again."""


class Purpose(StrEnum):
    """Why a message is sent."""

    LINK = "link"
    """The payment link."""
    REMINDER = "reminder"
    """A nudge about an unpaid link."""
    RECEIPT = "receipt"
    """The money arrived."""
    DENIED = "denied"
    """An attempt failed; the same link works."""
    REFUNDED = "refunded"
    """Money went back."""
    REVERSED = "reversed"
    """The bank undid the payment."""
    REPLY = "reply"
    """An answer to something a person wrote."""
    INVITE = "invite"
    """A way into another channel."""
    STAFF = "staff"
    """News for whoever created the payment."""


class OnUncertain(StrEnum):
    """What follows when nobody knows whether a message left."""

    RESEND = "resend"
    """The same text twice is harmless, silence is not."""
    DROP = "drop"
    """A lost one is harmless, a doubled one annoys."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a message of one purpose behaves.

    `asks_money` is stopped by payment, cancellation and opt-out. `is_exempt` may go to someone who
    said stop, since they asked for it or their money moved. `give_up` is counted from planning.
    """

    on_uncertain: OnUncertain
    give_up: timedelta
    asks_money: bool = False
    is_exempt: bool = False
    follows_route: bool = False


MANNERS: dict[Purpose, Manners] = {
    Purpose.LINK: Manners(
        OnUncertain.RESEND, timedelta(hours=24), asks_money=True, follows_route=True
    ),
    Purpose.REMINDER: Manners(
        OnUncertain.DROP, timedelta(hours=10), asks_money=True, follows_route=True
    ),
    Purpose.RECEIPT: Manners(
        OnUncertain.RESEND, timedelta(hours=72), is_exempt=True, follows_route=True
    ),
    Purpose.DENIED: Manners(
        OnUncertain.DROP, timedelta(hours=6), asks_money=True, follows_route=True
    ),
    Purpose.REFUNDED: Manners(
        OnUncertain.RESEND, timedelta(hours=72), is_exempt=True, follows_route=True
    ),
    Purpose.REVERSED: Manners(
        OnUncertain.RESEND, timedelta(hours=72), is_exempt=True, follows_route=True
    ),
    Purpose.REPLY: Manners(OnUncertain.RESEND, timedelta(hours=1), is_exempt=True),
    Purpose.INVITE: Manners(OnUncertain.RESEND, timedelta(hours=24), follows_route=True),
    Purpose.STAFF: Manners(OnUncertain.RESEND, timedelta(hours=24), is_exempt=True),
}
"""One row a purpose; a test asserts that none is missing."""

ASKING = frozenset(purpose for purpose, manners in MANNERS.items() if manners.asks_money)
"""What asks for money, and so shows a link."""

NEWS_OF_MONEY = frozenset({Purpose.RECEIPT, Purpose.REFUNDED, Purpose.REVERSED})
"""What tells of money that moved: better twice than never."""

MAX_RESENDS_WHEN_UNCERTAIN = 2
MAX_RESENDS_OF_NEWS = 7
"""Of news of money, where no other channel is left to carry it."""
MAX_RESENDS_WHEN_DIED = 7
"""The death of our own process says nothing about a message; one that causes it ends some time."""
TRIES_BEFORE_NEXT_CHANNEL = 5
_BACKOFF_CAP_S = 900.0


def backoff_s(attempts: int, random: Callable[[], float]) -> float:
    """Seconds to wait before the next try: exponential with full jitter, at most 15 minutes.

    Args:
        attempts: tries made so far, at least 1.
        random: gives a number from 0 up to, not including, 1.
    """
    ceiling = min(_BACKOFF_CAP_S, 2.0 ** min(attempts, 10))
    return max(0.5, ceiling * random())


def wait_after_death_s(deaths: int) -> float:
    """Seconds for which what our process died over waits: none at first, then 2, 4, 8.

    And so on, so that nothing which comes after it is held up, even if each start dies of it.

    Args:
        deaths: those before the last one.
    """
    return 2.0**deaths if deaths else 0.0


_UNCERTAIN_RESEND_S = 30.0


def uncertain_resend_s(uncertain: int, *, can_look: bool) -> float:
    """Seconds before what may have left is sent again: 30, 30, then 60, 120 and so on.

    Args:
        uncertain: sends before the last one of which nobody knows.
        can_look: the provider is asked first, with such waits of its own: the first two are spared.
    """
    if uncertain < MAX_RESENDS_WHEN_UNCERTAIN:
        return 0.0 if can_look else _UNCERTAIN_RESEND_S
    return _UNCERTAIN_RESEND_S * 2.0 ** (uncertain - 1)


_CREATE_RETRY_S = (1.0, 5.0, 30.0)


def create_retry_s(attempts: int, random: Callable[[], float]) -> float:
    """Seconds before a surely not created link is tried again: 1, 5, 30, then every 5 minutes."""
    base = _CREATE_RETRY_S[attempts - 1] if attempts <= len(_CREATE_RETRY_S) else 300.0
    return base * (0.75 + 0.5 * random())


MAX_UNKNOWN_CREATES = 3
_UNKNOWN_CREATE_S = (5.0, 30.0)


def unknown_create_s(unknowns: int) -> float:
    """Seconds before a new attempt follows a create of unknown outcome: 5, then 30."""
    return _UNKNOWN_CREATE_S[min(unknowns, len(_UNKNOWN_CREATE_S)) - 1]


_RANK = {
    DeliveryState.QUEUED: 1,
    DeliveryState.SENDING: 2,
    DeliveryState.SENT: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.UNDELIVERED: 4,
    DeliveryState.DELIVERED: 5,
    DeliveryState.READ: 6,
}


def fold_delivery(known: DeliveryState | None, news: DeliveryState) -> DeliveryState:
    """The higher of two words on one message; a failure never beats delivered.

    Of two failures the first keeps, so that order does not matter for what is done about it.
    """
    if known is None or _RANK[news] > _RANK[known]:
        return news
    return known


class MessageStatus(StrEnum):
    """What a person is shown of a message."""

    PLANNED = "planned"
    """Waits for its time."""
    SENDING = "sending"
    """With the provider's API right now."""
    ACCEPTED = "accepted"
    """The provider has it; no delivery report yet."""
    SENT = "sent"
    """Handed to the carrier."""
    DELIVERED = "delivered"
    """On the handset."""
    READ = "read"
    """Seen."""
    FAILED = "failed"
    """The provider could not deliver it."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether it left."""
    DEAD = "dead"
    """Given up; a person must look."""
    CANCELLED = "cancelled"
    """No longer wanted, before it left."""


_SHOWN = {
    DeliveryState.QUEUED: MessageStatus.ACCEPTED,
    DeliveryState.SENDING: MessageStatus.ACCEPTED,
    DeliveryState.SENT: MessageStatus.SENT,
    DeliveryState.FAILED: MessageStatus.FAILED,
    DeliveryState.UNDELIVERED: MessageStatus.FAILED,
    DeliveryState.DELIVERED: MessageStatus.DELIVERED,
    DeliveryState.READ: MessageStatus.READ,
}


def shown_status(state: DeliveryState | None) -> MessageStatus:
    """How an accepted message is shown, given the provider's last word on it."""
    return MessageStatus.ACCEPTED if state is None else _SHOWN[state]
