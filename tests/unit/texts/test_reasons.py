"""What the books say in English is told to staff in their own language, all of it."""

import tomllib

import pytest

from bot.domain.payment import Alert, LinkStatus, PaymentStatus
from bot.texts.locales import LANGUAGES
from bot.texts.phrases import Phrases, built_in_phrases
from bot.texts.reasons import FILE, VALUE, WORDS, read_reason
from tests.unit.texts.spoken import said_in_english

PHRASES = Phrases(merchant="Librería Sol", default_locale="es")
BOOKS = built_in_phrases()
READ = tomllib.loads(FILE.read_text("utf-8"))["reason"]
SENTENCES = {VALUE.sub("7", sentence) for sentence in READ.values()}


@pytest.mark.parametrize("text", said_in_english())
def test_every_reason_in_the_code_has_words(text: str) -> None:
    """A red one here: write its sentence into `phrases/en/reasons.toml` and its translations."""
    assert text in SENTENCES or read_reason(text) is not None


def worded(text: str, locale: str) -> str:
    return PHRASES.render("staff.not_possible", locale, {"why": {"reason": text}}, "UTC")


@pytest.mark.parametrize(
    ("text", "es", "pt"),
    [
        ("link over sms", "el enlace por SMS", "o link por SMS"),
        (
            "whatsapp: Twilio refused it: no WhatsApp user (error 63024)",
            "WhatsApp: Twilio no lo aceptó: no usa WhatsApp (error 63024)",
            "WhatsApp: A Twilio não aceitou: não usa WhatsApp (erro 63024)",
        ),
        (
            "asked by staff:3 Marta; the same URL",
            "lo pidió staff:3 Marta; es el mismo enlace",
            "pedido por staff:3 Marta; é o mesmo link",
        ),
        (
            "a payment that is paid cannot be cancelled",
            "un cobro que está pagado no se puede cancelar",
            "um pagamento que está pago não pode ser cancelado",
        ),
        (
            "the link could not be delivered over any channel; last reason: no email address is"
            " known",
            "no se pudo entregar por ningún canal: el enlace; último motivo: no se conoce su"
            " dirección de correo",
            "não foi possível entregar por nenhum canal: o link; último motivo: não se conhece o"
            " endereço de e-mail",
        ),
        (
            "expiry: window: it is a Sunday: the customer's clock shows 2026-12-06 12:00 in"
            " America/Guatemala; by then its time has run out: it could go at 2026-12-07 09:00,"
            " and may until 2026-12-06 20:00 only",
            "plazo: horario: es domingo: el reloj del cliente marca 2026-12-06 12:00 en"
            " America/Guatemala; para entonces ya se le acabó el plazo: podría salir 2026-12-07"
            " 09:00, y solo puede hasta 2026-12-06 20:00",
            "prazo: horário: é domingo: o relógio do cliente marca 2026-12-06 12:00 em"
            " America/Guatemala; até lá o prazo já acabou: poderia sair 2026-12-07 09:00, e só pode"
            " até 2026-12-06 20:00",
        ),
        (
            "days between: 3 days between two in CO: over email at 2026-11-30 04:00 by the"
            " customer's clock, for payment pay_7",
            "días de espera: 3 días entre uno y otro en CO: por correo, 2026-11-30 04:00 hora del"
            " cliente, del cobro pay_7",
            "dias de espera: 3 dias entre um e outro em CO: por e-mail, 2026-11-30 04:00 na hora do"
            " cliente, do pagamento pay_7",
        ),
        (
            "3 days between two in CO: over sms at 2026-11-30 04:00 by the customer's clock",
            "3 días entre uno y otro en CO: por SMS, 2026-11-30 04:00 hora del cliente",
            "3 dias entre um e outro em CO: por SMS, 2026-11-30 04:00 na hora do cliente",
        ),
        (
            "cap a week: 2 a week at most: 2026-11-29 10:00, 2026-11-30 10:00 (pay_7) by the"
            " customer's clock",
            "límite por semana: 2 a la semana como máximo: 2026-11-29 10:00, 2026-11-30 10:00"
            " (pay_7) hora del cliente",
            "limite por semana: 2 por semana no máximo: 2026-11-29 10:00, 2026-11-30 10:00 (pay_7)"
            " na hora do cliente",
        ),
        (
            "most: 3 were sent; 3 are the most; sent again by hand: 1; reminders on: 2026-11-27,"
            " 2026-11-29",
            "ya se mandaron 3; el máximo es 3; reenviados a mano: 1; recordatorios: 2026-11-27,"
            " 2026-11-29",
            "já foram enviados 3; o máximo é 3; reenviados à mão: 1; lembretes: 2026-11-27,"
            " 2026-11-29",
        ),
        ("paid by other means, says Eva", "pagado por otro medio, dice Eva", "pago por outro"),
    ],
)
def test_a_reason_is_worded_with_its_values(text: str, es: str, pt: str) -> None:
    assert es in worded(text, "es-GT")
    assert pt in worded(text, "pt-BR")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_nobody_foresaw_is_told_as_it_is_without_links(language: str) -> None:
    said = worded("odd thing at https://evil.example/x", language)
    assert "odd thing" in said
    assert "evil" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_books_is_there(language: str) -> None:
    book = BOOKS[language]
    assert {f"kind.{each.value}" for each in Alert} <= set(book)
    assert {f"status.{each.value}" for each in (*PaymentStatus, *LinkStatus)} <= set(book)
    for name in WORDS.keys() - {"kind"}:
        assert {f"{name}.{word}" for word in WORDS[name].split("|")} <= set(book)
