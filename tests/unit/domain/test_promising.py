"""A day is read as people write it, and only what promises to pay is taken for a promise."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.days import find_days, plain
from bot.domain.dialogue import step
from bot.domain.heard import (
    Act,
    Debt,
    DebtState,
    Dialogue,
    Heard,
    Known,
    MakePromise,
    ShowLink,
    Turn,
)
from bot.domain.money import Money
from bot.domain.promising import MOST_DAYS, Named, read_promise, start_of
from bot.domain.words import understand

WEDNESDAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)
ZONE = "America/Guatemala"


def debt(number: int = 1, **changes: object) -> Debt:
    fields: dict[str, object] = {
        "payment_id": f"pay_{number}",
        "money": Money(15000, "GTQ"),
        "concept": "Mensualidad",
        "reference": f"INV-{number}",
        "state": DebtState.PAYABLE,
        "names": frozenset({f"pay_{number}", f"inv-{number}"}),
        **changes,
    }
    return Debt(**fields)  # type: ignore[arg-type]


KNOWN = Known(NOW, ZONE, debts=(debt(),))


def says(text: str, known: Known = KNOWN, dialogue: Dialogue | None = None) -> Turn:
    return step(dialogue or Dialogue(), Heard(text, understand(text)), known)


def day_of(turn: Turn) -> date | None:
    return next((each.day for each in turn.commands if isinstance(each, MakePromise)), None)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("te pago el viernes", (11, 27)),
        ("Le pago el próximo lunes", (11, 30)),
        ("mañana", (11, 26)),
        ("manana", (11, 26)),
        ("Mañana por la mañana", (11, 26)),
        ("pasado mañana le deposito", (11, 27)),
        ("el 5", (12, 5)),
        ("el 27", (11, 27)),
        ("pago en 3 días", (11, 28)),
        ("deme dos dias", (11, 27)),
        ("hoy mismo pago", (11, 25)),
        ("pago el viernes 27 de noviembre", (11, 27)),
        ("pago el 3 de diciembre", (12, 3)),
        ("cancelo el viernes 27", (11, 27)),
        ("mañana jueves", (11, 26)),
        ("pago el 27/11", (11, 27)),
        ("el viernes a las 5pm", (11, 27)),
        ("el miércoles", (12, 2)),
        ("I'll pay on Friday", (11, 27)),
        ("I will pay tomorrow", (11, 26)),
        ("in three days", (11, 28)),
        ("the 3rd", (12, 3)),
        ("december 3", (12, 3)),
        ("pago sexta-feira", (11, 27)),
        ("pago na sexta", (11, 27)),
        ("amanhã", (11, 26)),
        ("depois de amanhã eu pago", (11, 27)),
        ("vou pagar no dia 5", (12, 5)),
        ("em 3 dias", (11, 28)),
        ("terça-feira", (12, 1)),
    ],
)
def test_a_day_is_read_as_people_write_it(text: str, day: tuple[int, int]) -> None:
    assert read_promise(text, WEDNESDAY) == Named(date(2026, *day))
    assert day_of(says(text)) == date(2026, *day)


@pytest.mark.parametrize(
    "text",
    [
        "pago la otra semana",
        "te pago en la quincena",
        "no pago el viernes",
        "no puedo pagar el viernes",
        "pago el lunes o el martes",
        "I'll pay later",
        "não vou pagar na sexta",
        "pago el 32",
        "pago el 30/2",
    ],
)
def test_what_is_not_clear_is_asked_for(text: str) -> None:
    turn = says(text)
    assert not turn.commands
    assert turn.says[0].phrase == "promise.unclear"
    assert [option.act for option in turn.says[0].options] == [
        Act.PROMISE,
        Act.PROMISE,
        Act.PROMISE_OTHER,
    ]
    assert [option.data.get("day") for option in turn.says[0].options] == [
        "2026-11-26",
        "2026-11-27",
        None,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "pagar",
        "pago de marzo",
        "pago la segunda cuota",
        "pagué el viernes",
        "ya pagué ayer",
        "I paid on Friday",
        "paguei na sexta",
        "¿abren mañana?",
        "mañana no voy a estar en casa, gracias por escribir",
        "quiero hablar con alguien mañana",
        "hasta mañana doctor",
        "pagar inv-1",
        "12",
        "",
    ],
)
def test_what_promises_nothing_is_no_promise(text: str) -> None:
    turn = says(text)
    assert day_of(turn) is None
    assert not any(say.phrase.startswith("promise.") for say in turn.says)


def test_a_name_that_looks_like_a_date_is_a_name() -> None:
    known = Known(NOW, ZONE, debts=(debt(names=frozenset({"15/12"})), debt(2)))
    assert says("pagar 15/12", known).commands == (ShowLink("pay_1"),)


def test_a_promise_is_for_all_that_is_open() -> None:
    others = (debt(3, state=DebtState.EXPIRED), debt(4, state=DebtState.WAITING, is_disputed=True))
    known = Known(NOW, ZONE, debts=(debt(), debt(2, state=DebtState.MAKING), *others))
    turn = says("pago mañana", known)
    assert turn.commands == (MakePromise(("pay_1", "pay_2"), date(2026, 11, 26)),)


def test_a_promise_is_bounded() -> None:
    last = WEDNESDAY + timedelta(days=MOST_DAYS)
    assert day_of(says(f"pago el {last.day}/{last.month}")) == last
    late = last + timedelta(days=1)
    turn = says(f"pago el {late.day}/{late.month}")
    assert turn.says[0].phrase == "promise.too_far"
    assert turn.says[0].values == {"until": {"date": last.isoformat()}}
    assert says("pago el 1/1/2020").says[0].phrase == "promise.unclear"


def test_nothing_is_promised_beyond_its_own_end() -> None:
    ends = datetime(2026, 11, 29, 12, tzinfo=UTC)
    known = Known(NOW, ZONE, debts=(debt(expires_at=ends), debt(2, expires_at=ends)))
    assert says("pago el lunes", known).says[0].values == {"until": {"date": "2026-11-29"}}
    both = Known(NOW, ZONE, debts=(debt(expires_at=ends), debt(2)))
    assert says("pago el lunes", both).commands == (MakePromise(("pay_2",), date(2026, 11, 30)),)


def test_the_day_is_that_of_the_customer() -> None:
    late = datetime(2026, 11, 26, 4, tzinfo=UTC)
    assert day_of(says("mañana", Known(late, ZONE, debts=(debt(),)))) == date(2026, 11, 26)
    assert start_of(date(2026, 11, 26), ZONE) == datetime(2026, 11, 26, 6, tzinfo=UTC)


def test_another_day_is_written() -> None:
    asked = says("pago pronto")
    other = step(asked.dialogue, Heard(act=Act.PROMISE_OTHER), KNOWN)
    assert other.dialogue.is_day_awaited
    assert day_of(says("30", dialogue=other.dialogue)) == date(2026, 11, 30)
    again = says("cuando se pueda", dialogue=other.dialogue)
    assert again.says[0].phrase == "promise.unclear"
    assert says("ayuda", dialogue=other.dialogue).says[0].phrase == "customer.help"


@pytest.mark.parametrize(
    "known",
    [
        Known(NOW, ZONE, debts=(debt(),), is_stopped=True),
        Known(NOW, ZONE, debts=(debt(),), wants_reminders=False),
    ],
)
def test_who_stopped_messages_is_not_told_to_expect_one(known: Known) -> None:
    assert says("mañana", known).says[0].values["will_write"] is False


def test_a_button_of_yesterday_asks_again() -> None:
    turn = step(Dialogue(), Heard(act=Act.PROMISE, data={"day": "2026-11-24"}), KNOWN)
    assert not turn.commands
    assert turn.says[0].phrase == "promise.unclear"


@pytest.mark.parametrize(
    ("text", "language"),
    [("te pago el viernes", "es"), ("I'll pay on Friday", "en"), ("pago sexta-feira", "pt-BR")],
)
def test_the_answer_is_in_the_language_of_the_day(text: str, language: str) -> None:
    assert says(text).dialogue.language == language


@given(st.text(max_size=400), st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.booleans())
def test_whatever_is_written_is_read(text: str, today: date, is_awaited: bool) -> None:
    named = read_promise(text, today, is_awaited=is_awaited)
    assert named is None or named.day is None or isinstance(named.day, date)


@pytest.mark.parametrize("text", ["el " * 5000, "1/" * 5000, "de " * 5000, "a" * 100_000])
def test_endless_text_is_read_to_a_bound(text: str) -> None:
    read_promise(text, WEDNESDAY)
    assert len(find_days(plain(text), WEDNESDAY)[0]) <= 3
