"""The right language, the right words on buttons, and the facts where they belong."""

import pytest

from bot.texts import Facts, Texts, resolve_locale
from bot.texts.purposes import MANNERS
from channels.base import ChannelName
from tests.unit.texts.examples import AT, LINK, Q150, TYPICAL

TEXTS = Texts(merchant="Librería Sol", overrides=None, default_locale="es-GT")
BUTTON_CHARS = 25
"""Source: Twilio docs, Content API: the title of a call-to-action button."""


@pytest.mark.parametrize(
    ("asked", "fallback", "given"),
    [
        ("es", "en", "es"),
        ("es-GT", "en", "es"),
        ("es_419", "en", "es"),
        ("PT", "es", "pt-BR"),
        ("pt-PT", "es", "pt-BR"),
        ("en-US", "es", "en"),
        ("fr", "en", "en"),
        ("est", "en", "en"),
        (None, "pt", "pt-BR"),
        ("", "", "es"),
        ("fr", "de", "es"),
    ],
)
def test_the_nearest_language_is_spoken(asked: str | None, fallback: str, given: str) -> None:
    assert resolve_locale(asked, fallback) == given


def test_a_chat_message_says_all_there_is() -> None:
    wording = TEXTS.render("link", locale=None, channel=ChannelName.TELEGRAM, facts=TYPICAL)
    assert wording.text.splitlines() == [
        "Hola, Ana María López. Librería Sol le envía su enlace para pagar Q150.00.",
        "",
        "Concepto: Mensualidad de abril",
        "Fecha de pago: viernes 3 de abril",
        "El enlace vence: viernes 3 de abril, 14:05",
        "",
        "Pague de forma segura aquí:",
        LINK,
        "",
        "Si no reconoce este cobro, no pague y consulte con Librería Sol.",
    ]


def test_a_receipt_says_when_with_its_offset() -> None:
    facts = Facts(money=Q150, paid_at=AT, time_zone="America/Guatemala", reference="R-1")
    wording = TEXTS.render("receipt", locale="en", channel=ChannelName.WHATSAPP, facts=facts)
    assert "Date and time: April 3, 2026, 2:05 PM (GMT-06:00)" in wording.text
    assert "Reference: R-1" in wording.text


def test_mail_lists_the_facts_with_captions() -> None:
    wording = TEXTS.render("link", locale="pt", channel=ChannelName.EMAIL, facts=TYPICAL)
    assert wording.subject == "Librería Sol: seu link para pagar GTQ 150,00"
    assert f"Pague aqui:\n{LINK}\n" in wording.text
    assert "Referente a: Mensualidad de abril\nReferência: CAMPGT020007SB\n" in wording.text


def test_staff_learn_the_reason_and_the_customer_does_not() -> None:
    told = TEXTS.render("staff_held", locale="es", channel=ChannelName.EMAIL, facts=TYPICAL)
    assert told.text.count("one link was both refunded and reversed") == 1
    assert "Cliente: Ana María López" in told.text
    for purpose in (name for name, manner in MANNERS.items() if not manner.is_staff):
        wording = TEXTS.render(purpose, locale="es", channel=ChannelName.WHATSAPP, facts=TYPICAL)
        assert "refunded and reversed" not in wording.text


def test_staff_are_told_of_what_belongs_to_no_payment() -> None:
    facts = Facts(extra={"detail": "Migo reports on abc, which we did not create"})
    wording = TEXTS.render("staff_held", locale="es", channel=ChannelName.SMS, facts=facts)
    assert wording.text == (
        "Librería Sol: revise un cobro. Motivo: Migo reports on abc, which we did not create"
    )


@pytest.mark.parametrize("locale", ["es", "en", "pt-BR", "es-GT", "xx", None])
@pytest.mark.parametrize("key", ["pay", "already_paid", "help"])
def test_buttons_have_short_labels(key: str, locale: str | None) -> None:
    assert 0 < len(TEXTS.label(key, locale)) <= BUTTON_CHARS
