"""What a payment is, which moves it may make, and what Migo's facts add up to.

A link's state is a fold over the *set* of facts known about its uid, so that order and repeats
do not matter. A payment's state follows from its own story and from its links.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from bot.domain.money import Money

PaymentId = NewType("PaymentId", str)


class PaymentStatus(StrEnum):
    """Where a payment stands; `MOVES` says what may follow."""

    REQUESTED = "requested"
    """Wanted; no link yet."""
    LINKED = "linked"
    """Migo made a link; the customer may pay it."""
    PAID = "paid"
    """Migo reported the money; only its return may follow."""
    DENIED = "denied"
    """An attempt failed; the same link may still be paid."""
    REFUNDED = "refunded"
    """Money went back, wholly or in part."""
    REVERSED = "reversed"
    """The bank took the money back."""
    EXPIRED = "expired"
    """Our time ran out; Migo's link may still be payable."""
    CANCELLED = "cancelled"
    """We stopped asking; Migo's link may still be payable."""
    HELD = "held"
    """A person must look before anything goes on."""


_RETURNS = frozenset({PaymentStatus.REFUNDED, PaymentStatus.REVERSED})
_MONEY = _RETURNS | {PaymentStatus.PAID}
_STOPS = frozenset({PaymentStatus.EXPIRED, PaymentStatus.CANCELLED, PaymentStatus.HELD})

MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.REQUESTED: _MONEY | _STOPS | {PaymentStatus.LINKED, PaymentStatus.DENIED},
    PaymentStatus.LINKED: _MONEY | _STOPS | {PaymentStatus.DENIED},
    PaymentStatus.DENIED: _MONEY | _STOPS | {PaymentStatus.LINKED},
    PaymentStatus.EXPIRED: _MONEY
    | {PaymentStatus.REQUESTED, PaymentStatus.LINKED, PaymentStatus.HELD},
    PaymentStatus.CANCELLED: _MONEY | {PaymentStatus.HELD},
    PaymentStatus.HELD: _MONEY
    | (_STOPS - {PaymentStatus.HELD})
    | {PaymentStatus.REQUESTED, PaymentStatus.LINKED, PaymentStatus.DENIED},
    PaymentStatus.PAID: _RETURNS,
    PaymentStatus.REFUNDED: frozenset({PaymentStatus.REVERSED}),
    PaymentStatus.REVERSED: frozenset({PaymentStatus.REFUNDED}),
}
"""Which status may follow which. Late money may always be booked; paid never becomes unpaid."""

UNPAID = frozenset({PaymentStatus.REQUESTED, PaymentStatus.LINKED, PaymentStatus.DENIED})
"""Where the customer may still be asked to pay."""


def may_move(old: PaymentStatus, new: PaymentStatus) -> bool:
    """Whether the table allows this move; staying is no move."""
    return new in MOVES[old]


class FactStatus(StrEnum):
    """What Migo reported about a uid, in the words of its callback."""

    APPROVED = "approved"
    """The money came."""
    DENIED = "denied"
    """This attempt failed."""
    REFUNDED = "refunded"
    """Money was given back."""
    REVERSED = "reversed"
    """The payment was undone."""
    OTHER = "other"
    """A status we do not know; kept and shown to a person."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing Migo reported; byte-identical repeats are one fact."""

    uid: str
    status: FactStatus
    money: Money | None
    body_hash: str
    received_at: datetime
    is_accepted: bool = False
    """A person took this fact although its amount differs from what was asked."""


class LinkStatus(StrEnum):
    """What the facts about one uid add up to."""

    OPEN = "open"
    """Nothing reported; payable."""
    DENIED = "denied"
    """An attempt failed; assumed payable."""
    HELD = "held"
    """Approved, but not for what was asked; a person decides."""
    PAID = "paid"
    """Approved for exactly what was asked."""
    PART_REFUNDED = "part_refunded"
    """Less than was paid went back; a person confirms the sum."""
    REFUNDED = "refunded"
    """All of it went back."""
    REVERSED = "reversed"
    """The bank undid it."""
    RETURNED_TWICE = "returned_twice"
    """Both refunded and reversed; a person must look."""


