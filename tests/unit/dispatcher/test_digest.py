"""A reminder is worded by its tone, and a digest lists every payment with its own link."""

import dataclasses
from pathlib import Path

import pytest

from bot.dispatcher import Composer
from bot.domain.delivery import Purpose
from bot.texts import Texts, WhatsAppTemplates
from channels.base import Address, ChannelName, Limits, OutboundMessage, UrlButton
from tests.unit.dispatcher.items import PHONE, URL, message_item

ROOMY = Limits(text_chars=4000)
TAPPED = dataclasses.replace(ROOMY, has_url_button=True)
TEXTS = Texts(merchant="Tienda", overrides=None, default_locale="es")
FIRST, LAST = "HX" + "1" * 32, "HX" + "2" * 32
TEMPLATES = f"""
[reminder.es]
content_sid = "{FIRST}"
variables = ["name", "amount", "url_suffix"]

[reminder_last.es]
content_sid = "{LAST}"
variables = ["name", "amount", "url_suffix"]
"""


def debt(number: int, **changes: object) -> dict[str, object]:
    return {
        "amount_minor": 10000 * number,
        "currency": "GTQ",
        "concept": f"Cuota {number}",
        "due": "2026-04-03",
        "url": f"https://pay.example/?orderId={number}",
        **changes,
    }


def composed(
    payload: dict[str, object],
    channel: ChannelName = ChannelName.WHATSAPP,
    limits: Limits = ROOMY,
    *,
    templates: WhatsAppTemplates | None = None,
) -> OutboundMessage | None:
    item = message_item(channel, purpose=Purpose.REMINDER, payload=payload)
    composer = Composer(TEXTS, templates, locale="es", time_zone="America/Guatemala")
    to = Address(channel, PHONE)
    return composer.compose(item, to, limits, is_window_open=templates is None)


def text_of(payload: dict[str, object], channel: ChannelName = ChannelName.WHATSAPP) -> str:
    message = composed(payload, channel)
    assert message is not None
    return message.text


@pytest.mark.parametrize(
    ("tone", "said"),
    [
        ("friendly", "con gusto"),
        ("due", "está pendiente"),
        ("last", "último recordatorio"),
        ("promised", "hoy es el día"),
    ],
)
def test_a_tone_has_its_own_words(tone: str, said: str) -> None:
    text = text_of({"tone": tone})
    assert said in text
    assert URL in text
    assert "BAJA" in text


def test_a_digest_lists_each_payment_and_sums_by_currency() -> None:
    dollars = debt(3, currency="USD", concept=None, due=None)
    text = text_of({"tone": "digest", "debts": [debt(1), debt(2), dollars], "more": 0})
    assert "sus 3 pagos pendientes" in text
    assert "Q300.00 + USD 300.00 en total" in text.replace("\xa0", " ")
    assert (
        "• Q100.00 · Cuota 1 · vence el viernes 3 de abril\nhttps://pay.example/?orderId=1" in text
    )
    assert "https://pay.example/?orderId=3" in text


def test_what_a_digest_leaves_out_is_counted_but_never_summed_wrongly() -> None:
    payload = {"tone": "digest", "debts": [debt(n) for n in range(1, 7)], "more": 2}
    text = text_of(payload)
    assert "sus 8 pagos pendientes a" in text
    assert "y 2 más" in text
    assert "en total" not in text
    told = text_of({**payload, "totals": [{"amount_minor": 500000, "currency": "GTQ"}]})
    assert "Q5,000.00 en total" in told


def test_every_payment_of_a_digest_has_its_button() -> None:
    payload: dict[str, object] = {"tone": "digest", "debts": [debt(1), debt(2)]}
    message = composed(payload, ChannelName.TELEGRAM, TAPPED)
    assert message is not None
    assert message.buttons == (
        UrlButton("Pagar Q100.00", "https://pay.example/?orderId=1"),
        UrlButton("Pagar Q200.00", "https://pay.example/?orderId=2"),
    )


def test_outside_the_window_a_tone_without_a_template_takes_the_common_one(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES, "utf-8")
    templates = WhatsAppTemplates.load(path)
    for tone, sid in (("last", LAST), ("promised", FIRST), ("friendly", FIRST), ("digest", FIRST)):
        payload: dict[str, object] = {"tone": tone, "debts": [debt(1), debt(2)]}
        message = composed(payload, templates=templates)
        assert message is not None
        assert message.template is not None
        assert message.template.content_sid == sid
