"""Every phrase exists in every language, wants the same values, and comes out whole."""

import re

import pytest

from bot.texts.locales import LANGUAGES
from bot.texts.phrases import Phrases, built_in_phrases
from channels.base import ChannelName

PHRASES = Phrases(merchant="Librería Sol", default_locale="es")
BOOKS = built_in_phrases()
KEYS = sorted(BOOKS["es"])
ZONE = "America/Guatemala"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase(language: str) -> None:
    assert set(BOOKS[language]) == set(KEYS)
    forms = {key: set(book) for key, book in BOOKS[language].items()}
    assert forms == {key: set(book) for key, book in BOOKS["es"].items()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_a_phrase_wants_the_same_values_in_every_language(key: str, language: str) -> None:
    for form, phrase in BOOKS[language][key].items():
        assert phrase.names - {"merchant"} == BOOKS["es"][key][form].names - {"merchant"}
        assert phrase.template


def _said(template: str, **values: object) -> str:
    return PHRASES.render(template, "es-GT", values, ZONE)


def test_values_are_written_for_the_reader() -> None:
    money = {"minor": 15000, "currency": "GTQ"}
    assert "Q150.00" in _said("customer.pay_label", amount=money, concept=None)


def test_a_link_in_a_value_does_not_reach_a_reader() -> None:
    said = _said(
        "customer.pay_label",
        amount={"minor": 1, "currency": "GTQ"},
        concept="vea https://evil.example/x",
    )
    assert "evil" not in said


def test_a_missing_value_is_an_error_and_so_is_a_strange_one() -> None:
    with pytest.raises(ValueError, match="amount"):
        _said("customer.pay_label", concept=None)
    with pytest.raises(ValueError, match="concept"):
        _said("customer.pay_label", amount={"minor": 1, "currency": "GTQ"}, concept=object())


def test_a_phrase_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        _said("customer.nothing")


@pytest.mark.parametrize("language", LANGUAGES)
def test_sms_takes_the_short_form(language: str) -> None:
    shorter = [key for key in KEYS if "sms" in BOOKS[language][key]]
    assert shorter
    for key in shorter:
        if BOOKS[language][key]["sms"].names - {"merchant"}:
            continue
        said = PHRASES.render(key, language, {}, ZONE, channel=ChannelName.SMS)
        assert len(said) <= 160
        assert not re.search(r"\n\n|  ", said)
