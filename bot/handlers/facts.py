"""What Migo reports about links, and what a payment becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import (
    UNPAID,
    Alert,
    Fact,
    FactStatus,
    Link,
    LinkFold,
    LinkStatus,
    Payment,
    PaymentStatus,
    came_of,
    fold_link,
    payment_status_of,
)
from bot.handlers import cards, refunds, series
from bot.handlers.matching import Named, owner_of
from bot.handlers.payment import must_read, stop_asking
from bot.handlers.planning import (
    MIGO,
    alarm,
    news_route,
    plan_link,
    plan_message,
    tell_staff,
    told_amount,
)
from bot.handlers.rules import Rules
from bot.store import attempts, ledger, links, payments, reported, sales, waiting
from bot.store.engine import Tx
from bot.store.refunds import Refund, unbooked

_DENIED_AFTER = timedelta(seconds=90)
_LOOKS = 200
_SOON = timedelta(seconds=10)
_LATE = timedelta(hours=6)


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
    is_new = reported.add_fact(
        tx,
        reported.NewFact(
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
    was_parked = reported.adopt_facts(tx, uid, link.payment_id) > 0
    if not is_new and not was_parked:
        return "repeat"
    apply_facts(tx, rules, link.payment_id, inbox_id=report.inbox_id)
    return "booked"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A link as it was, what its facts add up to now, and what was paid with it."""

    link: Link
    fold: LinkFold
    came: Money | None
    told: Sequence[Fact]

    @property
    def is_news(self) -> bool:
        """Whether it stands differently now."""
        return self.fold.status is not self.link.status


def apply_facts(tx: Tx, rules: Rules, payment_id: str, *, inbox_id: int | None) -> Payment:
    """Make the payment what its links' facts add up to, and owe the messages that follow."""
    payment = must_read(tx, payment_id)
    known = [_standing(tx, payment, link) for link in links.links_of(tx, payment_id)]
    news: _Standing | None = None
    for each in known:
        _raise_fold_alerts(tx, rules, payment, each, inbox_id=inbox_id)
        refunds.note_approval(tx, each.link, each.fold)
        refunds.raise_alerts(tx, rules, payment, each.link, each.fold, each.told, inbox_id=inbox_id)
        if each.is_news:
            _note_reader(tx, rules, each.link)
            news = each
    parts = [each.fold.status for each in known]
    if payment.status is PaymentStatus.PAID and sales.is_settled(tx, payment_id):
        parts.append(LinkStatus.PAID)
    target, alerts = payment_status_of(payment.status, parts)
    for kind in sorted(alerts):
        detail = _ALERT_TEXT[kind]
        if kind is Alert.OVERPAID:
            detail = f"{detail}. {_refund_request(payment, known)}"
        alarm(tx, rules, kind, key=payment.id, detail=detail, payment=payment)
    if Alert.OVERPAID in alerts:
        payments.flag_overpaid(tx, payment.id)
    owed = unbooked(tx, payment_id) if _REFUNDED.intersection(parts) else []
    payment = _book(tx, payment, target, news, owed, inbox_id=inbox_id)
    # Only now, after messages were cancelled: a claim takes a message first and then its link.
    for each in known:
        if each.is_news:
            links.set_status(tx, each.link.id, each.fold.status)
    for each in known:
        _owe_news(tx, rules, payment, each)
    cards.refresh(tx, payment_id)
    return payment


def _standing(tx: Tx, payment: Payment, link: Link) -> _Standing:
    told = reported.facts_of(tx, link.uid)
    return _Standing(link, fold_link(payment.money, told), came_of(payment.money, told), told)


def _refund_request(payment: Payment, known: Sequence[_Standing]) -> str:
    """What to write to Migo, where a refund cannot be asked for otherwise."""
    paid = [each for each in known if each.fold.status is LinkStatus.PAID]
    ways = [f"{each.link.uid} (reference {each.link.reference or '-'})" for each in paid]
    if len(ways) == 1:
        ways.append("outside of Migo")
    named = " and ".join(ways)
    came = paid[-1].came or payment.money
    return (
        f'To send to Migo: "Please refund {came.major()} {came.currency} of transaction '
        f'{paid[-1].link.uid}. The payment {payment.id} was paid more than once: {named}."'
    )


_ALERT_TEXT = {
    Alert.OVERPAID: "it was paid twice; one of the two must be given back",
    Alert.PAID_AFTER_STOP: "paid after it was cancelled or had expired; the money is booked",
    Alert.MISMATCH: "approved for another amount or currency than asked; no receipt was sent",
    Alert.SECOND_APPROVAL: "one link was approved twice with different content",
    Alert.RETURNED_TWICE: "one link was both refunded and reversed",
    Alert.UNKNOWN_STATUS: "Migo reported a status that we do not know",
}


def _raise_fold_alerts(
    tx: Tx, rules: Rules, payment: Payment, about: _Standing, *, inbox_id: int | None
) -> None:
    uid = about.link.uid
    for kind in sorted(about.fold.alerts & _ALERT_TEXT.keys()):
        detail = f"{_ALERT_TEXT[kind]} (uid {uid})"
        alarm(tx, rules, kind, key=uid, detail=detail, payment=payment, inbox_id=inbox_id)


