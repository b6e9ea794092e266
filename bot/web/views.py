"""Payments as they are read: rows of the books become the shape that `/v1` promises.

Every time is RFC 3339 in UTC and every value is ready for JSON. Addresses of messages are masked;
links are shown whole, since `web` and `app` payments are handed over by whoever reads them.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

from typing_extensions import TypedDict

from bot.domain.delivery import MessageStatus, Purpose, shown_status
from bot.domain.identity import mask
from bot.domain.payment import Customer, Link, Payment
from bot.store import deliveries, handing, payments, reading, showing
from bot.store.deliveries import Delivery
from bot.store.engine import Tx
from bot.store.ledger import Evidence, OpenAlert
from bot.store.reading import TimelineEntry
from bot.store.showing import Row
from bot.web.answers import NotFoundError
from bot.web.cursors import PAYMENT_ID


class CustomerView(TypedDict):
    """Who pays."""

    phone: str
    name: str | None
    email: str | None
    locale: str | None
    telegram_chat_id: str | None


class LinkView(TypedDict):
    """One transaction at Migo.

    `url` is null for one whose creation was never confirmed, that is out of use, or that may yet be
    replaced by itself, for no channel has taken it: what was read here is never replaced so.
    `url_withheld` says which of them it is.
    """

    uid: str
    reference: str | None
    url: str | None
    url_withheld: Literal["out_of_use", "unconfirmed", "not_taken_yet"] | None
    migo_channel: str
    status: str
    superseded: bool


class MessageView(TypedDict):
    """One message that left or may have left, or that waits or was given up."""

    id: str
    purpose: str
    channel: str
    to: str | None
    status: str
    provider_id: str | None
    attempts: int
    not_before: str
    at: str
    error: str | None


class EventView(TypedDict):
    """One line of a payment's story; `next_at` is when what waits may go at the soonest."""

    at: str
    what: str
    why: str
    next_at: str | None


class AlertView(TypedDict):
    """Something that waits for a person."""

    id: int
    kind: str
    payment_id: str | None
    detail: str
    raised_at: str


class EvidenceView(AlertView):
    """An alert with what came from outside and led to it, as text; nulls where nothing did."""

    source: str | None
    received_at: str | None
    body: str | None


class PaymentView(TypedDict):
    """A payment with all that became of it."""

    id: str
    status: str
    amount_minor: int
    currency: str
    customer: CustomerView
    route: list[str]
    concept: str | None
    external_id: str | None
    created_by: str
    created_at: str
    send_at: str | None
    due_at: str | None
    expires_at: str | None
    held_reason: str | None
    overpaid: bool
    multi_link: bool
    links: list[LinkView]
    messages: list[MessageView]
    timeline: list[EventView]
    alerts: list[AlertView]


def payment_view(tx: Tx, payment_ids: Sequence[str]) -> list[PaymentView]:
    """Read these payments in the order asked for; an unknown id is left out.

    Links whose URL is told are latched as handed out, so that the answer may leave once this is
    committed.
    `messages` holds one entry for each try that a provider took or may have taken, and one for a
    message that still waits, is with the provider's API, was given up or cancelled. News for
    staff are not among them.
    """
    found = reading.payments_of(tx, payment_ids)
    if not found:
        return []
    ids = [payment.id for payment in found]
    customers = payments.customers_of(tx, found)
    chats = reading.telegram_chats(tx, list(customers))
    links = reading.links_of(tx, ids)
    urls = handing.tell(tx, [link for found in links.values() for link in found])
    messages = _messages(tx, ids)
    timelines = reading.timelines(tx, ids)
    alerts = reading.alerts_of(tx, ids)
    return [
        _view(
            payment,
            _customer(customers[payment.customer_id], chats.get(payment.customer_id)),
            [_link(link, urls.get(link.id)) for link in links.get(payment.id, [])],
            messages.get(payment.id, []),
            timelines.get(payment.id, []),
            alerts.get(payment.id, []),
        )
        for payment in found
    ]


def one_view(tx: Tx, payment_id: str) -> PaymentView:
    """Read one payment.

    Raises:
        NotFoundError: there is none of this id.
    """
    # What is no id of ours never reaches the database, which would choke on a NUL.
    found = payment_view(tx, [payment_id]) if PAYMENT_ID.fullmatch(payment_id) else []
    if not found:
        raise NotFoundError("there is no payment with this id")
    return found[0]


def must_exist(tx: Tx, payment_id: str) -> None:
    """Check that there is a payment of this id.

    Raises:
        NotFoundError: there is none.
    """
    if not PAYMENT_ID.fullmatch(payment_id) or payments.read(tx, payment_id) is None:
        raise NotFoundError("there is no payment with this id")


