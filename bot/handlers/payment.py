"""What is asked of a payment, and what Migo reports about it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import (
    UNPAID,
    Alert,
    FactStatus,
    Link,
    LinkFold,
    LinkStatus,
    Payment,
    PaymentId,
    PaymentStatus,
    fold_link,
    may_move,
    payment_status_of,
)
from bot.handlers import cards
from bot.handlers.planning import (
    alarm,
    news_route,
    plan_create,
    plan_link,
    plan_message,
    tell_staff,
)
from bot.handlers.rules import Rules
from bot.store import ledger, links, outbox, payments, people, sales
from bot.store.engine import Tx
from channels.base import Address, ChannelName

_ASKING = (Purpose.LINK, Purpose.REMINDER, Purpose.DENIED)
_DENIED_AFTER = timedelta(seconds=90)


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
        RequestError: the currency is not enabled.
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
    if request.money.currency not in rules.currencies:
        enabled = ", ".join(sorted(rules.currencies))
        raise RequestError(f"{request.money.currency} is not enabled; enabled: {enabled}")
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
            expires_at=request.expires_at or _default_expiry(rules, start, request.due_at),
        ),
    )
    payment = _must_read(tx, new_id)
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


def _default_expiry(rules: Rules, start: datetime, due_at: datetime | None) -> datetime:
    """When we stop asking if nobody says when: never before it is due, with a week to be late."""
    end = start + rules.link_ttl
    return end if due_at is None else max(end, due_at + timedelta(days=7))


def _must_read(tx: Tx, payment_id: str) -> Payment:
    payment = payments.read(tx, payment_id, lock=True)
    if payment is None:
        raise RequestError(f"there is no payment {payment_id}")
    return payment


def cancel_payment(tx: Tx, payment_id: str, *, by: str) -> Payment:
    """Stop asking. Migo's link may still be payable, and money that comes is still booked.

    Raises:
        RequestError: no such payment, or it is paid or returned already.
    """
    payment = _must_read(tx, payment_id)
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
    outbox.cancel_waiting(tx, payment_id=payment.id, purposes=_ASKING, why=why, with_create=True)
    links.drop_planned(tx, payment.id, why=why)


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
    payment = _must_read(tx, payment_id)
    if payment.held_reason == cards.APPROVAL and not approves:
        raise RequestError("a second person has to agree to this payment first")
    route = payment.route if channel is None else (channel,)
    if payment.status not in UNPAID | {PaymentStatus.EXPIRED, PaymentStatus.HELD}:
        raise RequestError(f"a payment that is {payment.status.value} needs no link")
    link = links.current_link(tx, payment.id)
    if link is None:
        return _retry_create(tx, rules, payment, route, by=by, accepts_risk=accepts_risk)
    if link.status is LinkStatus.HELD:
        raise RequestError("money was reported for this link; decide on it before sending it again")
    if payment.status in (PaymentStatus.EXPIRED, PaymentStatus.HELD):
        payment = payments.move(tx, payment, PaymentStatus.LINKED, why=f"sent again by {by}")
        payments.set_expiry(tx, payment.id, tx.now + rules.link_ttl)
    if rules.next_courier(route) is None:
        if channel is not None and channel not in ("web", "app"):
            raise RequestError(f"{channel} is off; send it over another channel")
        ledger.decide(tx, payment.id, "link handed over again", f"asked by {by}; the same URL")
        return _must_read(tx, payment.id)
    number = 1 + len(outbox.rows_of(tx, [payment.id]).get(payment.id, []))
    plan_message(
        tx,
        rules,
        payment,
        Purpose.LINK,
        key=f"link:{link.id}:again:{number}",
        link=link,
        route=route,
        payload={"again": True},
    )
    ledger.decide(tx, payment.id, "link again", f"asked by {by}; the same URL")
    return _must_read(tx, payment.id)


def _retry_create(
    tx: Tx,
    rules: Rules,
    payment: Payment,
    route: tuple[str, ...],
    *,
    by: str,
    accepts_risk: bool,
) -> Payment:
    attempts = links.attempts_of(tx, payment.id)
    if any(attempt.state in ("planned", "sending") for attempt in attempts):
        raise RequestError("its link is being made right now; nothing to send again yet")
    if any(attempt.state == "unknown" for attempt in attempts):
        if not accepts_risk and rules.dispatches.value != "no":
            raise RequestError(
                "a first link may exist at Migo and the customer may be able to pay both; repeat "
                "with accept_risk if you know that it does not"
            )
        ledger.record_override(
            tx,
            payment.id,
            who=by,
            what="new link after an unknown create",
            wording="the customer may be able to pay both",
        )
    plan_create(tx, rules, payment, channel=route[0], at=tx.now)
    if payment.status in (PaymentStatus.EXPIRED, PaymentStatus.HELD):
        payments.set_expiry(tx, payment.id, tx.now + rules.link_ttl)
        payment = payments.move(tx, payment, PaymentStatus.REQUESTED, why=f"tried again by {by}")
    ledger.decide(tx, payment.id, "new attempt", f"asked by {by}")
    return payment


@dataclass(frozen=True, slots=True)
class Report:
    """What one callback says, read and checked for shape."""

    uid: str
    status: FactStatus
    raw_status: str
    money: Money | None
    external_id: str | None
    reference: str | None
    body_hash: str
    inbox_id: int
    received_at: datetime


def on_payment_event(tx: Tx, rules: Rules, report: Report) -> str:
    """Book what Migo reports; give the verdict in a word. Safe to repeat.

    A uid that we do not know is kept as a parked fact and looked at again by `match_parked`.
    """
    links.lock_uid(tx, report.uid)
    link = links.find_link(tx, report.uid) or _adopt_orphan(
        tx, rules, uid=report.uid, external_id=report.external_id, reference=report.reference
    )
    is_new = links.add_fact(
        tx,
        links.NewFact(
            uid=report.uid,
            status=report.status,
            raw_status=report.raw_status,
            money=report.money,
            body_hash=report.body_hash,
            external_id=report.external_id,
            reference=report.reference,
            inbox_id=report.inbox_id,
            payment_id=None if link is None else link.payment_id,
            received_at=report.received_at,
        ),
    )
    if link is None:
        return "parked" if is_new else "repeat"
    was_parked = links.adopt_facts(tx, report.uid, link.payment_id) > 0
    if not is_new and not was_parked:
        return "repeat"
    apply_facts(tx, rules, link.payment_id, inbox_id=report.inbox_id)
    return "booked"


def _adopt_orphan(
    tx: Tx, rules: Rules, *, uid: str, external_id: str | None, reference: str | None
) -> Link | None:
    """Give a uid we never learnt of to the attempt it names, if that attempt's end is unknown."""
    payment_id, separator, number = (external_id or "").rpartition(".")
    if not separator or not number.isdecimal():
        return None
    attempt = next(
        (
            each
            for each in links.attempts_of(tx, payment_id)
            if str(each.attempt_no) == number and each.state in ("unknown", "dropped")
        ),
        None,
    )
    if attempt is None or any(
        each.attempt_no == attempt.attempt_no for each in links.links_of(tx, payment_id)
    ):
        return None
    orphan = links.insert_link(tx, attempt, uid=uid, reference=reference, url="")
    links.supersede(tx, orphan.id, why="its creation was never confirmed to us")
    alarm(
        tx,
        rules,
        Alert.ORPHAN_PAID,
        key=uid,
        detail=f"Migo reports on {uid}, a link whose creation was never confirmed to us",
        payment=payments.read(tx, payment_id),
    )
    return orphan


