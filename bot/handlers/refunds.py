"""Money that goes back. Each report is booked as it says and told; nothing is added up.

Migo does not say whether the amount of a second report includes the first: a person compares them.
"""

from collections.abc import Mapping, Sequence

from bot.domain.money import Money
from bot.domain.payment import Alert, Fact, FactStatus, Link, LinkFold, Payment, PaymentStatus
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import payments
from bot.store.engine import Tx
from bot.store.refunds import Refund


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
