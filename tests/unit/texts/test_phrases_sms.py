"""Whatever a customer is told by SMS fits into two segments, choices and all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.buying import picked, show
from bot.domain.catalogue import Product
from bot.domain.dialogue import step
from bot.domain.heard import Act, Debt, DebtState, Dialogue, Heard, Known, Receipt, Say
from bot.domain.money import Money
from bot.domain.words import WORDS, Word, understand
from bot.texts.locales import LANGUAGES
from bot.texts.phrases import Phrases
from bot.texts.segments import units
from channels.base import ChannelName
from channels.sms import PART_UNITS, fold

NOW = datetime(2026, 12, 23, 15, tzinfo=UTC)
LONG = "Mensualidad de diciembre, materiales y excursión al lago"
MONEY = Money(123456, "GTQ")
PHRASES = Phrases(merchant="Academia de Música Sol", default_locale="es")
FULL = Known(
    NOW,
    debts=tuple(
        Debt(f"pay_{number}", MONEY, LONG, f"INV-{number}", state, frozenset())
        for number, state in enumerate([DebtState.PAYABLE, DebtState.EXPIRED] * 5)
    ),
    receipts=tuple(
        Receipt("pay_9", MONEY, LONG, "INV-2026-000123", NOW - timedelta(days=3), frozenset())
        for _ in range(5)
    ),
    catalogue=(Product("Cuaderno", Money(2500, "GTQ"), 5), Product("Café", Money(1250, "GTQ"))),
)
KNOWN = {"much": FULL, "little": Known(NOW), "one": Known(NOW, debts=FULL.debts[:1])}


def sms(say: Say, locale: str) -> str:
    def words(key: str, values: object) -> str:
        given = values if isinstance(values, dict) else {}
        zone = "America/Guatemala"
        return PHRASES.render(key, locale, given, zone, channel=ChannelName.SMS)

    lines = [words(each.label, each.values) for each in say.options]
    choices = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return "\n\n".join(filter(None, (words(say.phrase, say.values), choices)))


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("word", Word)
def test_every_answer_fits(word: Word, language: str, known: str) -> None:
    saying = WORDS[language][word][0]
    turn = step(Dialogue(), Heard(saying, understand(saying)), KNOWN[known])
    for say in turn.says:
        assert units(fold(sms(say, language))) <= 2 * PART_UNITS, sms(say, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_buying_fits(language: str) -> None:
    turns = [show(Dialogue(), FULL), picked(Dialogue(), {"product": "Cuaderno"}, FULL)]
    turns.append(step(turns[-1].dialogue, Heard("3"), FULL))
    for say in (say for turn in turns for say in turn.says):
        assert units(fold(sms(say, language))) <= 2 * PART_UNITS


@pytest.mark.parametrize("known", ["much", "one"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["mañana", "hoy pago", "pago pronto", "pago en 90 días"])
def test_promises_fit(text: str, language: str, known: str) -> None:
    turn = step(Dialogue(), Heard(text, understand(text)), KNOWN[known])
    turns = [turn, step(Dialogue(), Heard(act=Act.PROMISE_OTHER), KNOWN[known])]
    for say in (say for turn in turns for say in turn.says):
        assert say.phrase.startswith("promise.")
        assert units(fold(sms(say, language))) <= 2 * PART_UNITS, sms(say, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["verificar", "verificar INV-2026-000123", "verificar INV-9"])
def test_verifying_fits(text: str, language: str) -> None:
    names = frozenset({"inv-2026-000123"})
    debt = replace(FULL.debts[0], names=names, host="sandbox.migopayments.com")
    known = replace(FULL, debts=(debt,), receipts=())
    [say] = step(Dialogue(), Heard(text, understand(text)), known).says
    assert say.phrase.startswith("verify.")
    assert units(fold(sms(say, language))) <= 2 * PART_UNITS, sms(say, language)


@pytest.mark.parametrize("known", ["much", "one"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_disputes_fit(language: str, known: str) -> None:
    data = {"payment_id": "pay_0", "words": "x"}
    for act in (Act.DISPUTE_ONE, Act.DISPUTE):
        for say in step(Dialogue(), Heard(act=act, data=data), KNOWN[known]).says:
            assert units(fold(sms(say, language))) <= 2 * PART_UNITS, sms(say, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_of_a_file_fits(language: str) -> None:
    turn = step(Dialogue(), Heard(attachment="photo"), FULL)
    assert [units(fold(sms(say, language))) <= 2 * PART_UNITS for say in turn.says] == [True]