class Alert(StrEnum):
    """What a person must be told within 60 seconds."""

    MISMATCH = "mismatch"
    """Approved for another amount or currency than asked."""
    SECOND_APPROVAL = "second_approval"
    """One uid was approved twice with different content."""
    RETURNED_TWICE = "returned_twice"
    """One uid was both refunded and reversed."""
    RETURN_WITHOUT_APPROVAL = "return_without_approval"
    """Money went back that was never reported as received."""
    FURTHER_REFUND = "further_refund"
    """More than one refund of one uid was reported; a person says what they make together."""
    ODD_REFUND = "odd_refund"
    """More went back than was paid, or in another currency."""
    UNKNOWN_STATUS = "unknown_status"
    """Migo used a status we do not know."""
    UNKNOWN_UID = "unknown_uid"
    """A callback about a transaction that we do not know."""
    WRONG_KEY = "wrong_key"
    """A callback without the right key names a transaction of ours."""
    UNREADABLE = "unreadable"
    """An authentic callback could not be read."""
    OVERPAID = "overpaid"
    """Two uids of one payment were paid."""
    PAID_AFTER_STOP = "paid_after_stop"
    """Paid after we cancelled it or let it expire."""
    ORPHAN_PAID = "orphan_paid"
    """A link whose creation was never confirmed to us was paid."""
    CREATE_UNKNOWN = "create_unknown"
    """Nobody knows whether Migo made a link; a person decides."""
    CREATE_REFUSED = "create_refused"
    """Migo refused to make the link."""
    LINK_NOT_ALLOWED = "link_not_allowed"
    """Migo answered with a link to a host that is not on the list."""
    UNDELIVERABLE = "undeliverable"
    """A message could not be brought to the customer over any channel."""
    CLAIMED_PAID = "claimed_paid"
    """The customer says they paid, and nothing was reported."""
    CANNOT_PAY = "cannot_pay"
    """The customer wants to pay or buy, and the bot cannot make that possible."""
    MIGO_WRITES = "migo_writes"
    """A link that only Migo can have shown was used: it messages customers itself."""
    CONFIG = "config"
    """A provider does not accept our account, sender or credentials."""
    PROVIDER_OUT = "provider_out"
    """A provider is left alone for now, since nothing got through to it."""
    UNSETTLED = "unsettled"
    """How a call ended cannot be written."""
    SILENT_LINKS = "silent_links"
    """Links that were sent a day ago or more and of which nothing was reported."""
    NO_CALLBACKS = "no_callbacks"
    """Links are sent and Migo reports nothing at all."""
    DISPUTED = "disputed"
    """The customer does not recognise what is asked of them."""
    WANTS_PERSON = "wants_person"
    """A customer waits for a person to answer."""
    SCHEDULE_FAILED = "schedule_failed"
    """A schedule could not make the payment of a period."""
    SCHEDULE_MISSED = "schedule_missed"
    """Nobody was there when periods of a schedule came, and it is too late for them."""


@dataclass(frozen=True, slots=True)
class LinkFold:
    """The state of one uid and what a person must be told of it."""

    status: LinkStatus
    alerts: frozenset[Alert] = frozenset()


def fold_link(expected: Money, facts: Iterable[Fact]) -> LinkFold:
    """Add up what is known about one uid.

    The result depends only on the set of facts: any order and any repeats give the same.
    """
    known = {fact.body_hash: fact for fact in facts}.values()
    approved = [fact for fact in known if fact.status is FactStatus.APPROVED]
    good = _good(expected, known)
    refunds = [fact for fact in known if fact.status is FactStatus.REFUNDED]
    is_reversed = any(fact.status is FactStatus.REVERSED for fact in known)
    alerts = set()
    if len(approved) > len(good):
        alerts.add(Alert.MISMATCH)
    if len(approved) > 1:
        alerts.add(Alert.SECOND_APPROVAL)
    if (refunds or is_reversed) and not approved:
        alerts.add(Alert.RETURN_WITHOUT_APPROVAL)
    if refunds and is_reversed:
        alerts.add(Alert.RETURNED_TWICE)
    if len(refunds) > 1:
        alerts.add(Alert.FURTHER_REFUND)
    paid = came_of(expected, known) or expected
    if any(_is_odd(fact.money, paid) for fact in refunds):
        alerts.add(Alert.ODD_REFUND)
    if any(fact.status is FactStatus.OTHER for fact in known):
        alerts.add(Alert.UNKNOWN_STATUS)
    status = _returned_status(paid, refunds, is_reversed=is_reversed)
    if status is None:
        status = _open_status(known, has_good=bool(good), has_approved=bool(approved))
    return LinkFold(status, frozenset(alerts))


