"""An SMS keeps to its segments as long as it can, and never loses the link or the sum."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.money import Money
from bot.texts import Facts, Texts
from bot.texts.locales import LANGUAGES
from bot.texts.purposes import MANNERS, SMS
from channels.base import ChannelName
from channels.sms import fold, segments
from tests.unit.texts.examples import HOSTILE, LINK, TYPICAL

SHORT = st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "S", "Zs"]), max_size=20)
PURPOSES = [name for name, manner in MANNERS.items() if SMS in manner.forms]


def sms(purpose: str, language: str, facts: Facts, merchant: str = "Tienda Sol") -> str:
    texts = Texts(merchant=merchant, overrides=None, default_locale="es")
    text = texts.render(purpose, locale=language, channel=ChannelName.SMS, facts=facts).text
    return fold(text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_typical_and_hostile_facts_fit(purpose: str, language: str) -> None:
    for facts in (TYPICAL, HOSTILE):
        text = sms(purpose, language, facts, merchant="Distribuidora El Sol")
        assert segments(text) <= MANNERS[purpose].sms_parts, text
        assert text.startswith("Distribuidora")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", ["link", "resend", "reminder_last", "denied"])
@settings(max_examples=60, deadline=None)
@given(name=SHORT, concept=st.text(max_size=300), minor=st.integers(1, 99_999_999))
def test_any_words_fit_beside_link_and_sum(
    purpose: str, language: str, name: str, concept: str, minor: int
) -> None:
    facts = Facts(name=name, money=Money(minor, "GTQ"), concept=concept, url=LINK)
    text = sms(purpose, language, facts, merchant="Distribuidora El Sol")
    assert segments(text) <= MANNERS[purpose].sms_parts, text
    assert LINK in text
    assert fold(f"{minor % 100:02}") in text


def test_the_concept_is_shortened_first_and_the_name_stays() -> None:
    facts = Facts(
        name="Ana María", money=Money(15_000, "GTQ"), concept="Cuota de abril " * 9, url=LINK
    )
    text = sms("link", "es", facts)
    assert text.startswith("Tienda Sol: Ana Maria, pague Q150.00 (Cuota de abril")
    assert f"...) aquí: {LINK}".replace("í", "i") in text


def test_a_link_too_long_for_one_segment_is_still_whole() -> None:
    url = LINK + "x" * 150
    text = sms("link", "es", Facts(name="Ana", money=Money(15_000, "GTQ"), url=url))
    assert text.endswith(url)
    assert segments(text) == 2


def test_characters_that_cost_two_are_counted_twice() -> None:
    facts = Facts(name="[Ana]", money=Money(15_000, "GTQ"), concept="{~}" * 40, url=LINK)
    assert segments(sms("link", "es", facts)) == 1


CALLS = re.compile("responda|responde|answer|YA PAGUE|JA PAGUEI|I PAID|BAJA|SAIR|STOP$|PAGAR")
CHAT = "https://wa.me/14155238886"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_where_no_answer_comes_none_is_asked_for(purpose: str, language: str) -> None:
    for chat in (CHAT, None):
        for known in (TYPICAL, HOSTILE):
            facts = replace(known, has_replies=False, chat_url=chat)
            text = sms(purpose, language, facts, merchant="Distribuidora El Sol")
            assert not CALLS.search(text), text
            assert text == text.strip()
            assert (CHAT in text) is (chat is not None and purpose.startswith("reminder_"))
            assert segments(text) <= MANNERS[purpose].sms_parts, text
