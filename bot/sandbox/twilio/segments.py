"""How many SMS a text takes."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


def is_gsm7(text: str) -> bool:
    """Whether every character is in the GSM 03.38 alphabet or its extension."""
    return all(char in _BASIC or char in _EXTENDED for char in text)


def count_segments(text: str) -> int:
    """Count the parts of `text`: 160/153 GSM-7 septets, or 70/67 UTF-16 units.

    Source: 3GPP TS 23.038, 6.2.1, and Twilio docs "SMS character limit".
    """
    if is_gsm7(text):
        units, single, part = sum(2 if char in _EXTENDED else 1 for char in text), 160, 153
    else:
        units, single, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if units <= single else -(-units // part)
