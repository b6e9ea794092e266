"""Reads what the books say in English, so that staff are told it in their own language.

The books keep plain English for developers. Each sentence of theirs stands in `en/reasons.toml` as
it is written, its values in braces; the other languages say the same under the same key.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.domain.packs import DEFAULT

FILE = Path(__file__).parent / "phrases" / "en" / "reasons.toml"
VALUE = re.compile(r"\{\{ (\w+) \}\}")
_NESTED = frozenset({"reason", "what"})
WORDS: Mapping[str, str] = {
    "channel": "whatsapp|sms|email|telegram|web|app",
    "purpose": "link|reminder|receipt|denied|refunded|reversed|reply|invite|staff|create_link",
    "status": "requested|linked|paid|denied|refunded|reversed|expired|cancelled|held|open"
    "|part_refunded|returned_twice|active|paused|removed|ended|skipped|made|missed|done|fired|failed|unknown",
    "kind": "[a-z_]+",
    "lane": "whatsapp|sms|email|telegram|migo",
    "tone": "friendly|due|last|promised",
    "rule": "digest|gap|window|pause|person|slot|cap a day|cap a week|days between"
    "|one channel a week|last channel|reach|most|opt-out|barred|dispute|expiry|status",
    "attachment": "photo|document|video|recording|sticker",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
}
"""The words that a value of this name may be; each has its own in every language."""
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = f"{_DATE} [0-9]{{2}}:[0-9]{{2}}"
_ONE_OF = rf"{_MOMENT}(?: \(\S+\))?"
_SHAPES: Mapping[str, str] = {
    **WORDS,
    "number": "[0-9]+",
    "date": _DATE,
    "dates": f"{_DATE}(?:, {_DATE})*",
    "moment": _MOMENT,
    "end": _MOMENT,
    "moments": f"{_ONE_OF}(?:, {_ONE_OF})*",
    "zone": r"[\w+/-]+",
    "country": f"[A-Z]{{2}}|{DEFAULT}",
    "holiday": "[A-Z].+",
}
"""What else a value of this name may be; others are any text."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence of the books: the key of its phrase, and values as phrases take them."""

    key: str
    values: Mapping[str, object]


def read_reason(text: str) -> Reason | None:
    """Find which sentence this is; None if it is none that we know."""
    for key, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            values = {name: _value(name, said) for name, said in found.groupdict().items()}
            return Reason(f"reason.{key}", values)
    return None


def _value(name: str, said: str) -> object:
    if name in _NESTED:
        return {"reason": said}
    if name == "date":
        return {"date": said}
    return {"word": f"{name}.{said}"} if name in WORDS else said


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every sentence, those with the most words of their own first."""
    sentences = tomllib.loads(FILE.read_text("utf-8"))["reason"]
    ordered = sorted(sentences.items(), key=lambda each: -len(VALUE.sub("", each[1])))
    return tuple((key, _pattern(sentence)) for key, sentence in ordered)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = VALUE.split(sentence)
    written = [
        f"(?P<{part}>{_SHAPES.get(part, '.+?')})" if number % 2 else re.escape(part)
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(written), re.DOTALL)
