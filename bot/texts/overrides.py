"""Reads a merchant's own texts and tries each in every situation before the first message."""

import traceback
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from jinja2 import TemplateError, Undefined

from bot.texts.catalog import Catalog, Text, TextsError, read_catalog
from bot.texts.purposes import CHAT, MANNERS, SMS

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
    tried = chain.from_iterable(_faults(key, text) for key, text in catalog.texts.items())
    problems = [*catalog.problems, *tried]
    if problems:
        raise TextsError(problems)
    return catalog


def _faults(key: str, text: Text) -> Iterator[str]:
    name, _, form = key.partition("/")[2].partition(".")
    needs = MANNERS[name].needs if name in MANNERS else ()
    if "url" in needs and form in (CHAT, SMS) and "url" not in text.names:
        yield f"{text.path}:1: the link is missing; write {{{{ url }}}}"
    yield from dict.fromkeys(_failures(text, text.names - {"merchant", *needs}))


def _failures(text: Text, optional: Iterable[str]) -> Iterator[str]:
    """What happens with every fact there, with each missing alone, and with all missing."""
    optional = sorted(optional)
    for gone in [[], *([name] for name in optional), optional]:
        values: dict[str, object] = dict.fromkeys(text.names, "Ejemplo 1")
        values |= {name: _Missing(name=name) for name in gone}
        try:
            text.template.render(values)
        except _RENDER_FAULTS as error:
            yield f"{text.path}:{_line(error, text.path)}: {error}"


def _line(error: Exception, path: Path) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] or 1 if lines else 1
