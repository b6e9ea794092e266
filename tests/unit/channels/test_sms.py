"""How a text fits into SMS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms import PART_UNITS, SEGMENT_UNITS, fold, segments, units


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Pagá aquí, según el código ÁÍÓÚ", "Paga aqui, segun el codigo AIOU"),
        ("¿Señor Núñez? ¡Olé! Ünder à è ì ò ù", "¿Señor Nuñez? ¡Olé! Ünder à è ì ò ù"),
        ("“hoy” ‘sí’ – — … « »", '"hoy" \'si\' - - ... " "'),
        ("1º 2ª 3°", "1o 2a 3o"),
        ("Q150.00\u00a0GTQ\u202f€5", "Q150.00 GTQ €5"),
        ("n\u0303 e\u0301 a\u0301", "ñ é a"),
        ("ço naïve Łódź", "co naive Lodz"),
        ("¡Gracias! 🎉👍🏽", "¡Gracias! "),
        ("世界 мир", "?? ???"),
        ("a\u200bb\u200dc\ufe0f\u202ed\x00e", "abcde"),
        ("½ ﬁn №5 ²", "1/2 fin No5 2"),
        ("line\nbreak\ttab\r\n", "line\nbreak tab\r\n"),
        ("^{}\\[~]|€", "^{}\\[~]|€"),
        ("\ud800", ""),
    ],
)
def test_a_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing_and_stays_in_the_alphabet(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert units(text) == units(folded) >= len(folded)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * SEGMENT_UNITS, 1),
        ("a" * (SEGMENT_UNITS + 1), 2),
        ("á" * SEGMENT_UNITS, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * (2 * PART_UNITS), 2),
        ("a" * (2 * PART_UNITS + 1), 3),
        # The euro does not fit into the last unit of the first part.
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
    ],
)
def test_segments_are_counted_as_they_are_charged(text: str, expected: int) -> None:
    assert segments(text) == expected
