"""Finds the known saying that a text was meant to be: slips of the finger, and spelling by ear."""

import re
from collections.abc import Iterable

from rapidfuzz.distance import OSA

_MIN_CHARS = 4
"""Shorter words are too like each other."""

_LONG_CHARS = 8
_MIN_FIRST_CHARS = 5
_SOUNDS = (
    (re.compile("ll"), "y"),
    (re.compile("v"), "b"),
    (re.compile("z|c(?=[ei])"), "s"),
    (re.compile("(?<!c)h"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def sound(text: str) -> str:
    """One spelling for what sounds the same in Spanish: "alluda" and "ayuda", "payy" and "pay"."""
    for written, heard in _SOUNDS:
        text = written.sub(heard, text)
    return text


class Lexicon:
    """Sayings, folded, to be found by what is nearly one of them."""

    def __init__(self, sayings: Iterable[str]) -> None:
        """Sort them by what is asked of them, so that no search reads them all."""
        self._by_sound: dict[str, str] = {}
        self._by_first: dict[str, list[str]] = {}
        self._by_rest: dict[str, list[str]] = {}
        for saying in sorted(sayings):
            self._by_sound.setdefault(sound(saying), saying)
            if len(saying) >= _MIN_CHARS:
                self._by_first.setdefault(saying[0], []).append(saying)
                self._by_rest.setdefault(saying[1:], []).append(saying)

    def nearest(self, typed: str) -> str | None:
        """What sounds like it, else what is one slip of the finger away; two in long texts.

        A slip is a letter left out, added, changed, or swapped with its neighbour. The first letter
        is right, or the only wrong one and a neighbour on the keyboard.
        """
        if len(typed) < _MIN_CHARS:
            return None
        if (same := self._by_sound.get(sound(typed))) is not None:
            return same
        most = 2 if len(typed) >= _LONG_CHARS else 1
        near = [
            (distance, saying)
            for saying in self._by_first.get(typed[0], ())
            if (distance := OSA.distance(typed, saying, score_cutoff=most)) <= most
        ]
        return min(near)[1] if near else self._but_for_the_first(typed)

    def _but_for_the_first(self, typed: str) -> str | None:
        if len(typed) < _MIN_FIRST_CHARS:
            return None
        alike = self._by_rest.get(typed[1:], ())
        return next((saying for saying in alike if _are_neighbours(typed[0], saying[0])), None)


def _are_neighbours(one: str, other: str) -> bool:
    return any(one + other in row or other + one in row for row in _ROWS)