def _view(
    payment: Payment,
    customer: CustomerView,
    links: list[LinkView],
    messages: list[MessageView],
    timeline: Sequence[TimelineEntry],
    alerts: Sequence[OpenAlert],
) -> PaymentView:
    return {
        "id": payment.id,
        "status": payment.status.value,
        "amount_minor": payment.money.minor,
        "currency": payment.money.currency,
        "customer": customer,
        "route": list(payment.route),
        "concept": payment.concept,
        "external_id": payment.external_id,
        "created_by": payment.created_by,
        "created_at": rfc3339(payment.created_at),
        "send_at": _optional(payment.send_at),
        "due_at": _optional(payment.due_at),
        "expires_at": _optional(payment.expires_at),
        "held_reason": payment.held_reason,
        "overpaid": payment.is_overpaid,
        "multi_link": payment.is_multi_link,
        "links": links,
        "messages": messages,
        "timeline": [
            {
                "at": rfc3339(entry.at),
                "what": entry.what,
                "why": entry.why,
                "next_at": None if entry.next_at is None else rfc3339(entry.next_at),
            }
            for entry in timeline
        ],
        "alerts": [alert_view(alert) for alert in alerts],
    }


def alert_view(alert: OpenAlert) -> AlertView:
    """One alert as it is read."""
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "payment_id": alert.payment_id,
        "detail": alert.detail,
        "raised_at": rfc3339(alert.raised_at),
    }


def evidence_view(evidence: Evidence) -> EvidenceView:
    """One alert with its bytes; those that are no UTF-8 are written as escapes."""
    body = evidence.body
    return {
        **alert_view(evidence.alert),
        "source": evidence.source,
        "received_at": _optional(evidence.received_at),
        "body": None if body is None else body.decode("utf-8", "backslashreplace"),
    }


def rfc3339(at: datetime) -> str:
    """Write an instant as 2026-04-03T20:05:00.123456Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _optional(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _customer(customer: Customer, telegram_chat_id: str | None) -> CustomerView:
    return {
        "phone": customer.phone,
        "name": customer.name,
        "email": customer.email,
        "locale": customer.locale,
        "telegram_chat_id": telegram_chat_id,
    }


def _link(link: Link, url: str | None) -> LinkView:
    return {
        "uid": link.uid,
        "reference": link.reference,
        "url": url,
        "url_withheld": None if url else _withheld(link),
        "migo_channel": link.migo_channel,
        "status": link.status.value,
        "superseded": link.superseded_at is not None,
    }


def _withheld(link: Link) -> Literal["out_of_use", "unconfirmed", "not_taken_yet"]:
    if link.superseded_at is not None:
        return "out_of_use"
    return "not_taken_yet" if link.url else "unconfirmed"


def _messages(tx: Tx, payment_ids: Sequence[str]) -> dict[str, list[MessageView]]:
    rows = {
        payment_id: [row for row in found if row.purpose not in (None, Purpose.STAFF.value)]
        for payment_id, found in showing.rows_of(tx, payment_ids).items()
    }
    tries: dict[int, list[Delivery]] = {}
    for each in deliveries.deliveries_of(tx, [row.id for found in rows.values() for row in found]):
        tries.setdefault(each.outbox_id, []).append(each)
    return {
        payment_id: [entry for row in found for entry in _entries(row, tries.get(row.id, ()))]
        for payment_id, found in rows.items()
    }


_UNTRIED = {
    "pending": MessageStatus.PLANNED,
    "sending": MessageStatus.SENDING,
    "dead": MessageStatus.DEAD,
    "cancelled": MessageStatus.CANCELLED,
}
"""States of a row that no try tells of; `done` and `uncertain` are told by the last try."""


def _entries(row: Row, tries: Sequence[Delivery]) -> Iterator[MessageView]:
    for each in tries:
        if each.outcome == "accepted":
            yield _tried(row, each, shown_status(each.state))
        elif each.outcome == "uncertain":
            yield _tried(row, each, MessageStatus.UNCERTAIN)
    if row.status in _UNTRIED:
        yield _untried(row, _UNTRIED[row.status])


def _tried(row: Row, each: Delivery, status: MessageStatus) -> MessageView:
    why = ": ".join(part for part in (each.code, each.reason) if part)
    return {
        "id": f"{row.id}.{each.try_no}",
        "purpose": row.purpose or "",
        "channel": each.channel,
        "to": mask(each.address),
        "status": status.value,
        "provider_id": each.provider_id,
        "attempts": each.try_no,
        "not_before": rfc3339(row.not_before),
        "at": rfc3339(each.updated_at),
        "error": why or None,
    }


def _untried(row: Row, status: MessageStatus) -> MessageView:
    # A try is counted when it is claimed, so one under way has its number and one to come has not:
    # thus an entry keeps its id from planned to delivered.
    number = row.tries if status is MessageStatus.SENDING else row.tries + 1
    return {
        "id": f"{row.id}.{number}",
        "purpose": row.purpose or "",
        "channel": row.channel or "",
        "to": mask(row.address) if row.address else None,
        "status": status.value,
        "provider_id": None,
        "attempts": row.tries,
        "not_before": rfc3339(row.not_before),
        "at": rfc3339(row.updated_at),
        "error": row.last_error,
    }
