"""Words from outside carry no link, no hidden sign and no more than their share."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.texts.clean import no_links, one_line, shorten


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("José Ñandú de la O", "José Ñandú de la O"),
        ("  Ana \t\r\n  López ", "Ana López"),
        ("Ana http://evil.example/pay", "Ana"),
        ("hxxps://evil.example", ""),
        ("www.evil.example/x pague", "pague"),
        ("evil.com", ""),
        ("EVIL.CO/pay", ""),
        ("evil.example?x=1", ""),
        ("mire 10.0.0.1:8080 ya", "mire ya"),
        ("javascript:alert(1)", ""),
        ("ana@evil.example", ""),
        ("e\u200bvil.c\u200bom", ""),
        ("evil\uff0ecom", ""),
        ("evil\u3002com", ""),
        ("@evil_bot /start", "evil_bot start"),
        ("Dr.Lopez", "Dr. Lopez"),
        ("Factura 12.50 y/o 3/4", "Factura 12.50 y/o 3/4"),
        ("abc\u202etxt.exe", "abctxt. exe"),
        ("\u2066Ana\u2069\u200f", "Ana"),
        ("A\u0301\u0301\u0301\u0301\u0301na", "Á\u0301\u0301na"),
        ("\x1b[31mrojo\x07", "[31mrojo"),
        ("\u3164\u2800", ""),
        ("", ""),
    ],
)
def test_what_people_type(typed: str, shown: str) -> None:
    assert no_links(typed, 60) == shown


@given(st.text(max_size=400))
def test_whatever_is_typed(typed: str) -> None:
    shown = no_links(typed, 60)
    assert len(shown) <= 60
    assert shown == " ".join(shown.split())
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn") for char in shown)
    assert not re.search(r"://\w|www\.\w|\w@\w+\.\w", shown)


@given(st.text(max_size=400), st.integers(0, 80))
def test_a_reference_keeps_its_dots_but_not_its_lines(typed: str, limit: int) -> None:
    assert one_line("INV.A-42/7", 64) == "INV.A-42/7"
    assert len(one_line(typed, limit)) <= limit
    assert one_line(typed, limit).isprintable()


@pytest.mark.parametrize(
    ("limit", "shown"),
    [(30, "Mensualidad de abril"), (18, "Mensualidad de…"), (8, "Mensual…"), (2, "M…"), (1, "")],
)
def test_a_cut_falls_between_words_where_one_is_near(limit: int, shown: str) -> None:
    assert shorten("Mensualidad de abril", limit) == shown


@pytest.mark.parametrize("sign", ["a.", "@", "http:", "/", "\u0301", "1.", "www."])
def test_endless_text_is_read_to_a_bound(sign: str) -> None:
    assert len(no_links(sign * 100_000, 60)) <= 60
