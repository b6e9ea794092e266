"""What the bot says in a chat, phrase by phrase: short Jinja texts by key in TOML files.

Values come in raw and JSON-safe, as an outbox row keeps them; they are cleaned and formatted here.
"""

import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache, cached_property
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.domain.money import Money
from bot.texts.catalog import TextsError, built_in
from bot.texts.clean import DETAIL_CHARS, no_links, one_line
from bot.texts.formats import format_money, format_time
from bot.texts.locales import LANGUAGES, is_same_language, resolve_locale
from bot.texts.purposes import CHAT, FORM_OF, SMS
from bot.texts.reasons import read_reason
from bot.texts.wording import tidy
from channels.base import ChannelName

FOLDER = Path(__file__).parent / "phrases"
TEXT_CHARS = 3500
_FORMS = frozenset({CHAT, SMS})
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: "" if value is None else value,
)
_ENVIRONMENT.globals.clear()


@dataclass(frozen=True)
class Phrase:
    """One text. It is compiled when it is first said: two thousand at once are two seconds."""

    key: str
    path: Path
    source: str

    @cached_property
    def template(self) -> Template:
        """What is rendered."""
        return _ENVIRONMENT.from_string(self._tree())

    @cached_property
    def names(self) -> frozenset[str]:
        """The values it uses."""
        return frozenset(find_undeclared_variables(self._tree()))

    def _tree(self) -> nodes.Template:
        try:
            return _ENVIRONMENT.parse(self.source)
        except TemplateSyntaxError as error:
            raise TextsError([f"{self.path}: {self.key}: {error.message}"]) from error


Book = Mapping[str, Mapping[str, Phrase]]
"""Phrases of one language: by key, then by form ("txt", and "sms" where it is said shorter)."""


class Phrases:
    """Every phrase in every language."""

    def __init__(self, *, merchant: str, default_locale: str) -> None:
        """Load the phrases.

        Args:
            merchant: who is paid; every phrase may name it.
            default_locale: for people whose language is unknown or none of ours.

        Raises:
            TextsError: a file of ours is damaged.
        """
        self._merchant = one_line(merchant, 60)
        self._default_locale = default_locale
        self._books = built_in_phrases()

    def render(
        self,
        key: str,
        locale: str | None,
        values: Mapping[str, object],
        time_zone: str,
        *,
        channel: ChannelName = ChannelName.TELEGRAM,
    ) -> str:
        """Word one phrase.

        Args:
            key: which one.
            locale: the reader's; None and unknown ones give the default.
            values: raw. `{"minor", "currency"}` is written as money, `{"at": RFC 3339}` as a
                moment in `time_zone`, `{"date": ISO 8601}` as a day, `{"text"}` as somebody wrote
                it, line breaks and links included, `{"word"}` as the phrase of that key and
                `{"reason"}` as `bot.texts.reasons` reads it. Any other string becomes one line
                without links, but for values named `url`.
            time_zone: IANA name.
            channel: SMS takes the shorter form, where there is one.

        Raises:
            KeyError: there is no such phrase.
            ValueError: a value is missing, or is not of these kinds.
        """
        writer = self._writer(locale, time_zone)
        forms = writer.book[key]
        phrase = forms.get(FORM_OF[channel], forms[CHAT])
        shown = {name: writer.write(name, value) for name, value in values.items()}
        try:
            return tidy(phrase.template.render({"merchant": self._merchant, **shown}))
        except UndefinedError as error:
            raise ValueError(f"{key} cannot be worded: {error.message}") from error

    def reason(self, text: str, locale: str | None) -> str:
        """A sentence of the books in the reader's language; an unknown one as it is."""
        return str(self._writer(locale, "UTC").write("reason", {"reason": text}))

    def _writer(self, locale: str | None, time_zone: str) -> "_Writer":
        language = resolve_locale(locale, self._default_locale)
        spoken = next(
            name
            for name in (locale, self._default_locale, language)
            if name and is_same_language(name, language)
        )
        patterns = built_in().words[language]["patterns"]
        return _Writer(spoken, patterns, time_zone, self._books[language])


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes values for one reader."""

    locale: str
    patterns: Mapping[str, str]
    time_zone: str
    book: Book

    def write(self, name: str, value: object) -> object:
        """One value as a template may show it."""
        match value:
            case None | bool() | int():
                return value
            case str() if name == "url":
                return value
            case str():
                return no_links(value, DETAIL_CHARS)
            case list() | tuple():
                return [self.write(name, each) for each in value]
            case Mapping():
                said = self._said(value)
                return self._each(value) if said is None else said
            case _:
                raise ValueError(f"{name} is nothing that can be written")

    def _each(self, values: Mapping[object, object]) -> dict[str, object]:
        return {str(key): self.write(str(key), each) for key, each in values.items()}

    def _said(self, value: Mapping[object, object]) -> str | None:
        """One of the kinds of value that are written in a way of their own; None for others."""
        match value:
            case {"minor": int(minor), "currency": str(currency)}:
                return format_money(Money(minor, currency), self.locale)
            case {"at": str(moment)}:
                return self._time(_aware(moment), "moment", self.time_zone)
            case {"date": str(day)}:
                noon = datetime.combine(date.fromisoformat(day), time(12), UTC)
                return self._time(noon, "day", "UTC")
            case {"text": str(text)}:
                return visible_text(text)
            case {"word": str(key)}:
                return self._word(key)
            case {"reason": str(text)}:
                return self._reason(text)
            case _:
                return None

    def _word(self, key: str) -> str:
        """A phrase without values; one that does not exist is shown by the end of its key."""
        forms = self.book.get(key)
        return key.rpartition(".")[2] if forms is None else forms[CHAT].template.render()

    def _reason(self, text: str) -> str:
        """A sentence of the books in the reader's language; an unknown one as it is."""
        found = read_reason(text)
        if found is None:
            return no_links(text, DETAIL_CHARS)
        values = {name: self.write(name, value) for name, value in found.values.items()}
        return self.book[found.key][CHAT].template.render(values)

    def _time(self, moment: datetime, pattern: str, time_zone: str) -> str:
        return format_time(moment, self.patterns[pattern], time_zone=time_zone, locale=self.locale)


