"""Keeps an SMS within its segments by shortening what can be spared, never the link or the sum.

The channel folds texts into the GSM alphabet, which maps every letter to one; here only the
characters that cost two are counted twice.

Source: 3GPP TS 23.038, 6.2.1: the default alphabet and its extension table.
"""

import unicodedata
from collections.abc import Callable, Mapping

from bot.texts.clean import shorten

SEGMENT_UNITS = 160
PART_UNITS = 153
_TWICE = frozenset("^{}\\[~]|€")
# What may be cut, in this order, to how few characters; below that it is left out.
_SPARE = (("concept", 8), ("detail", 12), ("name", 6), ("reference", 64), ("merchant", 12))
_NEVER_EMPTY = frozenset({"merchant"})


def fit_parts(
    render: Callable[[Mapping[str, str | None]], str],
    values: Mapping[str, str | None],
    parts: int = 1,
) -> str:
    """Render, and again with less, until the text fits or nothing more can be spared."""
    most = SEGMENT_UNITS if parts == 1 else PART_UNITS * parts
    values = dict(values)
    text = _plain(render(values))
    for name, least in _SPARE:
        over = units(text) - most
        if over <= 0:
            break
        value = values.get(name)
        if not value:
            continue
        values[name] = _spared(name, value, over, least)
        text = _plain(render(values))
    return text


def units(text: str) -> int:
    """How many units of 7 bits a text takes once folded, or a few less if it is exotic."""
    return len(text) + sum(map(text.count, _TWICE))


def _spared(name: str, value: str, over: int, least: int) -> str | None:
    # The mark "…" of a cut is folded into three dots.
    room = units(value) - over - 2
    if room >= least:
        return _shortened(value, room)
    return shorten(value, least) if name in _NEVER_EMPTY else None


def _shortened(value: str, room: int) -> str:
    """The longest cut of `value` that takes `room` units, its mark counted as one."""
    for limit in range(room, 1, -1):
        cut = shorten(value, limit)
        if units(cut) <= room:
            return cut
    return ""


def _plain(text: str) -> str:
    """One line, in characters whose number folding does not change."""
    return " ".join(unicodedata.normalize("NFKC", text).split())