def _good(expected: Money, facts: Iterable[Fact]) -> list[Fact]:
    approved = [fact for fact in facts if fact.status is FactStatus.APPROVED]
    return [fact for fact in approved if fact.money == expected or fact.is_accepted]


def came_of(expected: Money, facts: Iterable[Fact]) -> Money | None:
    """What was paid with one uid, None if nothing was that counts.

    Once a person accepted another amount, that is the one in the books, whatever is reported later.
    """
    good = _good(expected, facts)
    accepted = [fact.money for fact in good if fact.is_accepted and fact.money is not None]
    if accepted:
        return max(accepted, key=lambda money: (money.minor, money.currency))
    return expected if good else None


def _is_odd(money: Money | None, paid: Money) -> bool:
    if money is None:
        return False
    return money.currency != paid.currency or money.minor > paid.minor


def _returned_status(paid: Money, refunds: list[Fact], *, is_reversed: bool) -> LinkStatus | None:
    if refunds and is_reversed:
        return LinkStatus.RETURNED_TWICE
    if is_reversed:
        return LinkStatus.REVERSED
    if not refunds:
        return None
    is_part = all(
        fact.money is not None
        and fact.money.currency == paid.currency
        and fact.money.minor < paid.minor
        for fact in refunds
    )
    return LinkStatus.PART_REFUNDED if is_part else LinkStatus.REFUNDED


def _open_status(known: Collection[Fact], *, has_good: bool, has_approved: bool) -> LinkStatus:
    if has_good:
        return LinkStatus.PAID
    if has_approved:
        return LinkStatus.HELD
    if any(fact.status is FactStatus.DENIED for fact in known):
        return LinkStatus.DENIED
    return LinkStatus.OPEN


_RETURNED_LINK = {
    LinkStatus.PART_REFUNDED: PaymentStatus.REFUNDED,
    LinkStatus.REFUNDED: PaymentStatus.REFUNDED,
    LinkStatus.REVERSED: PaymentStatus.REVERSED,
    LinkStatus.RETURNED_TWICE: PaymentStatus.REVERSED,
}


def payment_status_of(
    current: PaymentStatus, links: Collection[LinkStatus]
) -> tuple[PaymentStatus, frozenset[Alert]]:
    """What the links' states make of the payment.

    Args:
        current: the payment's status before.
        links: the state of every uid the payment ever had.
    """
    alerts = set()
    paid = [status for status in links if status is LinkStatus.PAID]
    if len(paid) > 1:
        alerts.add(Alert.OVERPAID)
    if paid:
        if current in (PaymentStatus.CANCELLED, PaymentStatus.EXPIRED):
            alerts.add(Alert.PAID_AFTER_STOP)
        if current in _RETURNS:
            alerts.add(Alert.OVERPAID)
            return current, frozenset(alerts)
        return PaymentStatus.PAID, frozenset(alerts)
    for status in links:
        if status in _RETURNED_LINK:
            return _RETURNED_LINK[status], frozenset(alerts)
    if current in _MONEY:
        return current, frozenset(alerts)
    if LinkStatus.HELD in links:
        return PaymentStatus.HELD, frozenset(alerts)
    if LinkStatus.DENIED in links and current is PaymentStatus.LINKED:
        return PaymentStatus.DENIED, frozenset(alerts)
    return current, frozenset(alerts)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays. `phone` is E.164 and Migo's `userId`."""

    id: int
    phone: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """What the merchant asks a customer to pay."""

    id: PaymentId
    customer_id: int
    money: Money
    status: PaymentStatus
    route: tuple[str, ...]
    concept: str | None
    external_id: str | None
    created_by: str
    created_at: datetime
    version: int
    send_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    is_overpaid: bool = False
    is_multi_link: bool = False
    """A person decided that it has a further link though an earlier one may be paid too."""
    held_reason: str | None = None
    notify: str | None = None
    """Where whoever created the payment is told of it: a chat address, or nothing."""


@dataclass(frozen=True, slots=True)
class Link:
    """One transaction at Migo."""

    id: int
    payment_id: PaymentId
    attempt_no: int
    uid: str
    reference: str | None
    url: str
    migo_channel: str
    status: LinkStatus
    exposed_at: datetime | None = None
    superseded_at: datetime | None = None
    handed_out_at: datetime | None = None
    """Since when somebody knows the URL otherwise than by a message of which we keep the end."""
