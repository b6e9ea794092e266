"""What a customer's words mean, in Spanish, English and Portuguese; accents and typos forgiven."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from rapidfuzz.distance import OSA

from bot.domain.sayings import WORDS, Word

__all__ = ["MAX_READ_CHARS", "WORDS", "Meaning", "Word", "fold", "understand"]

MAX_READ_CHARS = 500
_MIN_TYPO_CHARS = 4
_LONG_CHARS = 8
_MAX_WORDS_AROUND = 8

_STOPPING = frozenset({Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS, Word.START})
_ONLY_ALONE = _STOPPING | {
    Word.YES,
    Word.NO,
    Word.GREETING,
    Word.THANKS,
    Word.CANCEL,
    Word.TELEGRAM,
}
"""Words that mean this only as the whole message: "no", "alta" and "para" occur in any sentence."""

_REFERENCE = re.compile(r"(?=[^\s]*[0-9])[A-Za-z0-9][A-Za-z0-9._/#-]{2,63}")
_NOT_LETTERS = re.compile(r"[^a-z0-9 ]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text asks for.

    `language` is None where the word says nothing about it. `reference` is what looks like the name
    of one payment. `is_guess` is set where a typo was forgiven.
    """

    word: Word
    language: str | None = None
    reference: str | None = None
    is_guess: bool = False


def understand(text: str) -> Meaning | None:
    """Read a message; None if it asks for nothing we know.

    Words about consent and plain answers count only as the whole message, so that no sentence that
    happens to contain one ends contact. A typo in them is a guess, and never more.
    """
    read = text[:MAX_READ_CHARS].strip()
    said = fold(read)
    if not said:
        return None
    # Telegram's own button that opens a chat, not a wish to be sent messages again.
    if read.lower() == "/start":
        return Meaning(Word.GREETING)
    exact = _vocabulary().get(said)
    if exact is not None:
        return Meaning(exact[0], exact[1])
    reference = _reference_in(read)
    rest = fold(read.replace(reference, " ")) if reference else said
    inside = _inside(rest)
    if inside is not None:
        return Meaning(inside[0], inside[1], reference)
    if reference is not None and not rest:
        return Meaning(Word.PAY, None, reference)
    return _guess(rest, reference)


def fold(text: str) -> str:
    """Small letters without accents and marks, single spaces: "¡Ya pagué!" gives "ya pague"."""
    bare = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(_NOT_LETTERS.sub(" ", letters).split())


@cache
def _vocabulary() -> Mapping[str, tuple[Word, str | None]]:
    """Every saying with its word, and its language if only one language has it."""
    found: dict[str, tuple[Word, str | None]] = {}
    for language, words in WORDS.items():
        for word, sayings in words.items():
            for saying in sayings:
                known = found.get(saying)
                found[saying] = (word, language) if known is None else (known[0], None)
    return found


@cache
def _sentence_words() -> tuple[tuple[str, tuple[Word, str | None]], ...]:
    """What may stand inside a longer message, the longest sayings first."""
    usable = [
        (saying, meaning)
        for saying, meaning in _vocabulary().items()
        if meaning[0] not in _ONLY_ALONE and (" " in saying or len(saying) > 2)
    ]
    return tuple(sorted(usable, key=lambda each: -len(each[0])))


def _inside(said: str) -> tuple[Word, str | None] | None:
    padded = f" {said} "
    inside = (meaning for saying, meaning in _sentence_words() if f" {saying} " in padded)
    if len(said.split()) > _MAX_WORDS_AROUND:
        # Who does not recognise a payment tells a story, and must not be missed.
        return next((meaning for meaning in inside if meaning[0] is Word.DISPUTE), None)
    return next(inside, None)


def _guess(said: str, reference: str | None) -> Meaning | None:
    """The nearest saying, if it is near enough; very short words are too like each other."""
    words = said.split()
    if len(words) > _MAX_WORDS_AROUND:
        return None
    for candidate in (said, *(word for word in words if len(words) > 1)):
        nearest = _nearest(candidate)
        if nearest is not None and (candidate == said or nearest[0] not in _ONLY_ALONE):
            return Meaning(nearest[0], nearest[1], reference, is_guess=True)
    return None


def _nearest(said: str) -> tuple[Word, str | None] | None:
    """What one slip of the finger away means; two in long sayings. The first letter must be right.

    A slip is a letter left out, added, changed, or swapped with its neighbour.
    """
    if len(said) < _MIN_TYPO_CHARS:
        return None
    slips = 2 if len(said) >= _LONG_CHARS else 1
    near = [
        (distance, saying)
        for saying in _vocabulary()
        if saying[0] == said[0] and len(saying) >= _MIN_TYPO_CHARS
        if (distance := OSA.distance(said, saying, score_cutoff=slips)) <= slips
    ]
    return _vocabulary()[min(near)[1]] if near else None


def _reference_in(text: str) -> str | None:
    found = _REFERENCE.search(text)
    return None if found is None else found[0].rstrip("./-#")
