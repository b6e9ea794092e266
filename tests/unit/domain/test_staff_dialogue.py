"""The guided form, answer by answer, and the PIN."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.commands import ChargeProblem
from bot.domain.money import Money
from bot.domain.pins import (
    LOCKED_FOR,
    MAX_TRIES,
    Tries,
    fits,
    hash_pin,
    is_too_easy,
    looks_like_pin,
)
from bot.domain.staff_dialogue import Draft, Step, Turn, answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def say(draft: Draft, text: str) -> Turn:
    return answer(draft, text, region="GT", currencies=frozenset({"GTQ"}))


def filled(*answers: str) -> Draft:
    draft = Draft()
    for text in answers:
        turn = say(draft, text)
        assert turn.problem is None
        draft = turn.draft
    return draft


def test_the_form_asks_for_phone_amount_and_concept() -> None:
    steps = [Draft().step, filled("5555 1234").step, filled("5555 1234", "150").step]
    assert steps == [Step.PHONE, Step.AMOUNT, Step.CONCEPT]
    done = filled("5555 1234", "150", "Libros  de\nprimero")
    assert done.step is Step.CONFIRM
    assert (done.phone, done.country, done.money) == ("+50255551234", "GT", Money(15000, "GTQ"))
    assert done.concept == "Libros de primero"


@pytest.mark.parametrize("nothing", ["-", "no", "Sin", "ninguno"])
def test_the_concept_may_be_left_out(nothing: str) -> None:
    done = filled("5555 1234", "150", nothing)
    assert (done.concept, done.step) == (None, Step.CONFIRM)


def test_a_wrong_answer_changes_nothing() -> None:
    for before, text, problem in (
        (Draft(), "12", ChargeProblem.PHONE),
        (filled("5555 1234"), "gratis", ChargeProblem.AMOUNT),
        (filled("5555 1234"), "150 y más", ChargeProblem.AMOUNT),
        (filled("5555 1234"), "1,500", ChargeProblem.AMBIGUOUS),
    ):
        assert say(before, text) == Turn(before, problem)


@pytest.mark.parametrize("step", [Step.PHONE, Step.AMOUNT, Step.CONCEPT])
def test_each_answer_can_be_given_anew(step: Step) -> None:
    done = filled("5555 1234", "150", "Libros")
    assert done.without(step).step is step
    assert done.without(Step.CONFIRM) == done


def test_a_draft_survives_the_conversation() -> None:
    done = filled("5555 1234", "150", "Libros")
    assert Draft.from_slots(done.to_slots()) == done
    assert Draft.from_slots({**done.to_slots(), "stranger": 1}) == done
    assert Draft.from_slots(None) == Draft()


def test_a_pin_is_kept_as_a_salted_hash() -> None:
    one, other = hash_pin("4826", b"1" * 16), hash_pin("4826", b"2" * 16)
    assert one != other
    assert "4826" not in one
    assert fits("4826", one)
    assert fits("4826", other)
    assert not fits("4827", one)


@pytest.mark.parametrize("pin", ["1111", "1234", "98765", "7890"])
def test_easy_pins_are_refused(pin: str) -> None:
    assert is_too_easy(pin)


def test_a_pin_is_four_to_eight_digits() -> None:
    assert [looks_like_pin(text) for text in ("482", "4826", "48264826", "482648264", "48a6")] == [
        *(False, True, True, False, False)
    ]
    assert not looks_like_pin("٤٨٢٦")


def test_five_wrong_pins_lock_for_a_quarter_of_an_hour() -> None:
    tries = Tries()
    for _ in range(MAX_TRIES - 1):
        tries = tries.failed(NOW)
        assert not tries.is_locked(NOW)
    tries = tries.failed(NOW)
    assert tries.is_locked(NOW + LOCKED_FOR - timedelta(seconds=1))
    assert not tries.is_locked(NOW + LOCKED_FOR)
