"""Reminders whose time has come: decided on under their customer's lock, one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import assert_never

from bot.domain.foreseeing import after
from bot.domain.payment import UNPAID
from bot.domain.reminders import Tone
from bot.domain.reminding import (
    DIGEST,
    LISTED,
    Book,
    Follow,
    Go,
    Later,
    Never,
    Over,
    Skip,
    Waiting,
    follow,
    is_followed,
    judge,
)
from bot.handlers.reminder_books import Shelf, owner_of, shelf_of
from bot.handlers.rules import Rules
from bot.handlers.series import GIVE_UP, plan, row_of, take_back
from bot.store import handing, ledger, outbox, reminder_rows, reminding
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.ledger import Decision
from bot.store.reminding import Series, Slot
from channels.base import ChannelName


@dataclass(slots=True)
class _Batch:
    """Claimed reminders on their way to a verdict, and what is to be written for all at once."""

    shelf: Shelf
    going: dict[int, OutboxItem] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    following: list[outbox.NewItem] = field(default_factory=list)


def admit(tx: Tx, rules: Rules, items: Sequence[OutboxItem]) -> list[OutboxItem]:
    """Give those claimed reminders that may go now; put off, move or end the others.

    Decided here, under the customers' locks, so that none goes out that a payment, a stop or
    another worker's reminder forbade a moment before.
    """
    if not items:
        return []
    mine: dict[int, list[OutboxItem]] = {}
    for item in items:
        mine.setdefault(owner_of(item), []).append(item)
    batch = _Batch(shelf_of(tx, rules, sorted(mine), claimed=items, lock=True))
    for owner, claimed in mine.items():
        if owner in batch.shelf.held_elsewhere:
            # It would go without what another worker is about to decide on, and that one after it.
            outbox.put_back(tx, {item.id: item.not_before for item in claimed})
            continue
        book = batch.shelf.books[owner]
        rows = {row.outbox_id: row for row in book.waiting}
        in_order = sorted(claimed, key=lambda item: book.order(rows[item.id]))
        for number, item in enumerate(in_order, 1):
            _decide_one(tx, batch, item, rows[item.id], is_last=number == len(claimed))
    return _written(tx, batch)


def _decide_one(tx: Tx, batch: _Batch, item: OutboxItem, row: Waiting, *, is_last: bool) -> None:
    owner = owner_of(item)
    book = batch.shelf.books[owner]
    if row not in book.waiting:
        return  # it went along with another
    verdict = judge(book, row, tx.now)
    if isinstance(verdict, Go):
        _go(tx, batch, item, [row, *verdict.with_others])
    else:
        _hold_back(tx, batch, item, row, verdict)
    if not is_last:
        batch.shelf.books[owner] = after(book, row, verdict, tx.now)


def _go(tx: Tx, batch: _Batch, item: OutboxItem, rows: Sequence[Waiting]) -> None:
    """Let a reminder go, with the others that it takes along, and plan what follows each."""
    book = batch.shelf.books[owner_of(item)]
    today = book.day_of(tx.now)
    first = rows[0]
    follows = [follow(book, row, tx.now) for row in rows]
    for row, later in zip(rows, follows, strict=True):
        series = batch.shelf.series[row.payment_id]
        batch.slots.append(Slot(row.payment_id, today, first.outbox_id))
        left = tuple(name for name in series.payment.route if name != first.channel)
        next_at = _follow(batch, book, row, later, (first.channel, left))
        batch.decisions.append(_sent(book, row, first, later, next_at))
        if row is not first:
            outbox.end(tx, row.outbox_id, "cancelled", error=reminder_rows.went_along(item.id))
    tone = follows[0].tone
    payload: dict[str, object] = {"day": first.day.isoformat(), "tone": tone.value}
    along = list(dict.fromkeys([*_along(item), *(row.payment_id for row in rows[1:])]))
    if along:
        payload["with"] = along
        reminder_rows.set_payload(tx, item.id, payload)
    payload["tone"] = _said(tone, first.day, today).value
    said = {**payload, **_debts(tx, batch, item, along)}
    batch.going[item.id] = item if said == item.payload else item._replace(payload=said)


def _said(tone: Tone, day: date, today: date) -> Tone:
    """Whose words it has: only on its day can a promise be said to be for today."""
    if tone is not Tone.PROMISED or day == today:
        return tone
    return Tone.FRIENDLY if today < day else Tone.DUE


def _follow(
    batch: _Batch, book: Book, row: Waiting, later: Follow, where: tuple[str, tuple[str, ...]]
) -> datetime | None:
    """Plan what comes next in the series of a row that is over; give when, if anything does."""
    if not later.rest:
        return None
    step = later.rest[0]
    at = book.on(step.day)
    if not is_followed(book, row):
        to = (ChannelName(where[0]), where[1])
        batch.following.append(row_of(batch.shelf.series[row.payment_id], step, at, to))
    return at


def _along(item: OutboxItem) -> list[str]:
    """The payments that an earlier try of this row took along."""
    known = item.payload.get("with", [])
    return [str(each) for each in known] if isinstance(known, list) else []


def _debts(tx: Tx, batch: _Batch, item: OutboxItem, along: Sequence[str]) -> dict[str, object]:
    """The list of a message for several debts, without those that were settled meanwhile."""
    if not along or item.payment is None:
        return {}
    missing = [payment_id for payment_id in along if payment_id not in batch.shelf.series]
    for each in reminding.series_of(tx, missing) if missing else ():
        batch.shelf.series[each.payment.id] = each
    listed = [batch.shelf.series[payment_id] for payment_id in (item.payment.id, *along)]
    asked_for = [each for each in listed if _is_asked_for(each, tx.now)]
    # Of a link that another payment's message carries no try of its own tells what became.
    told = handing.hand_out(tx, sorted(each.link.id for each in asked_for if each.link))
    open_ones = [each for each in asked_for if each.link and each.link.id in told]
    if len(open_ones) < 2:
        return {}
    shown = [_debt(each) for each in open_ones[:LISTED]]
    return {"debts": shown, "more": len(open_ones) - len(shown)}


def _is_asked_for(series: Series, now: datetime) -> bool:
    expires_at = series.payment.expires_at
    return (
        series.link is not None
        and series.payment.status in UNPAID
        and series.disputed_at is None
        and (expires_at is None or expires_at > now)
    )


def _debt(series: Series) -> dict[str, object]:
    payment = series.payment
    return {
        "amount_minor": payment.money.minor,
        "currency": payment.money.currency,
        "concept": payment.concept,
        "due": None if payment.due_at is None else payment.due_at.isoformat(),
        "url": None if series.link is None else series.link.url,
    }


def _sent(
    book: Book, row: Waiting, first: Waiting, later: Follow, next_at: datetime | None
) -> Decision:
    tone = later.tone.value
    why = f"step of {row.day}, {tone}; over {first.channel}, to the customer's {book.zone.key} day"
    if row is not first:
        why += f"; in one message with {first.payment_id}"
    if later.missed:
        why += f"; {later.missed} earlier left out, one catch-up only"
    return Decision(row.payment_id, "reminder sent", why, first.outbox_id, next_at)


def _hold_back(
    tx: Tx, batch: _Batch, item: OutboxItem, row: Waiting, verdict: Later | Over | Skip | Never
) -> None:
    match verdict:
        case Later(at=at, rule=rule, why=why):
            reminder_rows.put_off(tx, item.id, at=at, give_up_at=at + GIVE_UP, why=f"{rule}: {why}")
            if rule != DIGEST:
                text = f"{rule}: {why}"
                batch.decisions.append(
                    Decision(row.payment_id, "reminder moved", text, item.id, at)
                )
        case Over(channel=name, rule=rule, why=why, route_left=rest):
            outbox.uncount_try(tx, item.id)
            outbox.reroute(tx, item.id, channel=ChannelName(name), route_left=rest, why=why)
            text = f"{rule}: {why}"
            batch.decisions.append(
                Decision(row.payment_id, f"reminder over {name}", text, item.id, tx.now)
            )
        case Skip(rule=rule, why=why):
            _end(tx, item, why)
            text = f"{rule}: {why}"
            batch.decisions.append(Decision(row.payment_id, "reminder not sent", text, item.id))
            book = batch.shelf.books[owner_of(item)]
            later = follow(book, row, tx.now)
            _follow(batch, book, row, later, (row.channel, row.route_left))
        case Never(rule=rule, why=why):
            _end(tx, item, why)
            text = f"{rule}: {why}"
            batch.decisions.append(Decision(row.payment_id, "reminder not sent", text, item.id))
        case _:
            assert_never(verdict)


def _end(tx: Tx, item: OutboxItem, why: str) -> None:
    outbox.end(tx, item.id, "cancelled", error=why)
    if item.tries > 1:
        take_back(tx, [item.id])


def _written(tx: Tx, batch: _Batch) -> list[OutboxItem]:
    """Write what was decided; a slot that somebody else has by now keeps its reminder back."""
    taken = reminding.take_slots(tx, batch.slots) if batch.slots else set()
    going = []
    for item in batch.going.values():
        if item.payment is not None and item.payment.id in taken:
            book = batch.shelf.books[owner_of(item)]
            at = book.on(book.day_of(tx.now) + timedelta(days=1))
            reminder_rows.put_off(tx, item.id, at=at, give_up_at=at + GIVE_UP, why="slot: taken")
            continue
        going.append(item)
    plan(tx, batch.following)
    ledger.decide_all(tx, batch.decisions)
    return going
