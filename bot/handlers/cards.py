"""Live cards: one message in a staff chat that tells how a payment stands, edited as it moves.

Where messages cannot be edited, one new line follows for each change that matters and that staff
are not told of anyhow.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from bot.domain.delivery import MessageStatus, Purpose, shown_status
from bot.domain.identity import mask, region
from bot.domain.payment import UNPAID, Payment, PaymentStatus
from bot.handlers.replies import Reply, owe_reply
from bot.store import handing, ledger, links, payments, people, promises, reported, sales, showing
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.promises import PromiseState
from bot.store.showing import Row
from bot.store.staff import has_left
from channels.base import Address, DeliveryState

APPROVAL = "approval"
MISMATCH = "mismatch"
"""Why a payment is held: for a second person, or for money in another amount than asked."""
KEY_PREFIX = "card:"
_LINES = frozenset({"made", "delivered", "uncertain", "expired", "cancelled"})
"""What is worth a line of its own; of money and failures staff are told as news."""

_OWED = UNPAID | {PaymentStatus.HELD, PaymentStatus.EXPIRED}

View = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a card says now, and how it is to go on."""

    digest: str
    number: int
    locale: str | None
    can_edit: bool
    wants_qr: bool

    @classmethod
    def read(cls, text: str) -> Self:
        """Read back what `write` gave."""
        kept = json.loads(text)
        return cls(**kept)

    def write(self) -> str:
        """As the card's row keeps it."""
        names = ("digest", "number", "locale", "can_edit", "wants_qr")
        return json.dumps({name: getattr(self, name) for name in names})


def open_card(
    tx: Tx,
    payment: Payment,
    to: Address,
    *,
    locale: str | None,
    can_edit: bool,
    wants_qr: bool = False,
    replaces: str | None = None,
    answers: str | None = None,
) -> None:
    """Show a payment in a chat and keep what is shown up to date from now on.

    Args:
        tx: the transaction.
        payment: what is shown.
        to: a staff chat; it has one card of each payment, the newest.
        locale: the language of whoever reads.
        can_edit: whether messages can be edited there.
        wants_qr: whether the link is to be shown there as a QR code once it is made.
        replaces: the provider's id of a message that becomes the card.
        answers: the id of the button tap that is answered.
    """
    view = view_of(tx, payment)
    known = [card for card in sales.cards_of(tx, [payment.id]) if card.to == to]
    number = _Shown.read(known[0].shown).number + 1 if known else 1
    shown = _Shown(_digest(view), number, locale, can_edit, wants_qr=wants_qr)
    row_id = _owe(tx, payment.id, to, shown, view, replaces=replaces, answers=answers)
    sales.keep_card(tx, payment.id, to, outbox_id=row_id, shown=shown.write())
    _show_qr_where_wanted(tx, payment, [sales_card(tx, payment.id, to)])


def sales_card(tx: Tx, payment_id: str, to: Address) -> sales.Card:
    """The card of a payment in a chat."""
    return next(card for card in sales.cards_of(tx, [payment_id]) if card.to == to)


def want_qr(tx: Tx, payment: Payment, to: Address, *, locale: str | None, can_edit: bool) -> None:
    """Have the link shown as a QR code in a chat, as soon as there is one."""
    known = [card for card in sales.cards_of(tx, [payment.id]) if card.to == to]
    shown = (
        replace(_Shown.read(known[0].shown), wants_qr=True)
        if known
        else _Shown("", 0, locale, can_edit, wants_qr=True)
    )
    outbox_id = known[0].outbox_id if known else None
    sales.keep_card(tx, payment.id, to, outbox_id=outbox_id, shown=shown.write())
    _show_qr_where_wanted(tx, payment, [sales_card(tx, payment.id, to)])