def apply_facts(tx: Tx, rules: Rules, payment_id: str, *, inbox_id: int | None) -> Payment:
    """Make the payment what its links' facts add up to, and owe the messages that follow."""
    payment = _must_read(tx, payment_id)
    known = links.links_of(tx, payment_id)
    statuses = []
    news: Link | None = None
    for link in known:
        fold = fold_link(payment.money, links.facts_of(tx, link.uid))
        statuses.append(fold.status)
        _raise_fold_alerts(tx, rules, payment, link, fold, inbox_id=inbox_id)
        if fold.status is not link.status:
            links.set_status(tx, link.id, fold.status)
            news = replace(link, status=fold.status)
    parts = [*statuses]
    if payment.status is PaymentStatus.PAID and sales.is_settled(tx, payment_id):
        parts.append(LinkStatus.PAID)
    target, alerts = payment_status_of(payment.status, parts)
    for kind in sorted(alerts):
        alarm(tx, rules, kind, key=payment.id, detail=_ALERT_TEXT[kind], payment=payment)
    if Alert.OVERPAID in alerts:
        payments.flag_overpaid(tx, payment.id)
    if target is not payment.status:
        payment = _move(tx, payment, target, news, inbox_id=inbox_id)
    elif news is not None and news.status in _MONEY_MOVED:
        why = f"Migo reported {news.status.value} of {news.uid}"
        payment = payments.book(tx, payment, uid=news.uid, why=why, cause_inbox_id=inbox_id)
    for link, status in zip(known, statuses, strict=True):
        _owe_news(tx, rules, payment, link, status)
    cards.refresh(tx, payment_id)
    return payment


_ALERT_TEXT = {
    Alert.OVERPAID: "it was paid twice; one of the two must be given back",
    Alert.PAID_AFTER_STOP: "paid after it was cancelled or had expired; the money is booked",
    Alert.MISMATCH: "approved for another amount or currency than asked; no receipt was sent",
    Alert.SECOND_APPROVAL: "one link was approved twice with different content",
    Alert.RETURNED_TWICE: "one link was both refunded and reversed",
    Alert.RETURN_WITHOUT_APPROVAL: "money went back that was never reported as received",
    Alert.UNKNOWN_STATUS: "Migo reported a status that we do not know",
}


def _raise_fold_alerts(
    tx: Tx, rules: Rules, payment: Payment, link: Link, fold: LinkFold, *, inbox_id: int | None
) -> None:
    for kind in sorted(fold.alerts):
        detail = f"{_ALERT_TEXT[kind]} (uid {link.uid})"
        alarm(tx, rules, kind, key=link.uid, detail=detail, payment=payment, inbox_id=inbox_id)