def _aware(moment: str) -> datetime:
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        raise ValueError("a moment without an offset is no moment")
    return at


def visible_text(text: str) -> str:
    """What a person wrote, its line breaks kept, without characters that cannot be seen."""
    return "".join(
        char
        for char in text[:TEXT_CHARS]
        if char == "\n" or unicodedata.category(char) not in _HIDDEN
    ).strip()


@cache
def built_in_phrases() -> Mapping[str, Book]:
    """Our phrases by language.

    Raises:
        TextsError: what is wrong with them, each with its file.
    """
    problems: list[str] = []
    books: dict[str, dict[str, dict[str, Phrase]]] = {}
    for language in LANGUAGES:
        book = books.setdefault(language, {})
        for path in sorted((FOLDER / language).glob("*.toml")):
            for key, form, source in _read(path, problems):
                if form in book.setdefault(key, {}):
                    problems.append(f"{path}: {key} is there twice")
                book[key][form] = Phrase(key, path, source.strip())
    if problems:
        raise TextsError(problems)
    return books


def _read(path: Path, problems: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each text of a file as key, form and source."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
        return
    yield from _flat("", found, path, problems)


def _flat(
    prefix: str, table: Mapping[str, object], path: Path, problems: list[str]
) -> Iterator[tuple[str, str, str]]:
    """The texts of a table: `pay = "…"`, `[pay] txt = "…" sms = "…"`, or `[group] pay = "…"`."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, str):
            yield key, CHAT, value
        elif isinstance(value, dict) and CHAT in value and value.keys() <= _FORMS:
            yield from ((key, form, str(source)) for form, source in value.items())
        elif isinstance(value, dict):
            yield from _flat(f"{key}.", value, path, problems)
        else:
            problems.append(f"{path}: {key} must be a text")