def refresh(tx: Tx, payment_id: str) -> None:
    """Bring every card of a payment up to date. Safe to repeat; cheap where there is none.

    A card whose last message is still on its way is left alone: it is looked at again once that
    message has ended, so that no edit overtakes another.
    """
    cards = _cards_read(tx, payment_id)
    if not cards:
        return
    payment = payments.read(tx, payment_id)
    if payment is None:
        return
    _show_qr_where_wanted(tx, payment, cards)
    view = view_of(tx, payment)
    for card in _cards_read(tx, payment_id):
        shown = _Shown.read(card.shown)
        if card.is_under_way or shown.digest == _digest(view) or not shown.number:
            continue
        _update(tx, card, shown, view)


def _cards_read(tx: Tx, payment_id: str) -> list[sales.Card]:
    """The cards of a payment that somebody who is still in may look at."""
    return [card for card in sales.cards_of(tx, [payment_id]) if not has_left(tx, card.to)]


def refresh_reported(tx: Tx, outbox_id: int) -> None:
    """Bring up to date the cards of the payment that a message is about, if it has any."""
    payment_id = sales.shown_payment(tx, outbox_id)
    if payment_id is not None:
        refresh(tx, payment_id)


def refresh_settled(tx: Tx, items: Sequence[OutboxItem]) -> None:
    """Bring up to date the cards of payments whose messages, or links, just ended a try."""
    own = [item.id for item in items if item.key.startswith(KEY_PREFIX)]
    ids: set[str] = {
        item.payment.id for item in items if item.payment is not None and item.payment.notify
    }
    if own:
        ids.update(sales.payments_of_cards(tx, own))
    if ids:
        for payment_id in sorted({card.payment_id for card in sales.cards_of(tx, sorted(ids))}):
            refresh(tx, payment_id)


def _update(tx: Tx, card: sales.Card, shown: _Shown, view: View) -> None:
    now = replace(shown, digest=_digest(view), number=shown.number + 1)
    outbox_id = card.outbox_id
    if shown.can_edit or view["status"] in _LINES:
        replaces = card.provider_id if shown.can_edit else None
        owed = _owe(tx, card.payment_id, card.to, now, view, replaces=replaces)
        outbox_id = owed or outbox_id
    sales.keep_card(tx, card.payment_id, card.to, outbox_id=outbox_id, shown=now.write())


def _owe(
    tx: Tx,
    payment_id: str,
    to: Address,
    shown: _Shown,
    view: View,
    *,
    replaces: str | None,
    answers: str | None = None,
) -> int | None:
    is_line = shown.number > 1 and not shown.can_edit
    return owe_reply(
        tx,
        to,
        Reply("staff.card_line" if is_line else "staff.card", view, replaces=replaces),
        key=f"{KEY_PREFIX}{payment_id}:{to.channel.value}:{to.value}:{shown.number}",
        customer_id=None,
        locale=shown.locale,
        answers=answers,
    )


def _digest(view: View) -> str:
    return hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()[:16]


def _show_qr_where_wanted(tx: Tx, payment: Payment, cards: Collection[sales.Card]) -> None:
    wanting = [card for card in cards if _Shown.read(card.shown).wants_qr]
    link = links.current_link(tx, payment.id) if wanting else None
    if link is None or not link.url:
        return
    is_live = link.id in handing.hand_out(tx, [link.id])
    for card in wanting:
        shown = replace(_Shown.read(card.shown), wants_qr=False)
        sales.keep_card(tx, payment.id, card.to, outbox_id=card.outbox_id, shown=shown.write())
        if is_live:
            _owe_qr(tx, payment, link.url, card.to, shown.locale)


def _owe_qr(tx: Tx, payment: Payment, url: str, to: Address, locale: str | None) -> None:
    values = {"amount": money_of(payment), "concept": payment.concept, "url": url}
    key = f"qr:{payment.id}:{to.channel.value}:{to.value}:{int(tx.now.timestamp() * 1000)}"
    reply = Reply("staff.qr", values, qr_url=url)
    owe_reply(tx, to, reply, key=key, customer_id=None, locale=locale)


