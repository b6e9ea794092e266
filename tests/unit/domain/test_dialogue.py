"""One step of a customer's dialogue: what is said, what is done, and what never happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalogue import Product
from bot.domain.dialogue import step
from bot.domain.heard import (
    Act,
    CreatePayment,
    Debt,
    DebtState,
    Dialogue,
    GiveToPerson,
    Heard,
    Known,
    OpenTask,
    PauseReminders,
    Receipt,
    Renew,
    Scope,
    SetConsent,
    ShowLink,
    Turn,
)
from bot.domain.money import Money
from bot.domain.words import Word, understand
from bot.texts.phrases import built_in_phrases

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
BOOK = Product("Cuaderno", Money(2500, "GTQ"), 5)
FEE = Product("Mensualidad", Money(15000, "GTQ"))
SPOKEN = built_in_phrases()["es"]
PRICE = {"minor": 15000, "currency": "GTQ"}
KNOWN = Known(NOW, catalogue=(FEE, BOOK))


def debt(number: int, state: DebtState = DebtState.PAYABLE, currency: str = "GTQ") -> Debt:
    name = f"inv-{number}"
    return Debt(
        f"pay_{number}", Money(100 * number, currency), "Clase", name, state, frozenset({name})
    )


def receipt(number: int, age: timedelta = timedelta(hours=1)) -> Receipt:
    name = f"inv-{number}"
    money = Money(100 * number, "GTQ")
    return Receipt(f"pay_{number}", money, None, name, NOW - age, frozenset({name}))


def says(text: str, known: Known = KNOWN, dialogue: Dialogue | None = None) -> Turn:
    return step(dialogue or Dialogue(), Heard(text, understand(text)), known)


def takes(act: Act, known: Known = KNOWN, **data: object) -> Turn:
    return step(Dialogue(), Heard(act=act, data=data), known)


def phrases(turn: Turn) -> list[str]:
    return [say.phrase.removeprefix("customer.") for say in turn.says]


def offered(turn: Turn) -> list[Act | None]:
    return [option.act for say in turn.says for option in say.options]


def test_a_single_debt_needs_no_question() -> None:
    assert says("pagar", replace(KNOWN, debts=(debt(1),))) == Turn(
        Dialogue(), commands=(ShowLink("pay_1"),)
    )


def test_sums_of_different_currencies_are_not_added() -> None:
    known = replace(KNOWN, debts=(debt(1), debt(2), debt(5, currency="USD")))
    (said,) = says("saldo", known).says
    assert said.values["totals"] == [
        {"amount": {"minor": 300, "currency": "GTQ"}},
        {"amount": {"minor": 500, "currency": "USD"}},
    ]


def test_a_long_list_is_cut_and_says_so() -> None:
    known = replace(KNOWN, debts=tuple(debt(number) for number in range(1, 13)))
    (said,) = says("pagar", known).says
    assert len(said.options) == 6
    assert (said.values["number"], said.values["more"]) == (12, 6)


@pytest.mark.parametrize(
    ("state", "phrase"),
    [(DebtState.MAKING, "link_coming"), (DebtState.WAITING, "waiting")],
)
def test_a_debt_that_cannot_be_paid_now_is_explained(state: DebtState, phrase: str) -> None:
    assert phrases(says("pagar", replace(KNOWN, debts=(debt(1, state),)))) == [phrase]


def test_an_expired_debt_is_renewed_only_when_asked() -> None:
    known = replace(KNOWN, debts=(debt(1, DebtState.EXPIRED),))
    asked = says("pagar", known)
    assert asked.commands == ()
    assert offered(asked) == [Act.RENEW]
    assert says("renovar", known).commands == (Renew("pay_1"),)
    assert takes(Act.RENEW, known, payment_id="pay_1").commands == (Renew("pay_1"),)


@pytest.mark.parametrize("text", ["pagar inv-9", "renovar INV-9", "recibo inv-9", "INV-9"])
def test_what_is_not_theirs_does_not_exist(text: str) -> None:
    known = replace(KNOWN, debts=(debt(1),), receipts=(receipt(2),))
    assert says(text, known) == says(text.replace("9", "8"), known)
    assert phrases(says(text, known)) == ["not_found"]


@pytest.mark.parametrize("payment_id", ["pay_9", None, 1, ["pay_1"]])
def test_a_button_for_a_payment_that_is_not_theirs(payment_id: object) -> None:
    known = replace(KNOWN, debts=(debt(1),))
    assert phrases(takes(Act.PAY, known, payment_id=payment_id)) == ["not_found"]


def test_a_button_of_a_payment_that_was_paid_meanwhile() -> None:
    known = replace(KNOWN, receipts=(receipt(1),))
    turn = takes(Act.PAY, known, payment_id="pay_1")
    assert phrases(turn) == ["paid"]
    assert turn.commands == ()


@pytest.mark.parametrize("text", ["pagar", "saldo", "recibo", "renovar", "ya pagué", "verificar"])
def test_a_stranger_is_asked_who_they_are(text: str) -> None:
    stranger = Known(NOW, is_identified=False, can_identify=True)
    assert offered(says(text, stranger)) == [None]
    nobody = Known(NOW, is_identified=False)
    assert phrases(says(text, nobody)) == ["ask_number"]


def test_i_paid_pauses_reminders_and_opens_a_task_for_each_debt() -> None:
    turn = says("ya pagué", replace(KNOWN, debts=(debt(1), debt(2))))
    day = PauseReminders(timedelta(hours=24))
    assert turn.commands == (day, OpenTask("pay_1"), OpenTask("pay_2"))


def test_i_paid_is_answered_from_the_newest_receipt() -> None:
    fresh = replace(KNOWN, debts=(debt(1),), receipts=(receipt(2),))
    turn = says("ya pagué", fresh)
    assert phrases(turn) == ["paid"]
    assert turn.commands == ()
    assert offered(turn) == [Act.PAID]
    stale = replace(fresh, receipts=(receipt(2, timedelta(days=3)),))
    assert phrases(says("ya pagué", stale)) == ["not_reported"]
    assert phrases(says("ya pagué")) == ["nothing_to_check"]


@pytest.mark.parametrize(
    ("text", "scope", "is_given"),
    [
        ("BAJA", Scope.CHANNEL, False),
        ("baja de todo", Scope.ALL, False),
        ("no más recordatorios", Scope.REMINDERS, False),
        ("alta", Scope.ALL, True),
    ],
)
def test_consent_has_a_scope(text: str, scope: Scope, is_given: bool) -> None:
    turn = says(text)
    assert turn.commands == (SetConsent(scope, is_given),)
    assert len(turn.says) == 1


@pytest.mark.parametrize("text", ["verificar INV-9", "verify inv-9"])
def test_verifying_gives_nothing_of_others_away(text: str) -> None:
    known = replace(KNOWN, debts=(debt(1),), receipts=(receipt(2),))
    assert says(text, known) == says(text.replace("9", "8"), known)
    assert phrases(says(text, known)) == ["verify.unknown"]


def test_what_is_theirs_is_verified_with_its_host() -> None:
    owed = replace(debt(1), host="pay.example")
    [said] = says("verificar inv-1", replace(KNOWN, debts=(owed,))).says
    assert (said.phrase, said.values["host"]) == ("verify.ours", {"text": "pay.example"})
    assert phrases(says("verificar inv-2", replace(KNOWN, receipts=(receipt(2),)))) == [
        "verify.ours"
    ]
    [said] = says("¿es real?", replace(KNOWN, debts=(owed, debt(3)))).says
    assert said.values == {"hosts": [{"host": {"text": "pay.example"}}]}


@pytest.mark.parametrize("text", ["todavía no he pagado", "ainda não paguei", "I haven't paid"])
def test_who_has_not_paid_is_given_the_link(text: str) -> None:
    turn = says(text, replace(KNOWN, debts=(debt(1),)))
    assert turn.commands == (ShowLink("pay_1"),)


@pytest.mark.parametrize("text", ["quiero darme de baja", "STOP please", "quero sair"])
def test_a_wish_to_stop_in_a_sentence_is_asked(text: str) -> None:
    turn = says(text, replace(KNOWN, debts=(debt(1),)))
    assert turn.commands == ()
    assert phrases(turn) == ["stop_ask"]
    assert Act.STOP_CHANNEL in offered(turn)


@pytest.mark.parametrize("text", ["cancelar", "cancel", "baha", "bajaa"])
def test_what_is_unclear_about_consent_is_asked(text: str) -> None:
    turn = says(text)
    assert turn.commands == ()
    assert phrases(turn) == ["stop_ask"]
    assert Act.NOTHING in offered(turn)


def test_misunderstanding_ends_with_a_person() -> None:
    dialogue, said = Dialogue(), []
    turn = Turn(dialogue)
    for _ in range(3):
        turn = says("blablabla wxyz", dialogue=turn.dialogue)
        said += phrases(turn)
    assert said == ["unknown", "offer_person", "handed"]
    assert turn.commands == (GiveToPerson("did not find the words the bot knows"),)
    assert turn.dialogue.misses == 0


def test_a_purchase_in_numbers() -> None:
    picked = takes(Act.PRODUCT, product="Cuaderno")
    assert picked.dialogue.product == "Cuaderno"
    for wrong in ("0", "6", "999"):
        asked = says(wrong, dialogue=picked.dialogue)
        assert phrases(asked) == ["wrong_quantity"]
        assert asked.dialogue.product == "Cuaderno"
    confirm = says("4", dialogue=picked.dialogue)
    assert confirm.dialogue.is_asked
    yes = confirm.says[0].options[0]
    assert yes.act is Act.CONFIRM
    bought = step(confirm.dialogue, Heard(act=Act.CONFIRM, data=yes.data), KNOWN)
    assert bought.commands == (CreatePayment("Cuaderno", 4, Money(10000, "GTQ")),)


@pytest.mark.parametrize(
    "data",
    [
        {"product": "Mensualidad", "quantity": 1, "total": {"minor": 1, "currency": "GTQ"}},
        {"product": "Mensualidad", "quantity": 2, "total": PRICE},
        {"product": "Mensualidad", "quantity": -1, "total": PRICE},
        {"product": "Otra cosa", "quantity": 1, "total": PRICE},
        {"product": "Mensualidad", "quantity": "1", "total": PRICE},
        {},
    ],
)
def test_nothing_is_bought_but_what_was_shown(data: dict[str, object]) -> None:
    assert step(Dialogue(), Heard(act=Act.CONFIRM, data=data), KNOWN).commands == ()


@pytest.mark.parametrize(
    "known", [replace(KNOWN, is_stopped=True), Known(NOW, is_identified=False, catalogue=(FEE,))]
)
def test_nothing_is_bought_by_whom_no_link_would_reach(known: Known) -> None:
    assert takes(Act.CONFIRM, known, product="Mensualidad", quantity=1, total=PRICE).commands == ()


def test_another_word_leaves_a_purchase() -> None:
    picked = takes(Act.PRODUCT, product="Cuaderno")
    assert says("saldo", dialogue=picked.dialogue).dialogue.product is None


def test_a_card_number_changes_nothing() -> None:
    dialogue = Dialogue(product="Cuaderno", misses=1)
    turn = step(dialogue, Heard("••••1111", has_card=True), KNOWN)
    assert turn.dialogue == dialogue
    assert phrases(turn) == ["card_warning"]
    assert turn.commands == ()


def test_a_choice_that_is_gone_does_nothing() -> None:
    turn = step(Dialogue(), Heard(is_gone=True), KNOWN)
    assert phrases(turn) == ["button_gone"]
    assert turn.commands == ()


WRITTEN = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["pagar", "saldo", "baja", "alta", "sí", "no", "3", "comprar", "persona"]),
    st.sampled_from([word.value for word in Word]),
)
ANY_KNOWN = st.builds(
    Known,
    now=st.just(NOW),
    is_identified=st.booleans(),
    can_identify=st.booleans(),
    is_stopped=st.booleans(),
    debts=st.lists(
        st.builds(debt, st.integers(1, 20), st.sampled_from(list(DebtState))), max_size=10
    ).map(tuple),
    receipts=st.lists(st.builds(receipt, st.integers(1, 20)), max_size=4).map(tuple),
    catalogue=st.sampled_from([(), (FEE,), (FEE, BOOK)]),
)
HEARD = st.one_of(
    WRITTEN.map(lambda text: Heard(text, understand(text))),
    st.builds(
        Heard,
        act=st.sampled_from(list(Act)),
        data=st.fixed_dictionaries(
            {
                "payment_id": st.sampled_from(["pay_1", "pay_9"]),
                "product": st.sampled_from(["Cuaderno", "Mensualidad", "x"]),
                "quantity": st.integers(-1, 9),
                "total": st.just(PRICE),
            }
        ),
    ),
    st.just(Heard(is_gone=True)),
)


@settings(deadline=None)
@given(st.lists(HEARD, max_size=12), ANY_KNOWN)
def test_any_dialogue_is_answered_and_touches_only_what_is_known(
    heard: list[Heard], known: Known
) -> None:
    own = {each.payment_id for each in known.debts}
    dialogue = Dialogue()
    for each in heard:
        turn = step(dialogue, each, known)
        dialogue = turn.dialogue
        assert turn.says or turn.commands
        assert all(say.phrase in SPOKEN for say in turn.says)
        assert all(option.label in SPOKEN for say in turn.says for option in say.options)
        for command in turn.commands:
            match command:
                case ShowLink(payment_id) | Renew(payment_id) | OpenTask(payment_id):
                    assert payment_id in own
            if not known.is_identified:
                assert not isinstance(command, CreatePayment | ShowLink | Renew)


def test_a_file_is_no_miss_and_goes_to_a_person() -> None:
    before = Dialogue(misses=2, is_asked=True)
    turn = step(before, Heard(attachment="photo"), KNOWN)
    assert [say.phrase for say in turn.says] == ["customer.file_handed"]
    assert turn.commands == (GiveToPerson("sent photo"),)
    assert turn.dialogue == Dialogue()
    greeted = step(before, Heard(attachment="sticker"), KNOWN)
    assert greeted.commands == ()
    assert greeted.dialogue.misses == 0
