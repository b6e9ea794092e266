"""A customer does not recognise what they are asked to pay: which one, are they sure, and then."""

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.heard import Act, Debt, Dialogue, Dispute, Known, Option, Say, Turn
from bot.domain.owing import LISTED, ask_who, money_value
from bot.domain.words import Meaning

WORDS_CHARS = 300
_NOTHING = Option("customer.label_nothing", Act.NOTHING)
_PERSON = Option("customer.label_person", Act.PERSON)


def dispute(dialogue: Dialogue, meaning: Meaning, text: str, known: Known) -> Turn:
    """Ask which payment is meant where it is not clear, and whether it is surely unknown."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    name = (meaning.reference or "").casefold()
    named = [debt for debt in known.debts if name in debt.names]
    open_debts = [debt for debt in known.debts if not debt.is_disputed]
    if not open_debts:
        return Turn(dialogue, (_nothing_open(known),))
    chosen = named or open_debts
    words = text[:WORDS_CHARS]
    return _ask(dialogue, chosen[0], words) if len(chosen) == 1 else _which(dialogue, chosen, words)


def chosen(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """Ask about the payment that was picked from the list."""
    debt = _debt_of(data, known)
    if debt is None:
        return Turn(dialogue, (_nothing_open(known),))
    return _ask(dialogue, debt, str(data.get("words", "")))


def confirmed(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """Stop asking for it until a person has looked."""
    debt = _debt_of(data, known)
    if debt is None:
        return Turn(dialogue, (_nothing_open(known),))
    say = Say("dispute.taken", _values(debt), (_PERSON,))
    return Turn(dialogue, (say,), (Dispute(debt.payment_id, str(data.get("words", ""))),))


def _ask(dialogue: Dialogue, debt: Debt, words: str) -> Turn:
    if debt.is_disputed:
        return Turn(dialogue, (Say("dispute.known", _values(debt), (_PERSON,)),))
    data = {"payment_id": debt.payment_id, "words": words}
    options = (Option("dispute.label_yes", Act.DISPUTE, data), _NOTHING)
    say = Say("dispute.ask", _values(debt), options)
    return Turn(replace(dialogue, is_asked=True), (say,))


def _which(dialogue: Dialogue, debts: list[Debt], words: str) -> Turn:
    options = [
        Option(
            "dispute.label_one",
            Act.DISPUTE_ONE,
            {"payment_id": debt.payment_id, "words": words},
            _values(debt),
        )
        for debt in debts[:LISTED]
    ]
    return Turn(dialogue, (Say("dispute.which", options=(*options, _PERSON)),))


def _nothing_open(known: Known) -> Say:
    disputed = [debt for debt in known.debts if debt.is_disputed]
    if disputed:
        return Say("dispute.known", _values(disputed[0]), (_PERSON,))
    return Say("dispute.nothing", options=(_PERSON,))


def _debt_of(data: Mapping[str, object], known: Known) -> Debt | None:
    """The payment behind a button, if it is still owed."""
    if not known.is_identified:
        return None
    wanted = data.get("payment_id")
    return next((debt for debt in known.debts if debt.payment_id == wanted), None)


def _values(debt: Debt) -> dict[str, object]:
    return {"amount": money_value(debt.money), "concept": debt.concept}
