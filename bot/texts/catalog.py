"""Finds the texts of a folder and compiles each once. Every fault is named by file and line."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.texts.locales import LANGUAGES
from bot.texts.purposes import EMAIL, EMAIL_FRAME, FOOTERS, HTML_FRAME, MANNERS, WORDS
from bot.texts.values import VALUES

BUILT_IN = Path(__file__).parent / "templates"
WORDS_FILE = "words.toml"

FRAME_NAMES = frozenset(
    {
        "language",
        "subject",
        "paragraphs",
        "amount",
        "rows",
        "url",
        "has_qr",
        "words",
        "merchant",
        "footer",
    }
)
"""What the two e-mail frames may use."""


def _environment(*, is_html: bool) -> ImmutableSandboxedEnvironment:
    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=is_html,
        finalize=lambda value: "" if value is None else value,
    )
    env.globals.clear()
    return env


_PLAIN = _environment(is_html=False)
_HTML = _environment(is_html=True)


class TextsError(ValueError):
    """Texts that cannot be used; one line a problem, each with its file and line."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep all of them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Text:
    """One file, compiled when it is first used.

    What is asked of it raises `TextsError` for a file that is no UTF-8, no template, or uses a
    variable that is not `known`.
    """

    path: Path
    known: frozenset[str]

    @property
    def template(self) -> Template:
        """What is rendered."""
        return self._compiled[0]

    @property
    def names(self) -> frozenset[str]:
        """The variables it uses."""
        return self._compiled[1]

    @cached_property
    def _compiled(self) -> tuple[Template, frozenset[str]]:
        return _compile(self.path, self.known)


@dataclass(slots=True)
class Catalog:
    """All texts of one folder: by "es/link.sms", frames by name, words by language and section."""

    texts: dict[str, Text] = field(default_factory=dict)
    frames: dict[str, Text] = field(default_factory=dict)
    words: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def over(self, below: "Catalog") -> "Catalog":
        """These texts, and those of `below` where there is none here."""
        words = {
            language: _merged(sections, self.words.get(language, {}))
            for language, sections in below.words.items()
        }
        return Catalog(below.texts | self.texts, below.frames | self.frames, words)


def _merged(
    below: Mapping[str, dict[str, str]], above: Mapping[str, dict[str, str]]
) -> dict[str, dict[str, str]]:
    return {name: section | above.get(name, {}) for name, section in below.items()}


@cache
def built_in() -> Catalog:
    """Our own texts, of which a test has seen that every one compiles.

    Raises:
        TextsError: the installation is damaged.
    """
    catalog = find_texts(BUILT_IN)
    if catalog.problems:
        raise TextsError(catalog.problems)
    return catalog


def read_catalog(folder: Path) -> Catalog:
    """Read and compile every file of a folder; faults are listed in `problems`, not raised."""
    catalog = find_texts(folder)
    for found in (catalog.texts, catalog.frames):
        for key, text in list(found.items()):
            try:
                _ = text.names
            except TextsError as error:
                catalog.problems.extend(error.problems)
                del found[key]
    return catalog


def find_texts(folder: Path) -> Catalog:
    """Read the words of a folder and note its texts, which are compiled at their first use."""
    catalog = Catalog()
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        *parents, name = path.relative_to(folder).parts
        if not parents and name in (EMAIL_FRAME, HTML_FRAME):
            catalog.frames[name] = Text(path, FRAME_NAMES)
        elif len(parents) != 1 or parents[0] not in LANGUAGES:
            languages = ", ".join(LANGUAGES)
            catalog.problems.append(f"{path}:1: texts lie in a folder a language: {languages}")
        elif name == WORDS_FILE:
            _add_words(catalog, parents[0], path)
        elif name in text_files():
            catalog.texts[f"{parents[0]}/{name}"] = Text(path, frozenset(VALUES))
        else:
            catalog.problems.append(f"{path}:1: there is no text of this name")
    return catalog


@cache
def text_files() -> frozenset[str]:
    """The names of all texts of one language."""
    names = {f"{name}.{form}" for name, manner in MANNERS.items() for form in manner.forms}
    return frozenset(names | {f"{name}.{EMAIL}" for name in FOOTERS})


def _compile(path: Path, known: frozenset[str]) -> tuple[Template, frozenset[str]]:
    env = _HTML if path.suffix == ".html" else _PLAIN
    try:
        tree = env.parse(path.read_text("utf-8").rstrip(), filename=str(path))
        names = frozenset(find_undeclared_variables(tree))
        unknown = [
            f"{path}:{node.lineno}: there is no {node.name}; there is {', '.join(sorted(known))}"
            for node in tree.find_all(nodes.Name)
            if node.name in names - known
        ]
        code = env.compile(tree, filename=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise TextsError([f"{path}:1: cannot be read: {error}"]) from error
    except TemplateSyntaxError as error:
        raise TextsError([f"{path}:{error.lineno}: {error.message}"]) from error
    if unknown:
        raise TextsError(unknown)
    return Template.from_code(env, code, {}), names


def _add_words(catalog: Catalog, language: str, path: Path) -> None:
    source = ""
    try:
        source = path.read_text("utf-8")
        found = tomllib.loads(source)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        catalog.problems.append(f"{path}:{_toml_line(error, source)}: {error}")
        return
    problems = [f"{path}:1: {problem}" for problem in _wrong_words(found)]
    catalog.problems.extend(problems)
    if not problems:
        catalog.words[language] = found


def _toml_line(error: Exception, source: str) -> int:
    place = re.search(r"at line (\d+)", str(error))
    return int(place[1]) if place else max(1, len(source.splitlines()))


def _wrong_words(found: Mapping[str, object]) -> Iterable[str]:
    """What is not a known word with a text."""
    for name, section in found.items():
        if name not in WORDS or not isinstance(section, dict):
            yield f"there is no section {name}; there is {', '.join(WORDS)}"
            continue
        for key, value in section.items():
            if key not in WORDS[name]:
                yield f"[{name}] has no {key}; it has {', '.join(WORDS[name])}"
            elif not isinstance(value, str) or not value.strip():
                yield f"[{name}] {key} must be a text"