_MONEY_MOVED = frozenset(
    {LinkStatus.PAID, LinkStatus.PART_REFUNDED, LinkStatus.REFUNDED, LinkStatus.REVERSED}
)


def _move(
    tx: Tx, payment: Payment, target: PaymentStatus, news: Link | None, *, inbox_id: int | None
) -> Payment:
    if target is not PaymentStatus.DENIED:
        stop_asking(tx, payment, why=target.value)
    return payments.move(
        tx,
        payment,
        target,
        why=f"Migo reported it: {target.value}",
        uid=None if news is None else news.uid,
        money=payment.money,
        cause_inbox_id=inbox_id,
        held_reason="mismatch" if target is PaymentStatus.HELD else None,
    )


_NEWS = {
    LinkStatus.PAID: Purpose.RECEIPT,
    LinkStatus.DENIED: Purpose.DENIED,
    LinkStatus.PART_REFUNDED: Purpose.REFUNDED,
    LinkStatus.REFUNDED: Purpose.REFUNDED,
    LinkStatus.REVERSED: Purpose.REVERSED,
    LinkStatus.RETURNED_TWICE: Purpose.REVERSED,
}


def _owe_news(tx: Tx, rules: Rules, payment: Payment, link: Link, status: LinkStatus) -> None:
    """Owe each message once per uid: its key is the promise."""
    purpose = _NEWS.get(status)
    if purpose is None or (purpose is Purpose.DENIED and payment.status not in UNPAID):
        return
    at = tx.now + _DENIED_AFTER if purpose is Purpose.DENIED else tx.now
    key = f"{purpose.value}:{link.uid}"
    route = news_route(tx, payment)
    plan_message(tx, rules, payment, purpose, key=key, link=link, route=route, at=at)
    tell_staff(tx, rules, payment, status.value, key=link.uid)


def match_parked(tx: Tx, rules: Rules, *, older_than: timedelta) -> int:
    """Look again at facts that belonged to no payment; tell staff of those that still do not."""
    matched = after_id = 0
    while page := links.parked_facts(tx, older_than=older_than, after_id=after_id):
        matched += sum(_match(tx, rules, parked) for parked in page)
        after_id = page[-1].id
    return matched


def _match(tx: Tx, rules: Rules, parked: links.ParkedFact) -> bool:
    links.lock_uid(tx, parked.uid)
    link = links.find_link(tx, parked.uid) or _adopt_orphan(
        tx, rules, uid=parked.uid, external_id=parked.external_id, reference=parked.reference
    )
    if link is not None:
        links.adopt_facts(tx, parked.uid, link.payment_id)
        apply_facts(tx, rules, link.payment_id, inbox_id=parked.inbox_id)
        return True
    alarm(
        tx,
        rules,
        Alert.UNKNOWN_UID,
        key=parked.uid,
        detail=f"Migo reports on {parked.uid}, which we did not create",
        inbox_id=parked.inbox_id,
    )
    return False


def expire_payments(tx: Tx, *, limit: int = 200) -> int:
    """Stop asking for what has run out of time."""
    stopped = 0
    for found in payments.expired(tx, limit=limit):
        # Locked first, as everywhere: a callback may be booking this payment right now.
        payment = _must_read(tx, found.id)
        if payment.status not in UNPAID or payment.expires_at != found.expires_at:
            continue
        stop_asking(tx, payment, why="expired")
        payments.move(tx, payment, PaymentStatus.EXPIRED, why="its time ran out")
        cards.refresh(tx, payment.id)
        stopped += 1
    return stopped


def on_link_made(
    tx: Tx, rules: Rules, attempt: links.Attempt, *, uid: str, reference: str | None, url: str
) -> None:
    """Keep a link that Migo made and owe it to the customer, unless nobody wants it any more."""
    links.lock_uid(tx, uid)
    payment = _must_read(tx, attempt.payment_id)
    links.end_attempt(tx, attempt.id, "created")
    if links.find_link(tx, uid) is not None:
        links.end_attempt(tx, attempt.id, "unknown", uid_hint=uid)
        detail = f"Migo gave the uid {uid} a second time"
        alarm(tx, rules, Alert.CREATE_UNKNOWN, key=uid, detail=detail, payment=payment)
        return
    link = links.insert_link(tx, attempt, uid=uid, reference=reference, url=url)
    if payment.status is PaymentStatus.REQUESTED:
        payment = payments.move(
            tx, payment, PaymentStatus.LINKED, why="Migo made the link", uid=uid
        )
    if payment.status in UNPAID:
        start = payment.route.index(attempt.channel) if attempt.channel in payment.route else 0
        plan_link(tx, rules, payment, link, payment.route[start:])
    else:
        ledger.decide(tx, payment.id, "link not sent", f"the payment is {payment.status.value}")
    if links.adopt_facts(tx, uid, payment.id):
        apply_facts(tx, rules, payment.id, inbox_id=None)
