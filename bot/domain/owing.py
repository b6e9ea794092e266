"""What a customer hears about what they owe and what they paid."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from bot.domain.heard import (
    Act,
    Debt,
    DebtState,
    Dialogue,
    Known,
    OpenTask,
    Option,
    PauseReminders,
    Receipt,
    Renew,
    Say,
    ShowLink,
    Turn,
)
from bot.domain.money import Money
from bot.domain.words import Meaning

LISTED = 6
"""How many payments one message lists: as many as fit into two SMS."""

RECEIPTS_SHOWN = 3
_PAUSE = timedelta(hours=24)
_JUST_PAID = timedelta(days=2)


def money_value(money: Money) -> dict[str, object]:
    """Money as a phrase takes it."""
    return {"minor": money.minor, "currency": money.currency}


def ask_who(dialogue: Dialogue, known: Known) -> Turn:
    """Ask who is writing, where the chat does not tell."""
    if known.can_identify:
        share = (Option("customer.label_share_contact", None),)
        return Turn(dialogue, (Say("customer.ask_contact", options=share),))
    person = (Option("customer.label_person", Act.PERSON),)
    return Turn(dialogue, (Say("customer.ask_number", options=person),))


def pay(dialogue: Dialogue, meaning: Meaning, known: Known) -> Turn:
    """The link of the only payment, of the one named, or a list to choose from."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    if meaning.reference is not None:
        return _pay_named(dialogue, meaning.reference, known)
    current = [debt for debt in known.debts if debt.state is not DebtState.EXPIRED]
    if len(current) == 1:
        return _pay(dialogue, current[0])
    return _list(dialogue, current or known.debts, known)


def resend(dialogue: Dialogue, meaning: Meaning, known: Known) -> Turn:
    """The same link again; a payment whose time ran out is asked for anew."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    if meaning.reference is not None:
        return _pay_named(dialogue, meaning.reference, known, may_renew=True)
    if len(known.debts) == 1:
        return _pay(dialogue, known.debts[0], may_renew=True)
    return _list(dialogue, known.debts, known)


def balance(dialogue: Dialogue, known: Known) -> Turn:
    """All that is open, each with its button."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    current = [debt for debt in known.debts if debt.state is not DebtState.EXPIRED]
    return _list(dialogue, current or known.debts, known)


