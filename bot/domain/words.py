"""What a customer's words mean, in Spanish, English and Portuguese; accents and typos forgiven."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bot.domain.sayings import DENIALS, EVERYDAY, NEUTRAL, WORDS, Word
from bot.domain.slips import Lexicon

__all__ = ["MAX_READ_CHARS", "WORDS", "Meaning", "Word", "fold", "understand"]

MAX_READ_CHARS = 500
_MAX_WORDS_AROUND = 8

_STOPS = frozenset({Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS})
_ONLY_ALONE = _STOPS | {
    Word.START,
    Word.YES,
    Word.NO,
    Word.GREETING,
    Word.THANKS,
    Word.CANCEL,
    Word.TELEGRAM,
}
"""Words that mean this only as the whole message: "no", "alta" and "para" occur in any sentence."""

# What is as long as Migo's uid is a name too, digits or none: no word is.
_REFERENCE = re.compile(r"(?=[^\s]*[0-9]|[^\s]{20})[A-Za-z0-9][A-Za-z0-9._/#-]{2,63}")
_CLAUSES = re.compile(r"[,.;:!?¿¡()\n]+")
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
    happens to contain one ends contact: it is a reason to ask. A typo in them is a guess, and never
    more. "Not paid" is a wish to pay.
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
        return Meaning(_unless_denied(inside.word, read, inside.saying), inside.language, reference)
    if reference is not None and not rest:
        return Meaning(Word.PAY, None, reference)
    return _guess(read, rest, reference)


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
                is_one_language = saying not in found and saying not in NEUTRAL
                found[saying] = (word, language if is_one_language else None)
    return found


@dataclass(frozen=True, slots=True)
class _Inside:
    """A saying that may stand inside a longer message, and what it means there."""

    saying: str
    word: Word
    language: str | None

    @property
    def rank(self) -> tuple[int, int]:
        """What matters most comes first, of the same weight the longest."""
        ranks = {Word.DISPUTE: 0, Word.STOP_ASK: 3 if self.saying in EVERYDAY else 1}
        return ranks.get(self.word, 2), -len(self.saying)

    @property
    def is_for_stories(self) -> bool:
        """Who does not recognise a payment, or wants to be left alone, must not be missed."""
        return self.word is Word.DISPUTE or (self.word is Word.STOP_ASK and " " in self.saying)


@cache
def _sentence_words() -> tuple[_Inside, ...]:
    """What may stand inside a longer message, what matters most first."""
    found = []
    for saying, (word, language) in _vocabulary().items():
        if word in _STOPS:
            found.append(_Inside(saying, Word.STOP_ASK, language))
        elif word not in _ONLY_ALONE and (" " in saying or len(saying) > 2):
            found.append(_Inside(saying, word, language))
    return tuple(sorted(found, key=lambda each: each.rank))


def _inside(said: str) -> _Inside | None:
    padded = f" {said} "
    is_story = len(said.split()) > _MAX_WORDS_AROUND
    return next(
        (
            each
            for each in _sentence_words()
            if f" {each.saying} " in padded and (each.is_for_stories or not is_story)
        ),
        None,
    )


def _unless_denied(word: Word, text: str, saying: str) -> Word:
    """What a saying means in its clause: who says that it is not paid wants to pay."""
    if word is not Word.PAID or saying.startswith(("ya ", "ja ")):
        return word
    # "No i paid" answers something; "no pagado" denies.
    denials = DENIALS - {"no"} if " " in saying else DENIALS
    clauses = [f" {fold(clause)} " for clause in _CLAUSES.split(text)]
    before = [clause.partition(f" {saying} ")[0] for clause in clauses if f" {saying} " in clause]
    is_denied = bool(before) and all(denials & set(words.split()) for words in before)
    return Word.PAY if is_denied else word


def _guess(text: str, said: str, reference: str | None) -> Meaning | None:
    """The nearest saying, if it is near enough; very short words are too like each other."""
    words = said.split()
    if len(words) > _MAX_WORDS_AROUND:
        return None
    for candidate in (said, *(word for word in words if len(words) > 1)):
        saying = _lexicon().nearest(candidate)
        if saying is None:
            continue
        word, language = _vocabulary()[saying]
        if candidate == said or word not in _ONLY_ALONE:
            word = _unless_denied(word, text, candidate)
            return Meaning(word, language, reference, is_guess=True)
    return None


@cache
def _lexicon() -> Lexicon:
    return Lexicon(_vocabulary())


def _reference_in(text: str) -> str | None:
    found = _REFERENCE.search(text)
    return None if found is None else found[0].rstrip("./-#")