def money_of(payment: Payment) -> dict[str, object]:
    """A payment's amount as phrases take it."""
    return {"minor": payment.money.minor, "currency": payment.money.currency}


def view_of(tx: Tx, payment: Payment) -> dict[str, object]:
    """A payment as staff are shown it; JSON-safe, addresses masked."""
    customer = people.read_customer(tx, payment.customer_id)
    link = links.current_link(tx, payment.id)
    status, channel, why = _status_of(tx, payment, has_link=link is not None)
    return {
        "status": status,
        "channel": {"word": f"channel.{channel or payment.route[0]}"},
        "why": {"reason": why} if why else None,
        "amount": money_of(payment),
        "name": customer.name,
        "phone": mask(customer.phone),
        "country": region(customer.phone),
        "concept": payment.concept,
        "ref": _reference(payment, None if link is None else link.reference),
        "id": payment.id,
        **_said(tx, payment),
        **_decided(tx, payment),
    }


def _decided(tx: Tx, payment: Payment) -> dict[str, object]:
    """What a person decided or has to decide about a payment; nothing for nearly all of them."""
    view: dict[str, object] = {}
    if payment.held_reason == MISMATCH:
        view["is_mismatch"] = True
    if payment.is_multi_link and payment.status in _OWED:
        view["is_multi_link"] = True
    if (
        payment.status not in _OWED
        and (came := reported.accepted_money(tx, payment.id)) is not None
    ):
        view["came"] = {"minor": came.minor, "currency": came.currency}
    return view


def _said(tx: Tx, payment: Payment) -> dict[str, object]:
    """What the customer says about a payment that is not paid: a promise, or that it is unknown."""
    promise = promises.newest(tx, payment.id) if payment.status in _OWED else None
    words = promises.dispute_words(tx, payment.id) if payment.status in _OWED else None
    is_told = promise is not None and promise.state in (PromiseState.OPEN, PromiseState.BROKEN)
    return {
        "promised": {"date": promise.day.isoformat()} if promise and is_told else None,
        "is_broken": promise is not None and promise.state is PromiseState.BROKEN,
        "disputed": None if words is None else {"text": words},
    }


def _reference(payment: Payment, of_link: str | None) -> str:
    return payment.external_id or of_link or payment.id


def _status_of(tx: Tx, payment: Payment, *, has_link: bool) -> tuple[str, str | None, str | None]:
    """One word for how the payment stands, the channel that it concerns, and why."""
    if payment.status is PaymentStatus.HELD:
        is_waiting = payment.held_reason == APPROVAL
        return (
            (APPROVAL if is_waiting else "held"),
            None,
            None if is_waiting else _held_why(tx, payment),
        )
    if payment.status is PaymentStatus.REQUESTED:
        is_later = payment.send_at is not None and payment.send_at > tx.now
        return ("later" if is_later else "making"), None, None
    if payment.status is not PaymentStatus.LINKED:
        return payment.status.value, None, None
    rows = showing.rows_of(tx, [payment.id]).get(payment.id, [])
    sent = [row for row in rows if row.purpose == Purpose.LINK.value]
    return _link_status(sent[-1]) if sent else ("made", None, None)


def _link_status(row: Row) -> tuple[str, str | None, str | None]:
    match row.status:
        case "done":
            state = None if row.delivery is None else DeliveryState(row.delivery)
            status = shown_status(state)
            word = "sent" if status is MessageStatus.ACCEPTED else status.value
            return word, row.channel, row.last_error
        case "dead":
            return "failed", row.channel, row.last_error
        case "uncertain":
            return "uncertain", row.channel, row.last_error
        case _:
            return "sending", row.channel, row.last_error


def _held_why(tx: Tx, payment: Payment) -> str | None:
    alerts = ledger.open_alerts(tx, payment_id=payment.id)
    return alerts[-1].detail if alerts else payment.held_reason
