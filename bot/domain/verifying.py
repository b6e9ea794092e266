"""Answers whether a message that asks for money is really the merchant's."""

from bot.domain.heard import Act, Debt, Dialogue, Known, Option, Receipt, Say, Turn
from bot.domain.owing import ask_who, money_value
from bot.domain.words import Meaning

_OPTIONS = (
    Option("customer.label_balance", Act.BALANCE),
    Option("customer.label_person", Act.PERSON),
)


def verify(dialogue: Dialogue, meaning: Meaning, known: Known) -> Turn:
    """Say whether a payment is theirs and where its link opens; nothing of anybody else's."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    if meaning.reference is None:
        hosts = sorted({debt.host for debt in known.debts if debt.host})
        values = {"hosts": [{"host": {"text": host}} for host in hosts]}
        return Turn(dialogue, (Say("verify.how", values, _OPTIONS),))
    name = meaning.reference.casefold()
    payments: tuple[Debt | Receipt, ...] = (*known.debts, *known.receipts)
    for each in payments:
        if name in each.names:
            return Turn(dialogue, (_ours(each, meaning.reference),))
    # One answer for what does not exist and for what belongs to somebody else.
    return Turn(dialogue, (Say("verify.unknown", options=_OPTIONS),))


def _ours(payment: Debt | Receipt, reference: str) -> Say:
    values = {
        "amount": money_value(payment.money),
        "concept": payment.concept,
        "reference": reference,
        "host": None if payment.host is None else {"text": payment.host},
    }
    return Say("verify.ours", values, _OPTIONS[:1])