def pay_one(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """What the button of one payment does; it may have been paid since it was shown."""
    return _pay_chosen(dialogue, data, known, may_renew=False)


def renew_one(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """What the button of an expired payment does."""
    return _pay_chosen(dialogue, data, known, may_renew=True)


def _pay_chosen(
    dialogue: Dialogue, data: Mapping[str, object], known: Known, *, may_renew: bool
) -> Turn:
    if not known.is_identified:
        return ask_who(dialogue, known)
    payment_id = data.get("payment_id")
    for debt in known.debts:
        if debt.payment_id == payment_id:
            return _pay(dialogue, debt, may_renew=may_renew)
    for receipt in known.receipts:
        if receipt.payment_id == payment_id:
            return Turn(dialogue, (_paid_say(receipt),))
    return _not_found(dialogue)


def _pay_named(
    dialogue: Dialogue, reference: str, known: Known, *, may_renew: bool = False
) -> Turn:
    name = reference.casefold()
    for debt in known.debts:
        if name in debt.names:
            return _pay(dialogue, debt, may_renew=may_renew)
    for receipt in known.receipts:
        if name in receipt.names:
            return Turn(dialogue, (_paid_say(receipt),))
    return _not_found(dialogue)


def _not_found(dialogue: Dialogue) -> Turn:
    """One answer for what does not exist and for what belongs to somebody else."""
    options = (
        Option("customer.label_balance", Act.BALANCE),
        Option("customer.label_person", Act.PERSON),
    )
    return Turn(dialogue, (Say("customer.not_found", options=options),))


def _pay(dialogue: Dialogue, debt: Debt, *, may_renew: bool = False) -> Turn:
    values = {"amount": money_value(debt.money), "concept": debt.concept}
    match debt.state:
        case DebtState.PAYABLE:
            return Turn(dialogue, commands=(ShowLink(debt.payment_id),))
        case DebtState.MAKING:
            return Turn(dialogue, (Say("customer.link_coming", values),))
        case DebtState.EXPIRED if may_renew:
            return Turn(dialogue, commands=(Renew(debt.payment_id),))
        case DebtState.EXPIRED:
            return Turn(dialogue, (Say("customer.expired", values, (pay_option(debt),)),))
        case DebtState.WAITING:
            person = (Option("customer.label_person", Act.PERSON),)
            return Turn(dialogue, (Say("customer.waiting", values, person),))


def pay_option(debt: Debt) -> Option:
    """The button of one payment: its link, or a fresh start where its time ran out."""
    is_expired = debt.state is DebtState.EXPIRED
    return Option(
        "customer.renew_label" if is_expired else "customer.pay_label",
        Act.RENEW if is_expired else Act.PAY,
        {"payment_id": debt.payment_id},
        {"amount": money_value(debt.money), "concept": debt.concept},
    )


def _list(dialogue: Dialogue, debts: Sequence[Debt], known: Known) -> Turn:
    if not debts:
        shop = (Option("customer.label_shop", Act.SHOP),) if known.catalogue else ()
        options = (*shop, Option("customer.label_receipt", Act.RECEIPT))
        return Turn(dialogue, (Say("customer.nothing_owed", options=options),))
    shown = debts[:LISTED]
    values = {"totals": totals(debts), "number": len(debts), "more": len(debts) - len(shown)}
    options = tuple(pay_option(debt) for debt in shown)
    return Turn(dialogue, (Say("customer.owed", values, options),))


def totals(debts: Sequence[Debt]) -> list[dict[str, object]]:
    """What is owed in each currency: sums of different ones are never added."""
    sums: dict[str, int] = {}
    for debt in debts:
        sums[debt.money.currency] = sums.get(debt.money.currency, 0) + debt.money.minor
    return [{"amount": {"minor": minor, "currency": code}} for code, minor in sorted(sums.items())]


def receipts(dialogue: Dialogue, meaning: Meaning | None, known: Known) -> Turn:
    """The last receipts again, or the one named."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    found = known.receipts[:RECEIPTS_SHOWN]
    if meaning is not None and meaning.reference is not None:
        name = meaning.reference.casefold()
        found = tuple(each for each in known.receipts if name in each.names)
        if not found:
            return _not_found(dialogue)
    if not found:
        options = (Option("customer.label_balance", Act.BALANCE),)
        return Turn(dialogue, (Say("customer.no_receipts", options=options),))
    values = {"receipts": [_receipt_values(each) for each in found]}
    return Turn(dialogue, (Say("customer.receipts", values),))


def paid(dialogue: Dialogue, known: Known) -> Turn:
    """Answer "I paid" with what is known; what is not known is looked for by a person."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    newest = known.receipts[0] if known.receipts else None
    if newest is not None and (not known.debts or known.now - newest.paid_at < _JUST_PAID):
        other = (Option("customer.label_other_payment", Act.PAID),) if known.debts else ()
        return Turn(dialogue, (_paid_say(newest, other),))
    return not_reported(dialogue, known)


def not_reported(dialogue: Dialogue, known: Known) -> Turn:
    """No money was reported: pause reminders and have a person look."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    person = (Option("customer.label_person", Act.PERSON),)
    if not known.debts:
        return Turn(dialogue, (Say("customer.nothing_to_check", options=person),))
    values = {"totals": totals(known.debts)}
    tasks = tuple(OpenTask(debt.payment_id) for debt in known.debts[:LISTED])
    say = Say("customer.not_reported", values, person)
    return Turn(dialogue, (say,), (PauseReminders(_PAUSE), *tasks))


def _paid_say(receipt: Receipt, options: tuple[Option, ...] = ()) -> Say:
    return Say("customer.paid", _receipt_values(receipt), options)


def _receipt_values(receipt: Receipt) -> dict[str, object]:
    return {
        "amount": money_value(receipt.money),
        "concept": receipt.concept,
        "reference": receipt.reference,
        "paid": {"at": receipt.paid_at.isoformat()},
    }
