"""Rules as people type them, in Spanish, English and Portuguese: "cada mes el 31". Pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import time

from bot.domain.recurring import (
    DEFAULT_AT,
    Cron,
    EveryMonths,
    Rule,
    RuleError,
    Weekly,
    rule_of,
)

MAX_CHARS = 200
EXAMPLES = "monthly 31 09:00; every 3 months on 15 at 09:00; weekly mon,thu 10:00; cron 0 9 1 * *"

_NAMES = (
    ("mon", "monday", "mondays", "lunes", "lun", "segunda", "segundas", "segundafeira"),
    ("tue", "tuesday", "tuesdays", "martes", "mar", "terca", "tercas", "tercafeira"),
    ("wed", "wednesday", "wednesdays", "miercoles", "mie", "quarta", "quartas", "quartafeira"),
    ("thu", "thursday", "thursdays", "jueves", "jue", "quinta", "quintas", "quintafeira"),
    ("fri", "friday", "fridays", "viernes", "vie", "sexta", "sextas", "sextafeira"),
    ("sat", "saturday", "saturdays", "sabado", "sabados", "sab"),
    ("sun", "sunday", "sundays", "domingo", "domingos", "dom"),
)
_WEEKDAYS = {name: number for number, names in enumerate(_NAMES) for name in names}
_NAME = "|".join(sorted(_WEEKDAYS, key=len, reverse=True))
_EACH = r"(?:every|a\s+cada|cada)"
_AT = (
    r"(?:(?:\s+(?:at|a\s+las?|as))?\s+(?P<hour>[01]?\d|2[0-3])[:h](?P<minute>[0-5]\d)(?:\s*hs?)?)?"
)
_MONTHS = (
    rf"(?:monthly|mensual(?:mente)?|mensal(?:mente)?"
    rf"|{_EACH}(?:\s+(?P<every>\d{{1,3}}))?\s+(?:months?|mes(?:es)?)"
    r"|todos\s+(?:los|os)\s+meses|todo\s+mes|(?:cada|todo)(?=\s+dia\s+\d{1,3}(?!\S)))"
    r"(?:\s+(?:on|el|no|em))?(?:\s+(?:the|dia|day|o))?"
    r"\s+(?P<day>\d{1,3}|ultimo|last)(?:st|nd|rd|th)?(?:\s+(?:dia|day))?"
)
_WEEKS = (
    rf"(?:weekly|semanal(?:mente)?|{_EACH}\s+(?:(?P<every>\d{{1,3}})\s+)?(?:weeks?|semanas?)"
    rf"|{_EACH}|todos\s+(?:los|os)|todas\s+(?:las|as)|toda|todo)"
    r"(?:\s+(?:on|el|los|na|no|em))?"
    rf"\s+(?P<days>(?:{_NAME})(?:(?:\s*,\s*|\s+(?:y|e|and)\s+)(?:{_NAME}))*)"
)
_DAILY = r"(?:daily|every\s+day|diario|diariamente|cada\s+dia|todos\s+(?:los|os)\s+dias|todo\s+dia)"
_CRON = r"cron\s+(?P<cron>\S+\s+\S+\s+\S+\s+\S+\s+\S+)"
_END = r"(?!\S)"
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (_MONTHS + _AT + _END, _WEEKS + _AT + _END, _DAILY + _AT + _END, _CRON + _END)
)


def take_rule(words: tuple[str, ...]) -> tuple[Rule, tuple[str, ...]]:
    """Read the rule that these words begin with, and give the words behind it.

    Raises:
        RuleError: they begin with no rule, or with one that no calendar has.
    """
    said = " ".join(_plain(word) for word in words)[:MAX_CHARS]
    for form in _FORMS:
        found = form.match(said)
        if found is not None:
            taken = len(found[0].split())
            return _rule(found.groupdict()), words[taken:]
    raise RuleError(f"write the rule as one of these: {EXAMPLES}")


def read_rule(given: str | Mapping[str, object]) -> Rule:
    """Read a rule that was typed, or its document.

    Raises:
        RuleError: it is none; the text says what to write instead.
    """
    if not isinstance(given, str):
        return rule_of(given)
    rule, rest = take_rule(tuple(given.split()))
    if rest:
        raise RuleError(f"write the rule alone, as one of these: {EXAMPLES}")
    return rule


def _plain(word: str) -> str:
    """Small letters without accents; never empty, so that words keep their places."""
    apart = unicodedata.normalize("NFKD", word.casefold().replace("-feira", "feira"))
    return "".join(char for char in apart if not unicodedata.combining(char)) or word


def _rule(found: Mapping[str, str | None]) -> Rule:
    if (cron := found.get("cron")) is not None:
        return Cron(" ".join(cron.split()))
    hour, minute = found["hour"], found["minute"]
    at = DEFAULT_AT if hour is None or minute is None else time(int(hour), int(minute))
    every = int(found.get("every") or 1)
    if (day := found.get("day")) is not None:
        return EveryMonths(every, int(day) if day.isdecimal() else 31, at)
    names = re.findall(_NAME, found.get("days") or "")
    return Weekly(frozenset(_WEEKDAYS[name] for name in names) or frozenset(range(7)), at, every)
