"""Money that goes back. Each report is booked as it says and told; nothing is added up.

Migo does not say whether the amount of a second report includes the first: a person compares them.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from bot.domain.money import Money
from bot.domain.payment import (
    Alert,
    Fact,
    FactStatus,
    Link,
    LinkFold,
    LinkStatus,
    Payment,
    PaymentStatus,
)
from bot.handlers.payment import must_read
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import ledger, payments
from bot.store.engine import Tx
from bot.store.refunds import Refund, without_approval

APPROVAL_WITHIN = timedelta(minutes=15)
"""How much later than the return the approval may be reported: callbacks come in any order."""

RETURNED = frozenset(
    {
        LinkStatus.PART_REFUNDED,
        LinkStatus.REFUNDED,
        LinkStatus.REVERSED,
        LinkStatus.RETURNED_TWICE,
    }
)


def book(tx: Tx, payment: Payment, refunds: Sequence[Refund]) -> Payment:
    """Enter refunds that moved the payment no further, each with its own amount."""
    for refund in refunds:
        if refund.money is not None:
            payment = payments.book(
                tx,
                payment,
                uid=refund.uid,
                money=refund.money,
                why=f"Migo reported refunded of {refund.uid}",
                cause_inbox_id=refund.inbox_id,
            )
    return payment


def first_of(target: PaymentStatus, refunds: Sequence[Refund]) -> Refund | None:
    """The refund by which a payment becomes refunded."""
    return refunds[0] if target is PaymentStatus.REFUNDED and refunds else None


def raise_alerts(
    tx: Tx,
    rules: Rules,
    payment: Payment,
    link: Link,
    fold: LinkFold,
    facts: Sequence[Fact],
    *,
    inbox_id: int | None,
) -> None:
    """Have a person look at what cannot be right, and at each refund after the first."""
    refunds = _refunds(facts)
    amounts = ", ".join(_amount(fact.money) for fact in refunds)
    # The number is in the key, so that each further report is told.
    key = f"{link.uid}:{len(refunds)}"
    if Alert.FURTHER_REFUND in fold.alerts:
        alarm(
            tx,
            rules,
            Alert.FURTHER_REFUND,
            key=key,
            detail=f"{len(refunds)} refunds were reported: {amounts}; nothing is added up, please "
            f"compare them with Migo's dashboard (uid {link.uid})",
            payment=payment,
            inbox_id=inbox_id,
        )
    if Alert.ODD_REFUND in fold.alerts:
        alarm(
            tx,
            rules,
            Alert.ODD_REFUND,
            key=key,
            detail=f"a refund of more or in another currency than was paid: {amounts} "
            f"(uid {link.uid})",
            payment=payment,
            inbox_id=inbox_id,
        )


def tell_unapproved(tx: Tx, rules: Rules) -> int:
    """Have a person look at money that went back and was not reported as received in time."""
    found = without_approval(tx, older_than=APPROVAL_WITHIN)
    for uid, payment_id in found:
        alarm(
            tx,
            rules,
            Alert.RETURN_WITHOUT_APPROVAL,
            key=uid,
            detail=f"money went back that was never reported as received (uid {uid})",
            payment=must_read(tx, payment_id),
        )
    return len(found)


def note_approval(tx: Tx, link: Link, fold: LinkFold) -> None:
    """Close what was told of a return, once its approval came after all."""
    if fold.status in RETURNED and Alert.RETURN_WITHOUT_APPROVAL not in fold.alerts:
        ledger.close_alert(tx, Alert.RETURN_WITHOUT_APPROVAL, key=link.uid, by="the late approval")


def part_of(paid: Money, facts: Sequence[Fact]) -> Mapping[str, object]:
    """What the customer is told of the first refund, where it is surely less than was paid."""
    refunds = _refunds(facts)
    money = refunds[0].money if len(refunds) == 1 else None
    if money is None or money.currency != paid.currency:
        return {}
    return {"refund_minor": money.minor} if money.minor < paid.minor else {}


def _refunds(facts: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.status is FactStatus.REFUNDED]


def _amount(money: Money | None) -> str:
    return "no amount" if money is None else f"{money.major()} {money.currency}"
