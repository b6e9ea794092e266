"""What is asked of a payment: make it, stop it, send its link again."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.delivery import ASKING, Purpose
from bot.domain.money import Money
from bot.domain.payment import (
    UNPAID,
    LinkStatus,
    Payment,
    PaymentId,
    PaymentStatus,
    may_move,
)
from bot.domain.reminders import PlanError, plan_of
from bot.handlers import cards, series
from bot.handlers.planning import has_no_reader, plan_create, plan_message, void_of
from bot.handlers.rules import Rules
from bot.store import attempts, ledger, links, payments, people, showing, waiting
from bot.store.engine import Tx
from channels.base import Address, ChannelName

RISK = "the customer may be able to pay both"
"""What a named person takes upon them who has a further link made."""


class RequestError(Exception):
    """What was asked for cannot be done; the text says what to do instead."""


class ConflictError(RequestError):
    """The same key or reference was used before for something else."""


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A payment as somebody asks for it, already checked field by field."""

    phone: str
    money: Money
    route: tuple[str, ...]
    created_by: str
    request_hash: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    telegram_chat_id: str | None = None
    concept: str | None = None
    external_id: str | None = None
    idempotency_key: str | None = None
    notify: str | None = None
    reminders: object = "default"
    send_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    needs_approval: bool = False
    """No link is made before a second person agrees."""


@dataclass(frozen=True, slots=True)
class Created:
    """A payment, and whether it is new or the answer to a repeat."""

    payment: Payment
    is_new: bool


def create_payment(tx: Tx, rules: Rules, request: PaymentRequest) -> Created:
    """Write a payment and owe its link. Safe to repeat under the same key or external id.

    Raises:
        ConflictError: the key or external id belongs to another request.
        RequestError: the currency is not enabled, or there is no such reminder plan.
    """
    repeat = payments.find_repeat(
        tx, idempotency_key=request.idempotency_key, external_id=request.external_id
    )
    if repeat is not None:
        known, known_hash = repeat
        if known_hash != request.request_hash:
            raise ConflictError(
                f"payment {known.id} already has this Idempotency-Key or external_id, with other "
                "content; use a new one"
            )
        return Created(known, is_new=False)
    check_currency(rules, request.money)
    try:
        plan_of(request.reminders, rules.plans, max_steps=rules.reminding.max_steps)
    except PlanError as error:
        raise RequestError(str(error)) from None
    customer = people.upsert_customer(
        tx, phone=request.phone, name=request.name, email=request.email, locale=request.locale
    )
    if request.telegram_chat_id is not None:
        people.bind(tx, customer.id, Address(ChannelName.TELEGRAM, request.telegram_chat_id))
    new_id = PaymentId(f"pay_{rules.new_id()}")
    start = max(request.send_at or tx.now, tx.now)
    payments.insert(
        tx,
        payments.NewPayment(
            id=new_id,
            customer_id=customer.id,
            money=request.money,
            route=request.route,
            concept=request.concept,
            external_id=request.external_id,
            idempotency_key=request.idempotency_key,
            request_hash=request.request_hash,
            created_by=request.created_by,
            notify=request.notify,
            reminders=request.reminders,
            send_at=request.send_at,
            due_at=request.due_at,
            expires_at=request.expires_at or rules.default_expiry(start, request.due_at),
        ),
    )
    payment = must_read(tx, new_id)
    if request.needs_approval:
        payment = payments.move(
            tx,
            payment,
            PaymentStatus.HELD,
            why="a second person has to agree",
            held_reason=cards.APPROVAL,
        )
    else:
        plan_create(tx, rules, payment, channel=request.route[0], at=start)
    return Created(payment, is_new=True)


def check_currency(rules: Rules, money: Money) -> None:
    """Check that Migo takes this currency from this merchant.

    Raises:
        RequestError: it is not enabled, and which ones are.
    """
    if money.currency not in rules.currencies:
        enabled = ", ".join(sorted(rules.currencies))
        raise RequestError(f"{money.currency} is not enabled; enabled: {enabled}")


def must_read(tx: Tx, payment_id: str) -> Payment:
    """Read and lock a payment.

    Raises:
        RequestError: there is none of this id.
    """
    payment = payments.read(tx, payment_id, lock=True)
    if payment is None:
        raise RequestError(f"there is no payment {payment_id}")
    return payment


def cancel_payment(tx: Tx, payment_id: str, *, by: str) -> Payment:
    """Stop asking. Migo's link may still be payable, and money that comes is still booked.

    Raises:
        RequestError: no such payment, or it is paid or returned already.
    """
    payment = must_read(tx, payment_id)
    if payment.status is PaymentStatus.CANCELLED:
        return payment
    if not may_move(payment.status, PaymentStatus.CANCELLED):
        raise RequestError(f"a payment that is {payment.status.value} cannot be cancelled")
    stop_asking(tx, payment, why="cancelled")
    moved = payments.move(tx, payment, PaymentStatus.CANCELLED, why=f"cancelled by {by}")
    if links.current_link(tx, payment.id) is not None:
        ledger.decide(
            tx,
            payment.id,
            "no more messages",
            "Migo's link may still be payable; money that comes is booked and told",
        )
    cards.refresh(tx, payment.id)
    return moved


