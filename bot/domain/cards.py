"""Finds card numbers in what people write, so that none is ever kept."""

import re

_MASK = "•"
_DIGITS = re.compile(r"(?<![0-9])(?:[0-9][ .\-]?){12,18}[0-9](?![0-9])")


def mask_cards(text: str) -> tuple[str, bool]:
    """The text with every card number but its last four digits covered, and whether there was one.

    A card number has 13 to 19 digits, perhaps grouped, with a right Luhn check digit.

    Source: ISO/IEC 7812-1, annex B.
    """
    has_card = False

    def cover(found: re.Match[str]) -> str:
        nonlocal has_card
        digits = re.sub("[^0-9]", "", found[0])
        if not is_luhn(digits):
            return found[0]
        has_card = True
        return _MASK * (len(digits) - 4) + digits[-4:]

    return _DIGITS.sub(cover, text), has_card


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return bool(digits) and total % 10 == 0