def _note_reader(tx: Tx, rules: Rules, link: Link) -> None:
    """News of a link that we never had the URL of: somebody else showed it to the customer."""
    if not link.url:
        detail = (
            f"{link.uid} was used though we never learnt of it, so Migo seems to message customers "
            "itself; no link is made anew by itself until somebody closes this alert"
        )
        alarm(tx, rules, Alert.MIGO_WRITES, key=MIGO, detail=detail, reopens=True)


_MONEY_MOVED = frozenset({LinkStatus.PAID, LinkStatus.REVERSED})
_REFUNDED = frozenset({LinkStatus.PART_REFUNDED, LinkStatus.REFUNDED, LinkStatus.RETURNED_TWICE})


def _book(
    tx: Tx,
    payment: Payment,
    target: PaymentStatus,
    news: _Standing | None,
    owed: Sequence[Refund],
    *,
    inbox_id: int | None,
) -> Payment:
    """Move the payment, and enter money that moved without moving it."""
    uid = None if news is None else news.link.uid
    money = (None if news is None else news.came) or payment.money
    if target is not payment.status:
        first = refunds.first_of(target, owed)
        if target is not PaymentStatus.DENIED:
            stop_asking(tx, payment, why=target.value)
        payment = payments.move(
            tx,
            payment,
            target,
            why=f"Migo reported it: {target.value}",
            uid=uid,
            money=money if first is None else first.money,
            cause_inbox_id=inbox_id if first is None else first.inbox_id,
            held_reason=cards.MISMATCH if target is PaymentStatus.HELD else None,
        )
        owed = [refund for refund in owed if refund is not first]
    elif uid is not None and news is not None and news.fold.status in _MONEY_MOVED:
        why = f"Migo reported {news.fold.status.value} of {uid}"
        payment = payments.book(tx, payment, uid=uid, money=money, why=why, cause_inbox_id=inbox_id)
    return refunds.book(tx, payment, owed)


_NEWS = {
    LinkStatus.PAID: Purpose.RECEIPT,
    LinkStatus.DENIED: Purpose.DENIED,
    LinkStatus.PART_REFUNDED: Purpose.REFUNDED,
    LinkStatus.REFUNDED: Purpose.REFUNDED,
    LinkStatus.REVERSED: Purpose.REVERSED,
    LinkStatus.RETURNED_TWICE: Purpose.REVERSED,
}


def _owe_news(tx: Tx, rules: Rules, payment: Payment, about: _Standing) -> None:
    """Owe each message once per uid: its key is the promise."""
    link, status = about.link, about.fold.status
    purpose = _NEWS.get(status)
    if purpose is None or (purpose is Purpose.DENIED and payment.status not in UNPAID):
        return
    at = tx.now + _DENIED_AFTER if purpose is Purpose.DENIED else tx.now
    key = f"{purpose.value}:{link.uid}"
    route, payload = news_route(tx, payment), told_amount(payment, about.came)
    if purpose is Purpose.REFUNDED:
        payload |= refunds.part_of(about.came or payment.money, about.told)
    plan_message(
        tx, rules, payment, purpose, key=key, link=link, route=route, at=at, payload=payload
    )
    tell_staff(tx, rules, payment, status.value, key=link.uid, came=about.came)


def match_parked(tx: Tx, rules: Rules, *, older_than: timedelta) -> int:
    """Look again at facts that belonged to no payment; tell staff of those that still do not.

    The older a fact, the longer until the next look; so many in one transaction and no more, as
    SQLite has but one writer.
    """
    page = reported.parked_facts(tx, older_than=older_than, limit=_LOOKS)
    found = {parked.id: _match(tx, rules, parked) for parked in page}
    reported.look_later(
        tx,
        {
            parked.id: tx.now + min(max(tx.now - parked.received_at, _SOON), _LATE)
            for parked in page
            if not found[parked.id]
        },
    )
    return sum(found.values())


def _match(tx: Tx, rules: Rules, parked: reported.ParkedFact) -> bool:
    links.lock_uid(tx, parked.uid)
    named = Named(parked.uid, parked.external_id, parked.reference, parked.money)
    link = owner_of(tx, rules, named)
    if link is not None:
        reported.rename_facts(tx, parked.uid, link.uid)
        reported.adopt_facts(tx, link.uid, link.payment_id)
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
    tx: Tx, rules: Rules, attempt: attempts.Attempt, *, uid: str, reference: str | None, url: str
) -> None:
    """Keep a link that Migo made and owe it to the customer, unless nobody wants it any more."""
    links.lock_uid(tx, uid)
    payment = must_read(tx, attempt.payment_id)
    attempts.end_attempt(tx, attempt.id, "created")
    if links.find_link(tx, uid) is not None:
        attempts.end_attempt(tx, attempt.id, "unknown", uid_hint=uid)
        detail = f"Migo gave the uid {uid} a second time"
        if payment.status in UNPAID:
            payments.move(
                tx, payment, PaymentStatus.HELD, why=detail, held_reason=Alert.CREATE_UNKNOWN.value
            )
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
        waiting.aim_reminders(tx, payment.id, link.id)
        series.begin(tx, rules, payment)
    else:
        ledger.decide(tx, payment.id, "link not sent", f"the payment is {payment.status.value}")
    if reported.adopt_facts(tx, uid, payment.id):
        apply_facts(tx, rules, payment.id, inbox_id=None)
