"""Finds card numbers in what people write, so that none is ever kept."""

import re
from collections.abc import Sequence
from itertools import pairwise

from bot.domain.identity import PhoneError, parse_phone

_MASK = "•"
_BETWEEN = r"[\s.,\-\u2010-\u2015_/·]{0,3}"
_RUN = re.compile(rf"\d(?:{_BETWEEN}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_COVERED = re.compile(rf"(?:{_MASK}{_BETWEEN}){{9,15}}\d(?:{_BETWEEN}\d){{3}}")
_SCHEMES = re.compile(
    r"4\d{12}"  # Visa, old
    r"|3(?:0[0-59]|[689]\d)\d{11}"  # Diners Club
    r"|3[47]\d{13}"  # American Express
    r"|(?:2[2-7]|[3-6]\d)\d{14,17}"  # Mastercard, Visa, JCB, Discover, UnionPay, Maestro, Elo
)
_SHORTEST, _LONGEST = 13, 19
_SHAPES = frozenset(
    {(4, 6, 5), (4, 6, 4), (6, 13), (4, 3, 3, 3), (8, 8), (12, 4), (4, 8, 4), (4, 4, 8), (8, 4, 4)}
)
_LONGEST_PHONE = 15
_GROUP_DIGITS = 6
_GROUPS = 2048
"""More groups than a message can have: nothing of such a text is worth keeping."""
_SHOWN = 4
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def hide_cards(text: str) -> str:
    """The text with every card number but its last four digits covered.

    A card number begins like those of a big scheme and has its length, is written whole or in even
    groups, and ends in a right Luhn digit; a number behind a plus is a telephone, unless it is too
    long or begins like none. So a telephone with an amount beside it stays readable.

    Source: ISO/IEC 7812-1, annex B; ITU-T E.164, of at most 15 digits.
    """
    return _RUN.sub(_cover, text)


def holds_card(text: str) -> bool:
    """Whether a card number stands in this text, readable."""
    return hide_cards(text) != text


def has_hidden_card(text: str) -> bool:
    """Whether a card number was covered in this text."""
    return _COVERED.search(text) is not None


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = sum(map(int, digits[::-1][::2])) + sum(
        _DOUBLED[int(char)] for char in digits[::-1][1::2]
    )
    return bool(digits) and total % 10 == 0


def _cover(run: re.Match[str]) -> str:
    """Cover what is a card number among groups of digits that stand close together."""
    text = run[0]
    groups = list(_GROUP.finditer(text))
    if len(groups) > _GROUPS:
        return _covered(text)
    first = 1 if _is_phone(run, groups) else 0
    while first < len(groups):
        last = _card_end(groups, first)
        if last is not None:
            start, end = groups[first].start(), groups[last].end()
            text = text[:start] + _covered(text[start:end]) + text[end:]
            first = last
        first += 1
    return text


def _is_phone(run: re.Match[str], groups: Sequence[re.Match[str]]) -> bool:
    """Whether the run is said to begin with a telephone, and can."""
    if not run.string[: run.start()].rstrip().endswith("+"):
        return False
    last = _card_end(groups, 0)
    if last is None:
        return True
    digits = "".join(group[0] for group in groups[: last + 1])
    return len(digits) <= _LONGEST_PHONE or _begins_like_a_phone(groups[: last + 1])


def _begins_like_a_phone(groups: Sequence[re.Match[str]]) -> bool:
    """Whether the first of some groups are a telephone of any country."""
    digits = ""
    for group in groups:
        digits += group[0]
        if len(digits) > _LONGEST_PHONE:
            break
        try:
            parse_phone(f"+{digits}", "")
        except PhoneError:
            continue
        return True
    return False


def _card_end(groups: Sequence[re.Match[str]], first: int) -> int | None:
    """The last group of the longest card number that begins with the first; None for none."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += groups[last][0]
        if len(digits) > _LONGEST:
            break
        if len(digits) >= _SHORTEST and _is_card(digits, groups[first : last + 1]):
            found = last
    return found


def _is_card(digits: str, groups: Sequence[re.Match[str]]) -> bool:
    plain = digits if digits.isascii() else "".join(str(int(char)) for char in digits)
    return bool(_SCHEMES.fullmatch(plain)) and _is_even(groups) and is_luhn(plain)


def _is_even(groups: Sequence[re.Match[str]]) -> bool:
    """Whether groups are such as people make of a card number, and not of a phone and an amount."""
    sizes = tuple(len(group[0]) for group in groups)
    first = sizes[0]
    is_regular = first <= _GROUP_DIGITS and set(sizes[:-1]) == {first} and sizes[-1] <= first
    if len(sizes) > 1 and not is_regular and sizes not in _SHAPES:
        return False
    if sizes == (12, 4) and _begins_like_a_phone(groups[:1]):
        return False
    text = groups[0].string
    gaps = [text[left.end() : right.start()] for left, right in pairwise(groups)]
    return not gaps or gaps[-1] not in (".", ",") or set(gaps) == {gaps[-1]}


def _covered(number: str) -> str:
    hidden = sum(map(str.isdecimal, number)) - _SHOWN
    shown = []
    for char in number:
        hidden -= char.isdecimal()
        shown.append(_MASK if char.isdecimal() and hidden >= 0 else char)
    return "".join(shown)