def stop_asking(tx: Tx, payment: Payment, *, why: str) -> None:
    """Cancel every waiting message that asks for this money, and links not yet made."""
    gone = waiting.cancel_waiting(
        tx, payment_id=payment.id, purposes=ASKING, why=why, with_create=True
    )
    series.take_back(tx, gone)
    attempts.drop_planned(tx, payment.id, why=why)


def check_wanted(tx: Tx, payment: Payment, *, approves: bool = False) -> None:
    """Check that the customer may be sent a link of this payment.

    Raises:
        RequestError: a person has to decide something else first, or no money is wanted.
    """
    if payment.held_reason == cards.APPROVAL and not approves:
        raise RequestError("a second person has to agree to this payment first")
    if payment.status not in UNPAID | {PaymentStatus.EXPIRED, PaymentStatus.HELD}:
        raise RequestError(f"a payment that is {payment.status.value} needs no link")
    if any(link.status is LinkStatus.HELD for link in links.links_of(tx, payment.id)):
        raise RequestError("money was reported for this link; decide on it before sending it again")


def resend(
    tx: Tx,
    rules: Rules,
    payment_id: str,
    *,
    by: str,
    channel: str | None = None,
    accepts_risk: bool = False,
    approves: bool = False,
) -> Payment:
    """Send the link again: the same URL, always; a new attempt only where there is no link.

    Args:
        tx: the transaction.
        rules: the rules of this installation.
        payment_id: which payment.
        by: who asks.
        channel: over this channel instead of the payment's route.
        accepts_risk: a named person knows that an earlier link may exist and be payable too.
        approves: whoever asks is the second person that the payment waits for.

    Raises:
        RequestError: it cannot be sent again, and why.
    """
    payment = must_read(tx, payment_id)
    check_wanted(tx, payment, approves=approves)
    route = payment.route if channel is None else (channel,)
    link = links.current_link(tx, payment.id)
    if link is None:
        return _retry_create(tx, rules, payment, route, by=by, accepts_risk=accepts_risk)
    if payment.status in (PaymentStatus.EXPIRED, PaymentStatus.HELD):
        payment = payments.move(tx, payment, PaymentStatus.LINKED, why=f"sent again by {by}")
        payments.set_expiry(tx, payment.id, tx.now + rules.link_ttl)
    if rules.next_courier(route) is None:
        if channel is not None and channel not in ("web", "app"):
            raise RequestError(f"{channel} is off; send it over another channel")
        ledger.decide(tx, payment.id, "link handed over again", f"asked by {by}; the same URL")
        return must_read(tx, payment.id)
    number = 1 + len(showing.rows_of(tx, [payment.id]).get(payment.id, []))
    plan_message(
        tx,
        rules,
        payment,
        Purpose.LINK,
        key=f"link:{link.id}:again:{number}",
        link=link,
        route=route,
        payload={"again": True, **void_of(tx, payment)},
    )
    series.begin(tx, rules, payment)
    ledger.decide(tx, payment.id, "link again", f"asked by {by}; the same URL")
    return must_read(tx, payment.id)


def _retry_create(
    tx: Tx,
    rules: Rules,
    payment: Payment,
    route: tuple[str, ...],
    *,
    by: str,
    accepts_risk: bool,
) -> Payment:
    earlier = attempts.attempts_of(tx, payment.id)
    if any(attempt.state in ("planned", "sending") for attempt in earlier):
        raise RequestError("its link is being made right now; nothing to send again yet")
    if any(attempt.state == "unknown" for attempt in earlier):
        may_be_read = not has_no_reader(tx, rules)
        if may_be_read and not accepts_risk:
            raise RequestError(
                "a first link may exist at Migo and the customer may be able to pay both; repeat "
                "with accept_risk if you know that it does not"
            )
        if may_be_read:
            payments.flag_multi_link(tx, payment.id)
        ledger.record_override(
            tx,
            payment.id,
            who=by,
            what="new link after an unknown create",
            wording=RISK,
        )
    return order_link(tx, rules, payment, channel=route[0], by=by)


def order_link(tx: Tx, rules: Rules, payment: Payment, *, channel: str, by: str) -> Payment:
    """Owe a further link; what had stopped is asked for again."""
    plan_create(tx, rules, payment, channel=channel, at=tx.now)
    if payment.status in (PaymentStatus.EXPIRED, PaymentStatus.HELD):
        payments.set_expiry(tx, payment.id, tx.now + rules.link_ttl)
        payment = payments.move(tx, payment, PaymentStatus.REQUESTED, why=f"tried again by {by}")
    ledger.decide(tx, payment.id, "new attempt", f"asked by {by}")
    return payment


def expire_payments(tx: Tx, *, limit: int = 200) -> int:
    """Stop asking for what has run out of time."""
    stopped = 0
    for found in payments.expired(tx, limit=limit):
        # Locked first, as everywhere: a callback may be booking this payment right now.
        payment = must_read(tx, found.id)
        if payment.status not in UNPAID or payment.expires_at != found.expires_at:
            continue
        stop_asking(tx, payment, why="expired")
        payments.move(tx, payment, PaymentStatus.EXPIRED, why="its time ran out")
        cards.refresh(tx, payment.id)
        stopped += 1
    return stopped
