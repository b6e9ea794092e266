"""What Migo reports about links, and what a payment becomes of it."""

from collections.abc import Sequence
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
    PaymentStatus,
    fold_link,
    payment_status_of,
)
from bot.handlers import cards, series
from bot.handlers.matching import Named, owner_of
from bot.handlers.payment import must_read, stop_asking
from bot.handlers.planning import MIGO, alarm, news_route, plan_link, plan_message, tell_staff
from bot.handlers.rules import Rules
from bot.store import ledger, links, payments, sales
from bot.store.engine import Tx

_DENIED_AFTER = timedelta(seconds=90)


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
    named = Named(report.uid, report.external_id, report.reference, report.money)
    link = owner_of(tx, rules, named)
    uid = report.uid if link is None else link.uid
    is_new = links.add_fact(
        tx,
        links.NewFact(
            uid=uid,
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
    was_parked = links.adopt_facts(tx, uid, link.payment_id) > 0
    if not is_new and not was_parked:
        return "repeat"
    apply_facts(tx, rules, link.payment_id, inbox_id=report.inbox_id)
    return "booked"


def apply_facts(tx: Tx, rules: Rules, payment_id: str, *, inbox_id: int | None) -> Payment:
    """Make the payment what its links' facts add up to, and owe the messages that follow."""
    payment = must_read(tx, payment_id)
    known = links.links_of(tx, payment_id)
    statuses = []
    news: Link | None = None
    for link in known:
        fold = fold_link(payment.money, links.facts_of(tx, link.uid))
        statuses.append(fold.status)
        _raise_fold_alerts(tx, rules, payment, link, fold, inbox_id=inbox_id)
        if fold.status is not link.status:
            _note_reader(tx, rules, link)
            news = replace(link, status=fold.status)
    parts = [*statuses]
    if payment.status is PaymentStatus.PAID and sales.is_settled(tx, payment_id):
        parts.append(LinkStatus.PAID)
    target, alerts = payment_status_of(payment.status, parts)
    for kind in sorted(alerts):
        detail = _ALERT_TEXT[kind]
        if kind is Alert.OVERPAID:
            detail = f"{detail}. {_refund_request(payment, known, statuses)}"
        alarm(tx, rules, kind, key=payment.id, detail=detail, payment=payment)
    if Alert.OVERPAID in alerts:
        payments.flag_overpaid(tx, payment.id)
    if target is not payment.status:
        payment = _move(tx, payment, target, news, inbox_id=inbox_id)
    elif news is not None and news.status in _MONEY_MOVED:
        why = f"Migo reported {news.status.value} of {news.uid}"
        payment = payments.book(tx, payment, uid=news.uid, why=why, cause_inbox_id=inbox_id)
    # Only now, after messages were cancelled: a claim takes a message first and then its link.
    _write_statuses(tx, known, statuses)
    for link, status in zip(known, statuses, strict=True):
        _owe_news(tx, rules, payment, link, status)
    cards.refresh(tx, payment_id)
    return payment


def _write_statuses(tx: Tx, known: Sequence[Link], statuses: Sequence[LinkStatus]) -> None:
    for link, status in zip(known, statuses, strict=True):
        if status is not link.status:
            links.set_status(tx, link.id, status)


def _refund_request(payment: Payment, known: Sequence[Link], statuses: Sequence[LinkStatus]) -> str:
    """What to write to Migo, where a refund cannot be asked for otherwise."""
    paid = [link for link, status in zip(known, statuses, strict=True) if status is LinkStatus.PAID]
    amount = f"{payment.money.major()} {payment.money.currency}"
    ways = [f"{link.uid} (reference {link.reference or '-'})" for link in paid]
    if len(ways) == 1:
        ways.append("outside of Migo")
    named = " and ".join(ways)
    return (
        f'To send to Migo: "Please refund {amount} of transaction {paid[-1].uid}. The payment '
        f'{payment.id} was paid more than once: {named}."'
    )


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


def _note_reader(tx: Tx, rules: Rules, link: Link) -> None:
    """News of a link that we never had the URL of: somebody else showed it to the customer."""
    if not link.url:
        detail = (
            f"{link.uid} was used though we never learnt of it, so Migo seems to message customers "
            "itself; no link is made anew by itself until somebody closes this alert"
        )
        alarm(tx, rules, Alert.MIGO_WRITES, key=MIGO, detail=detail, reopens=True)


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
    named = Named(parked.uid, parked.external_id, parked.reference, parked.money)
    link = owner_of(tx, rules, named)
    if link is not None:
        links.rename_facts(tx, parked.uid, link.uid)
        links.adopt_facts(tx, link.uid, link.payment_id)
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


def on_link_made(
    tx: Tx, rules: Rules, attempt: links.Attempt, *, uid: str, reference: str | None, url: str
) -> None:
    """Keep a link that Migo made and owe it to the customer, unless nobody wants it any more."""
    links.lock_uid(tx, uid)
    payment = must_read(tx, attempt.payment_id)
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
        series.begin(tx, rules, payment)
    else:
        ledger.decide(tx, payment.id, "link not sent", f"the payment is {payment.status.value}")
    if links.adopt_facts(tx, uid, payment.id):
        apply_facts(tx, rules, payment.id, inbox_id=None)
