"""Reads a merchant's own texts and tries each in every situation before the first message."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from jinja2 import TemplateError, Undefined

from bot.texts.catalog import FRAME_NAMES, WORDS_FILE, Catalog, Text, TextsError, read_catalog
from bot.texts.formats import format_time
from bot.texts.purposes import CHAT, MANNERS, SMS, WORDS

_NEVER_LEFT_OUT = frozenset({"paragraphs", "rows", "url", "footer"})
_ANY_TIME = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
_RENDER_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Missing(Undefined):
    """A fact that is not there: it may be asked for, but not written."""

    __str__ = Undefined._fail_with_undefined_error


def read_overrides(folder: Path) -> Catalog:
    """Read a folder laid out as our own `templates/`.

    Raises:
        TextsError: all that is wrong, each with file and line.
    """
    catalog = read_catalog(folder)
    texts = chain.from_iterable(_text_faults(key, text) for key, text in catalog.texts.items())
    frames = chain.from_iterable(map(_frame_faults, catalog.frames.values()))
    words = chain.from_iterable(
        _pattern_faults(folder / language / WORDS_FILE, language, sections.get("patterns", {}))
        for language, sections in catalog.words.items()
    )
    problems = [*catalog.problems, *texts, *frames, *words]
    if problems:
        raise TextsError(problems)
    return catalog


def _text_faults(key: str, text: Text) -> Iterator[str]:
    name, _, form = key.partition("/")[2].partition(".")
    needs = MANNERS[name].needs if name in MANNERS else ()
    if "url" in needs and form in (CHAT, SMS) and "url" not in text.names:
        yield f"{text.path}:1: the link is missing; write {{{{ url }}}}"
    optional = sorted(text.names - {"merchant", *needs})
    yield from dict.fromkeys(_failures(text, optional))


def _failures(text: Text, optional: Sequence[str]) -> Iterator[str]:
    """What happens with every fact there, with each missing alone, and with all missing."""
    for gone in [[], *([name] for name in optional), optional]:
        values: dict[str, object] = dict.fromkeys(text.names, "Ejemplo 1")
        values |= {name: _Missing(name=name) for name in gone}
        yield from _failure(text, values)


def _frame_faults(frame: Text) -> Iterator[str]:
    for name in sorted(_NEVER_LEFT_OUT - frame.names):
        yield f"{frame.path}:1: the frame must show {name}"
    yield from dict.fromkeys(
        fault for url in (None, "https://example.com/?orderId=1") for fault in _frame(frame, url)
    )


def _frame(frame: Text, url: str | None) -> Iterator[str]:
    words = dict.fromkeys((*WORDS["email"], *WORDS["labels"]), "Ejemplo")
    parts: dict[str, object] = dict.fromkeys(FRAME_NAMES, "Ejemplo")
    parts |= {"url": url, "has_qr": url is not None, "words": words}
    parts |= {"paragraphs": ["Ejemplo"], "rows": [("Ejemplo", "1")] if url else []}
    yield from _failure(frame, parts)


def _pattern_faults(path: Path, language: str, patterns: Mapping[str, str]) -> Iterator[str]:
    for name, pattern in patterns.items():
        try:
            format_time(_ANY_TIME, pattern, time_zone="UTC", locale=language)
        except (ValueError, LookupError, AttributeError) as error:
            yield f"{path}:1: [patterns] {name} is no CLDR date pattern: {error}"


def _failure(text: Text, values: Mapping[str, object]) -> Iterator[str]:
    try:
        text.template.render(values)
    except _RENDER_FAULTS as error:
        yield f"{text.path}:{_line(error, text.path)}: {error}"


def _line(error: Exception, path: Path) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] or 1 if lines else 1
