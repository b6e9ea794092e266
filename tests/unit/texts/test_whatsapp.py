"""Approved templates are found by language and filled in whole, or not at all."""

from pathlib import Path

import pytest

from bot.texts import Facts, Texts, WhatsAppTemplates
from bot.texts.whatsapp import VARIABLE_NAMES, TemplatesError, url_suffix, variables
from channels.base import Template
from tests.unit.texts.examples import HOSTILE, LEAST, LINK, Q150, TYPICAL

SID = "HX0123456789abcdef0123456789abcdef"
OTHER = "HX" + "f" * 32
TEXTS = Texts(merchant="Sol", overrides=None, default_locale="es")


def load(tmp_path: Path, text: str) -> WhatsAppTemplates:
    path = tmp_path / "templates.toml"
    path.write_text(text, "utf-8")
    return WhatsAppTemplates.load(path)


def table(key: str, sid: str = SID, names: str = '"name", "url_suffix"') -> str:
    return f'[{key}]\ncontent_sid = "{sid}"\nvariables = [{names}]\n'


def test_the_nearest_language_is_found(tmp_path: Path) -> None:
    templates = load(tmp_path, table("link.es") + table("link.es-GT", OTHER) + table("link.pt-BR"))
    sids = {
        locale: spec and spec.content_sid
        for locale in ("es", "es-GT", "es_gt", "es-MX", "pt", "en")
        for spec in [templates.find("link", locale)]
    }
    assert sids == {
        "es": SID,
        "es-GT": OTHER,
        "es_gt": OTHER,
        "es-MX": SID,
        "pt": SID,
        "en": None,
    }
    assert templates.find("receipt", "es") is None


def test_every_variable_is_filled_by_its_number(tmp_path: Path) -> None:
    names = ", ".join(f'"{name}"' for name in VARIABLE_NAMES)
    templates = load(tmp_path, table("link.es", names=names))
    assert templates.fill("link", locale="es", facts=TYPICAL, texts=TEXTS) == Template(
        SID,
        {
            "1": "Ana María López",
            "2": "Sol",
            "3": "Q150.00",
            "4": "Mensualidad de abril",
            "5": "CAMPGT020007SB",
            "6": LINK,
            "7": "Ypo5z2zTpLqWoe3eVvZMH",
            "8": "viernes 3 de abril",
            "9": "viernes 3 de abril, 14:05",
            "10": "2",
            "11": "Q300.00",
            "12": "CAMPGT020006SB",
        },
        in_button=frozenset("7"),
    )


@pytest.mark.parametrize("locale", ["es", "en", "pt-BR"])
@pytest.mark.parametrize("facts", [LEAST, HOSTILE, Facts(url=LINK)])
def test_no_value_is_empty_or_spread_over_lines(locale: str, facts: Facts) -> None:
    values = variables(facts, VARIABLE_NAMES, locale=locale, texts=TEXTS)
    assert values is not None
    assert list(values) == [str(number) for number in range(1, len(VARIABLE_NAMES) + 1)]
    for value in values.values():
        assert value.strip()
        assert not any(bad in value for bad in ("\n", "\t", "    ", "None", "\u202e"))


def test_a_missing_reference_is_stood_in_for_by_the_payment() -> None:
    facts = Facts(money=Q150, payment_id="a1b2")
    assert variables(facts, ["reference"], locale="es", texts=TEXTS) == {"1": "a1b2"}
    assert variables(LEAST, ["reference"], locale="es", texts=TEXTS) == {"1": "sin referencia"}


def test_other_templates_serve_where_there_is_none(tmp_path: Path) -> None:
    templates = load(tmp_path, table("link.es") + table("reminder.es", OTHER))

    def sid(purpose: str, locale: str) -> str | None:
        filled = templates.fill(purpose, locale=locale, facts=TYPICAL, texts=TEXTS)
        return None if filled is None else filled.content_sid

    assert sid("resend", "es-GT") == SID
    for tone in ("friendly", "due", "last", "promised", "digest"):
        assert sid(f"reminder_{tone}", "es") == OTHER
    assert sid("link", "en") == SID
    assert sid("receipt", "es") is None


def test_values_speak_the_language_of_the_template(tmp_path: Path) -> None:
    templates = load(tmp_path, table("link.es", names='"concept", "due"'))
    filled = templates.fill("link", locale="en", facts=LEAST, texts=TEXTS)
    assert filled == Template(SID, {"1": "su compra", "2": "sin fecha límite"})


def test_without_a_link_nothing_is_filled(tmp_path: Path) -> None:
    templates = load(tmp_path, table("link.es"))
    facts = Facts(money=Q150)
    assert templates.fill("link", locale="es", facts=facts, texts=TEXTS) is None


def test_a_button_never_opens_another_place(tmp_path: Path) -> None:
    base = 'url_base = "https://web.migopayments.com/?orderId="\n'
    templates = load(tmp_path, table("link.es") + base)
    assert templates.fill("link", locale="es", facts=LEAST, texts=TEXTS) is None
    facts = Facts(money=Q150, url="https://web.migopayments.com/?orderId=a=b")
    filled = templates.fill("link", locale="es", facts=facts, texts=TEXTS)
    assert filled is not None
    assert filled.variables["2"] == "a=b"


@pytest.mark.parametrize(
    ("url", "suffix"),
    [
        (LINK, "Ypo5z2zTpLqWoe3eVvZMH"),
        ("http://127.0.0.1:8001/pay/?orderId=ab/c", "ab/c"),
        ("https://example.com/p/abc", "abc"),
        ("https://example.com/?id=abc", "abc"),
        ("", None),
        (None, None),
    ],
)
def test_the_suffix_is_what_follows_the_fixed_part(url: str | None, suffix: str | None) -> None:
    assert url_suffix(url) == suffix


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[link.es", "Expected ']'"),
        ('link = "x"', "[link] needs a table per language"),
        ('[link]\nes = "x"', "[link.es] is no table"),
        (table("links.es"), "[links] is no purpose"),
        (table("link.es", sid="HX12"), "[link.es] needs a content_sid"),
        (table("link.es", names='"nombre"'), "unknown variable 'nombre'"),
        (table("link.es") + "body = 1", "unknown key body"),
        (table("link.es") + 'url_base = "migo"', "url_base that is no URL"),
        (f'[link.es]\ncontent_sid = "{SID}"\nvariables = "name"', "needs variables"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(TemplatesError) as caught:
        load(tmp_path, text)
    assert what in str(caught.value)
    assert str(tmp_path / "templates.toml") in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TemplatesError, match="No such file"):
        WhatsAppTemplates.load(tmp_path / "none.toml")
