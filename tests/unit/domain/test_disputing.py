"""Who does not recognise a payment is asked which and whether, before anything stops."""

from datetime import UTC, datetime

import pytest

from bot.domain.dialogue import step
from bot.domain.heard import Act, Debt, DebtState, Dialogue, Dispute, Heard, Known, Turn
from bot.domain.money import Money
from bot.domain.words import Word, understand

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)


def debt(number: int, *, is_disputed: bool = False) -> Debt:
    state = DebtState.WAITING if is_disputed else DebtState.PAYABLE
    names = frozenset({f"pay_{number}", f"inv-{number}0"})
    money = Money(1000 * number, "GTQ")
    return Debt(f"pay_{number}", money, "Cuota", None, state, names, is_disputed=is_disputed)


def says(text: str, *debts: Debt) -> Turn:
    return step(Dialogue(), Heard(text, understand(text)), Known(NOW, debts=debts))


@pytest.mark.parametrize(
    "text",
    [
        "NO RECONOZCO",
        "No reconozco este cobro",
        "no reconosco ese pago!!",
        "yo nunca les compré nada y la verdad no reconozco este cobro, por favor revisen",
        "ese cobro no es mío",
        "I don't recognise this",
        "I do not recognize this payment",
        "não reconheço",
        "não reconheço essa cobrança de vocês",
    ],
)
def test_it_is_heard_in_many_words(text: str) -> None:
    meaning = understand(text)
    assert meaning is not None
    assert meaning.word is Word.DISPUTE
    turn = says(text, debt(1))
    assert turn.says[0].phrase == "dispute.ask"
    assert turn.dialogue.is_asked
    assert not turn.commands


@pytest.mark.parametrize("text", ["no", "no gracias", "reconozco la deuda", "es mío", "pagar"])
def test_other_words_dispute_nothing(text: str) -> None:
    meaning = understand(text)
    assert meaning is None or meaning.word is not Word.DISPUTE


def test_one_of_several_is_picked_and_the_first_words_are_kept() -> None:
    debts = (debt(1), debt(2), debt(3, is_disputed=True))
    turn = says("no reconozco esto", *debts)
    assert turn.says[0].phrase == "dispute.which"
    acts = [option.act for option in turn.says[0].options]
    assert acts == [Act.DISPUTE_ONE, Act.DISPUTE_ONE, Act.PERSON]
    known = Known(NOW, debts=debts)
    picked = step(
        turn.dialogue, Heard(act=Act.DISPUTE_ONE, data=turn.says[0].options[1].data), known
    )
    assert picked.says[0].phrase == "dispute.ask"
    data = picked.says[0].options[0].data
    done = step(picked.dialogue, Heard("sí", act=Act.DISPUTE, data=data), known)
    assert done.commands == (Dispute("pay_2", "no reconozco esto"),)
    assert done.says[0].phrase == "dispute.taken"


def test_the_one_that_is_named_is_meant() -> None:
    turn = says("no reconozco INV-20", debt(1), debt(2))
    assert turn.says[0].options[0].data["payment_id"] == "pay_2"


def test_nothing_is_disputed_twice_or_that_is_not_owed() -> None:
    assert says("no reconozco", debt(1, is_disputed=True)).says[0].phrase == "dispute.known"
    assert says("no reconozco").says[0].phrase == "dispute.nothing"
    data = {"payment_id": "pay_of_another", "words": "x"}
    turn = step(Dialogue(), Heard(act=Act.DISPUTE, data=data), Known(NOW, debts=(debt(1),)))
    assert not turn.commands


def test_who_is_not_known_is_asked_who_they_are() -> None:
    known = Known(NOW, is_identified=False, can_identify=True)
    turn = step(Dialogue(), Heard("no reconozco", understand("no reconozco")), known)
    assert turn.says[0].phrase == "customer.ask_contact"
