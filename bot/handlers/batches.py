"""Files of payments become payments: checked, confirmed, then row by row at the allowed pace.

A row is marked in the transaction that makes its payment, and the payment's key is the row's own,
so that a process that dies anywhere sends nobody a second link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.bulk import (
    BulkRow,
    Summary,
    mark_asked,
    mark_known,
    references,
    summarize,
)
from bot.domain.bulk_fields import BulkRules
from bot.domain.bulk_row import Fault, RowRequest, read_request, write_faults
from bot.domain.money import Money
from bot.handlers.limits import SAME_WITHIN
from bot.handlers.payment import ConflictError, PaymentRequest, RequestError, create_payment
from bot.handlers.rules import Rules
from bot.store import batches, outbox, sales
from bot.store.batches import Batch, Mark, Row
from bot.store.engine import Tx
from bot.store.payments import request_hash
from channels.base import ChannelName

CHUNK = 20
"""Rows a transaction: callbacks wait for the same writer."""

AHEAD_S = 3.0
"""Seconds of messages that may wait in a lane before no more are added."""

_UNLIMITED_PER_S = 40.0
_PREFERRED = (ChannelName.WHATSAPP, ChannelName.SMS, ChannelName.EMAIL)
_WITHOUT_COURIER = ("web", "app")


class BatchError(RequestError):
    """A batch cannot be moved there; the text says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked batch, what it adds up to, and its rows as they are on the books."""

    batch: Batch
    summary: Summary
    rows: Sequence[BulkRow]


def bulk_rules(rules: Rules, *, now: datetime, route: tuple[str, ...] = ()) -> BulkRules:
    """What rows are checked against here.

    Args:
        rules: what this installation can do.
        now: when they are checked.
        route: for rows that name no channel; WhatsApp, SMS and e-mail if empty, where they are on.
    """
    on = {name.value for name in rules.couriers} | set(_WITHOUT_COURIER)
    preferred = tuple(name.value for name in _PREFERRED if name in rules.couriers)
    return BulkRules(
        region=rules.region,
        currencies=rules.currencies,
        channels=frozenset(on & rules.migo_channels.keys()),
        route=route or preferred or tuple(sorted(name.value for name in rules.couriers)),
        now=now,
        time_zone=rules.time_zone,
    )


def against_books(tx: Tx, rows: Sequence[BulkRow]) -> list[BulkRow]:
    """The rows, without those that are on the books already: their reference, or the same sum."""
    known = mark_known(rows, batches.known_references(tx, references(rows)))
    return mark_asked(known, sales.all_since(tx, tx.now - SAME_WITHIN))


def open_batch(
    tx: Tx,
    rules: Rules,
    rows: Sequence[BulkRow],
    *,
    filename: str,
    created_by: str,
    notify: str | None = None,
) -> Opened:
    """Keep a checked file until somebody confirms it; nothing is sent yet."""
    checked = against_books(tx, rows)
    batch_id = f"bulk_{rules.new_id()}"
    batch = batches.insert(
        tx, batch_id, checked, filename=filename, created_by=created_by, notify=notify
    )
    return Opened(batch, summarize(checked), checked)


def amounts_of(rows: Sequence[BulkRow]) -> list[Money]:
    """What the right rows ask for."""
    return [row.request.money for row in rows if row.request is not None]


_WHY_NOT: Mapping[str, str] = {
    batches.CHECKED: "is not confirmed yet",
    batches.SENDING: "is being sent already",
    batches.PAUSED: "is paused",
    batches.DONE: "is done",
    batches.CANCELLED: "is cancelled",
}


def move_batch(tx: Tx, batch_id: str, to: str) -> Batch:
    """Confirm or resume (`sending`), pause (`paused`) or stop (`cancelled`) a batch.

    Payments made of its rows stay as they are.

    Raises:
        BatchError: it is unknown, without a right row, or where that is not possible.
    """
    known = batches.read(tx, batch_id)
    if known is None:
        raise BatchError("there is no such batch")
    if to == batches.SENDING and not batches.ready(tx, batch_id, limit=1):
        raise BatchError("this batch has no row left to send")
    if not batches.move(tx, batch_id, to):
        raise BatchError(f"this batch {_WHY_NOT[known.status]}")
    moved = batches.read(tx, batch_id)
    return known if moved is None else moved


def send_some(tx: Tx, rules: Rules) -> int:
    """Make payments of the next rows, as many as the lanes have room for; give their number."""
    room: dict[str, int] = {}
    made = 0
    for batch in batches.sending(tx):
        rows = batches.ready(tx, batch.id, limit=CHUNK - made)
        if not rows:
            if made < CHUNK:
                batches.move(tx, batch.id, batches.DONE)
            continue
        marks = _make(tx, rules, batch, rows, room)
        batches.mark(tx, marks)
        made += len(marks)
    return made


def _make(
    tx: Tx, rules: Rules, batch: Batch, rows: Sequence[Row], room: dict[str, int]
) -> list[Mark]:
    """Make payments in the order of the file, up to the first whose lane is full."""
    marks = []
    for row in rows:
        request = read_request(row.request or {})
        if request.send_at is None or request.send_at <= tx.now:
            lane = _lane(rules, request)
            if room.setdefault(lane, _room(tx, rules, lane)) <= 0:
                break
            room[lane] -= 1
        marks.append(_make_one(tx, rules, batch, row, request))
    return marks


def _lane(rules: Rules, request: RowRequest) -> str:
    found = rules.next_courier(request.route)
    return outbox.MIGO_LANE if found is None else found[0].value


def _room(tx: Tx, rules: Rules, lane: str) -> int:
    """How many messages a lane takes now, so that a second file or a receipt need not wait long."""
    most = max(1, round(rules.rates.get(lane, _UNLIMITED_PER_S) * AHEAD_S))
    waiting = sum(batches.waiting_in(tx, each, most=most) for each in {lane, outbox.MIGO_LANE})
    return most - waiting


def _make_one(tx: Tx, rules: Rules, batch: Batch, row: Row, request: RowRequest) -> Mark:
    if request.due_at is not None and request.due_at <= tx.now:
        return Mark(row.id, "failed", reason=write_faults([Fault("due_past")]))
    if _was_just_asked(tx, request):
        return Mark(row.id, "failed", reason=write_faults([Fault("same_now")]))
    try:
        created = create_payment(tx, rules, _payment_request(batch, row, request))
    except ConflictError:
        return Mark(row.id, "failed", reason=write_faults([Fault("reference_known")]))
    except RequestError as error:
        return Mark(row.id, "failed", reason=write_faults([Fault("refused", str(error))]))
    return Mark(row.id, "created", payment_id=created.payment.id)


def _was_just_asked(tx: Tx, request: RowRequest) -> bool:
    """Whether a row without a reference repeats what came after its file was checked."""
    if request.reference is not None:
        return False
    since = tx.now - SAME_WITHIN
    return sales.same_since(tx, phone=request.phone, money=request.money, since=since) is not None


def _payment_request(batch: Batch, row: Row, request: RowRequest) -> PaymentRequest:
    key = f"bulk:{batch.id}:{row.number}"
    return PaymentRequest(
        phone=request.phone,
        money=request.money,
        route=request.route,
        created_by=batch.created_by,
        request_hash=request_hash({"key": key, **request.document()}),
        name=request.name,
        email=request.email,
        locale=request.locale,
        concept=request.concept,
        external_id=request.reference,
        idempotency_key=key,
        send_at=request.send_at,
        due_at=request.due_at,
    )
