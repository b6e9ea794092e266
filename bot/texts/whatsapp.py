"""Knows the approved WhatsApp templates of a merchant and fills in their variables."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.texts.facts import Facts
from bot.texts.locales import is_same_language
from bot.texts.purposes import MANNERS
from bot.texts.values import VALUES
from bot.texts.wording import Texts
from channels.base import Template

URL_SUFFIX = "url_suffix"
VARIABLE_NAMES = (
    "name",
    "merchant",
    "amount",
    "concept",
    "reference",
    "url",
    URL_SUFFIX,
    "due",
    "expires",
    "count",
    "totals",
    "void",
)
"""What a template may have filled in."""

_STANDS_IN = {
    "resend": "link",
    "reminder_friendly": "reminder",
    "reminder_due": "reminder",
    "reminder_last": "reminder",
    "reminder_promised": "reminder",
    "reminder_digest": "reminder",
}
"""Which other template serves where a purpose has none of its own."""

_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_KEYS = frozenset({"content_sid", "variables", "url_base"})


class TemplatesError(ValueError):
    """The file of WhatsApp templates cannot be used; one line a problem."""

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        """Keep all of them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """One approved template: `variables` names what `{{1}}`, `{{2}}`, … stand for.

    With a `url_base` the template serves only links that begin so; without, what follows
    "orderId=" is taken for the suffix of its URL button.
    """

    locale: str
    content_sid: str
    variables: tuple[str, ...]
    url_base: str | None = None

    @property
    def in_button(self) -> frozenset[str]:
        """The numbers of the variables that its text does not show."""
        numbered = enumerate(self.variables, 1)
        return frozenset(str(number) for number, name in numbered if name == URL_SUFFIX)


class WhatsAppTemplates:
    """The approved templates by purpose and language."""

    def __init__(self, specs: Mapping[str, Iterable[TemplateSpec]]) -> None:
        """Keep them; of one purpose the first of a language stands for its other countries."""
        self._specs = {purpose: tuple(found) for purpose, found in specs.items()}

    @classmethod
    def load(cls, path: Path) -> "WhatsAppTemplates":
        """Read a TOML file with a table per purpose and language.

        `[link.es]` has `content_sid = "HX…"` and `variables = ["name", …]`, and may have
        `url_base`, the fixed part of the URL button. A reminder looks for its tone first, as
        `[reminder_last.es]`, and then for `[reminder.es]`, which may serve all of them.

        Raises:
            TemplatesError: everything that is wrong in it.
        """
        try:
            found = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TemplatesError(path, [str(error)]) from error
        problems = list(_problems(found))
        if problems:
            raise TemplatesError(path, problems)
        return cls(
            {
                purpose: [_spec(locale, table) for locale, table in languages.items()]
                for purpose, languages in found.items()
            }
        )

    def find(self, purpose: str, locale: str) -> TemplateSpec | None:
        """The template for a purpose: of exactly `locale`, else of its language, else None."""
        specs = self._specs.get(purpose, ())
        exact = [spec for spec in specs if _tag(spec.locale) == _tag(locale)]
        plain = [spec for spec in specs if _tag(spec.locale) == _tag(locale).partition("-")[0]]
        other = [spec for spec in specs if is_same_language(spec.locale, locale)]
        return next(iter([*exact, *plain, *other]), None)

    def fill(self, purpose: str, *, locale: str, facts: Facts, texts: Texts) -> Template | None:
        """The message of a purpose as an approved template.

        Returns:
            Content id and every variable by its number; None if no template of the customer's or
            the default language serves this purpose, or this link is not what its button opens.
        """
        for name in (purpose, _STANDS_IN.get(purpose, purpose)):
            for language in (locale, texts.default_locale):
                spec = self.find(name, language)
                if spec is None:
                    continue
                values = variables(
                    facts,
                    spec.variables,
                    locale=_spoken(spec, locale),
                    texts=texts,
                    url_base=spec.url_base,
                )
                return (
                    None if values is None else Template(spec.content_sid, values, spec.in_button)
                )
        return None


def variables(
    facts: Facts, names: Iterable[str], *, locale: str, texts: Texts, url_base: str | None = None
) -> dict[str, str] | None:
    """Values of template variables by their number from "1", none of them empty.

    A missing fact is put into words, as "su compra" for a concept; None if it is the link that is
    missing or does not begin with `url_base`. Values carry no newline, tab or run of spaces.

    Source: Twilio docs, error 63013; an empty value falls back to the template's sample.
    """
    _, reader = texts.reader(locale)
    spare = texts.words(locale, "fallbacks")
    values: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        if name == URL_SUFFIX:
            value = url_suffix(facts.url, url_base)
        else:
            value = VALUES[name](facts, reader) or _stand_in(name, facts, spare)
        if not value:
            return None
        values[str(number)] = " ".join(value.split())
    return values


def _stand_in(name: str, facts: Facts, spare: Mapping[str, str]) -> str | None:
    if name == "reference" and facts.payment_id:
        return facts.payment_id
    return spare.get(name)


def url_suffix(url: str | None, base: str | None = None) -> str | None:
    """The part of a link that follows the fixed base of a URL button; None if it does not fit."""
    if not url:
        return None
    if base is not None:
        return url.removeprefix(base) if url.startswith(base) else None
    _, found, order = url.rpartition("orderId=")
    return order if found else re.split("[/=]", url)[-1]


def _spoken(spec: TemplateSpec, locale: str) -> str:
    """The customer's own country where the template is in their language."""
    return locale if is_same_language(spec.locale, locale) else spec.locale


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _spec(locale: str, table: Mapping[str, object]) -> TemplateSpec:
    names, base = table["variables"], table.get("url_base")
    return TemplateSpec(
        locale,
        str(table["content_sid"]),
        tuple(map(str, names)) if isinstance(names, list) else (),
        None if base is None else str(base),
    )


def _problems(found: Mapping[str, object]) -> Iterator[str]:
    for purpose, languages in found.items():
        if purpose not in MANNERS and purpose not in _STANDS_IN.values():
            yield f"[{purpose}] is no purpose; there is {', '.join(sorted(MANNERS))}"
        elif not isinstance(languages, dict):
            yield f"[{purpose}] needs a table per language, as [{purpose}.es]"
        else:
            for locale, table in languages.items():
                for problem in _spec_problems(table):
                    yield f"[{purpose}.{locale}] {problem}"


def _spec_problems(table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "is no table"
        return
    for key in sorted(table.keys() - _KEYS):
        yield f"has an unknown key {key}; there is {', '.join(sorted(_KEYS))}"
    sid, names, base = table.get("content_sid"), table.get("variables"), table.get("url_base")
    if not isinstance(sid, str) or not _CONTENT_SID.fullmatch(sid):
        yield "needs a content_sid: HX and 32 hexadecimal digits"
    if not isinstance(names, list):
        yield "needs variables: a list of names, empty for none"
    else:
        for name in names:
            if name not in VARIABLE_NAMES:
                yield f"has an unknown variable {name!r}; there is {', '.join(VARIABLE_NAMES)}"
    if base is not None and (not isinstance(base, str) or not base.startswith("http")):
        yield "has a url_base that is no URL"
