"""Words a message: picks the text for purpose, language and channel and fills in the facts."""

import re
from pathlib import Path

from bot.texts.catalog import Catalog, built_in
from bot.texts.clean import one_line
from bot.texts.facts import Facts, Wording
from bot.texts.locales import is_same_language, resolve_locale
from bot.texts.overrides import read_overrides
from bot.texts.purposes import (
    EMAIL,
    EMAIL_FRAME,
    FORM_OF,
    HTML_FRAME,
    MANNERS,
    SMS,
    SUBJECT,
    Manner,
)
from bot.texts.segments import fit_parts
from bot.texts.values import VALUES, Reader, values_of
from channels.base import ChannelName

_MERCHANT_CHARS = 60
_GAPS = re.compile(r"\n{3,}")


class Texts:
    """Every sentence in every language, compiled once."""

    def __init__(self, *, merchant: str, overrides: Path | None, default_locale: str) -> None:
        """Load the texts.

        Args:
            merchant: who is paid, as customers know them.
            overrides: a folder laid out as `templates/`, whose files replace ours.
            default_locale: for customers whose language is unknown or none of ours.

        Raises:
            TextsError: what is wrong in `overrides`, each with its file and line.
        """
        self.default_locale = default_locale
        self._merchant = one_line(merchant, _MERCHANT_CHARS)
        self._catalog: Catalog = built_in()
        if overrides is not None:
            self._catalog = read_overrides(overrides).over(self._catalog)

    def render(
        self, purpose: str, *, locale: str | None, channel: ChannelName, facts: Facts
    ) -> Wording:
        """Word one message.

        Args:
            purpose: a name of `MANNERS`.
            locale: the customer's; None and unknown ones give the default.
            channel: decides form and length; SMS is shortened to its segments where it can be.
            facts: raw; they are cleaned, formatted and escaped here.

        Raises:
            KeyError: there is no such purpose.
            ValueError: this message is never sent over this channel, or lacks a fact without which
                it makes no sense.
        """
        manner = MANNERS[purpose]
        form = FORM_OF[channel]
        if form not in manner.forms:
            raise ValueError(f"{purpose} is never sent over {channel.value}")
        language, reader = self.reader(locale)
        missing = [name for name in manner.needs if VALUES[name](facts, reader) is None]
        if missing:
            raise ValueError(f"{purpose} cannot be worded without {', '.join(missing)}")
        text = self._catalog.texts[f"{language}/{purpose}.{form}"]
        values = values_of(text.names, facts, reader)
        if form == SMS:
            return Wording(fit_parts(text.template.render, values, manner.sms_parts))
        prose = tidy(text.template.render(values))
        if form == EMAIL:
            return self._email(purpose, prose, facts, language, reader)
        return Wording(prose)

    def label(self, key: str, locale: str | None) -> str:
        """The words on a button: `pay`, `already_paid` or `help`."""
        return self.words(locale, "labels")[key]

    def words(self, locale: str | None, section: str) -> dict[str, str]:
        """One section of a language's `words.toml`."""
        return self._catalog.words[resolve_locale(locale, self.default_locale)][section]

    def reader(self, locale: str | None) -> tuple[str, Reader]:
        """The language written to `locale`, and how numbers and dates are written in it."""
        language = resolve_locale(locale, self.default_locale)
        patterns = self._catalog.words[language]["patterns"]
        spoken = next(
            name
            for name in (locale, self.default_locale, language)
            if name and is_same_language(name, language)
        )
        digest = self._catalog.words[language]["digest"]
        return language, Reader(spoken, patterns, self._merchant, digest)

    def _email(
        self, purpose: str, prose: str, facts: Facts, language: str, reader: Reader
    ) -> Wording:
        manner = MANNERS[purpose]
        words = self._catalog.words[language]
        rows = values_of(frozenset(manner.rows), facts, reader)
        footer = self._line(f"{language}/{_footer(manner)}.{EMAIL}", facts, reader)
        parts: dict[str, object] = {
            "language": language,
            "subject": self._line(f"{language}/{purpose}.{SUBJECT}", facts, reader),
            "paragraphs": prose.split("\n\n"),
            "amount": VALUES["amount"](facts, reader),
            "rows": [(words["rows"][name], rows[name]) for name in manner.rows if rows[name]],
            "url": facts.url if "url" in manner.needs else None,
            "has_qr": manner.shows_qr,
            "words": words["email"] | words["labels"],
            "merchant": self._merchant,
            "footer": footer,
        }
        return Wording(
            text=tidy(self._catalog.frames[EMAIL_FRAME].template.render(parts)),
            subject=str(parts["subject"]),
            html=self._catalog.frames[HTML_FRAME].template.render(parts),
        )

    def _line(self, key: str, facts: Facts, reader: Reader) -> str:
        text = self._catalog.texts[key]
        return " ".join(text.template.render(values_of(text.names, facts, reader)).split())


def _footer(manner: Manner) -> str:
    return "footer_staff" if manner.is_staff else "footer"


def tidy(text: str) -> str:
    """Without spaces at line ends and with one empty line between paragraphs at most."""
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return _GAPS.sub("\n\n", lines)
