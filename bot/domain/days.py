"""Finds the day that a person means: "el viernes", "mañana", "in 3 days", "dia 15", "27/11".

Spanish, English and Portuguese. A text is searched for what looks like a day first, so that the
library only ever sees a few known words.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import dateparser

MAX_READ_CHARS = 200
_MOST_DAYS = 3
_LANGUAGES = ["es", "en", "pt"]
_WEEKDAYS = (
    r"(?:lunes|martes|miercoles|jueves|viernes|sabado|domingo"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
    r"|(?:segunda|terca|quarta|quinta|sexta)[ -]feira"
    r"|(?<=na )(?:segunda|terca|quarta|quinta|sexta)|^(?:segunda|terca|quarta|quinta|sexta)$"
    r"|(?<=ate )(?:segunda|terca|quarta|quinta|sexta)"
    r"|(?<=proxima )(?:segunda|terca|quarta|quinta|sexta)"
    r"|(?<=pago )(?:segunda|terca|quarta|quinta|sexta)$)"
)
_MONTHS = (
    r"(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre"
    r"|diciembre|january|february|march|april|may|june|july|august|september|october|november"
    r"|december|janeiro|fevereiro|marco|maio|junho|julho|setembro|outubro|novembro|dezembro)"
)
_NUMBERS = {
    **{str(number): number for number in range(1, 100)},
    "un": 1,
    "una": 1,
    "uno": 1,
    "dos": 2,
    "tres": 3,
    "cuatro": 4,
    "cinco": 5,
    "seis": 6,
    "siete": 7,
    "ocho": 8,
    "nueve": 9,
    "diez": 10,
    "quince": 15,
    "a": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "um": 1,
    "uma": 1,
    "dois": 2,
    "duas": 2,
    "quatro": 4,
    "sete": 7,
    "oito": 8,
    "nove": 9,
    "dez": 10,
}
_CLOCK = r"(?! ?(?:am|pm|hs?|hrs?|horas?|:|a\.m|p\.m|de la (?:tarde|manana|noche)))"
_DAY_OF_WEEKDAY = re.compile(rf"\b{_WEEKDAYS},? (?:el )?(?:dia )?(?=\d{{1,2}}\b{_CLOCK})")
_ORDINAL = r"(?:st|nd|rd|th)?"
_COUNT = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_KINDS = (
    r"(?P<after_tomorrow>pasado manana|depois de amanha|(?:the )?day after tomorrow)",
    r"(?P<today>hoy(?: mismo)?|hoje|today|tonight|esta (?:noche|tarde))",
    r"(?P<tomorrow>(?<!la )(?<!de )manana|amanha|tomorrow)",
    r"(?:en|dentro de|in|within|em|daqui a|deme|dame|denme|give me)"
    rf" (?P<count>{_COUNT}) (?P<unit>dias?|days?|semanas?|weeks?)",
    rf"(?:(?:el|dia|the) )*(?P<month>\d{{1,2}}{_ORDINAL} (?:de |of )?{_MONTHS}"
    r"(?: (?:de |del )?20\d\d)?"
    rf"|{_MONTHS} \d{{1,2}}{_ORDINAL}(?: 20\d\d)?)",
    r"(?P<numeric>\d{1,2}[/-]\d{1,2}(?:[/-](?:20)?\d\d)?)",
    rf"(?P<weekday>{_WEEKDAYS})",
    rf"(?:el|dia|the) (?:dia )?(?P<day>\d{{1,2}}){_ORDINAL}(?![/%\d-]){_CLOCK}",
)
_DAY = re.compile(rf"\b(?:{'|'.join(_KINDS)})(?![a-z0-9])")
_PAST = re.compile(
    r"\b(?:ayer|anteayer|yesterday|ontem|last|passad[oa]|pasad[oa](?! manana))\b", re.ASCII
)


def plain(text: str) -> str:
    """Small letters without accents, and the signs that dates are written with."""
    apart = unicodedata.normalize("NFKD", text[:MAX_READ_CHARS].lower())
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^a-z0-9/:%,. -]+", " ", bare).replace(",", " ").split()).strip(".- ")


def find_days(said: str, today: date) -> tuple[list[date | None], str]:
    """The first days that a plain text names, None for one that is none, and the text's rest.

    A day without a month or year is the next one of that name, today included but for weekdays.
    """
    shown = _DAY_OF_WEEKDAY.sub("dia ", said)
    found = list(itertools.islice(_DAY.finditer(shown), _MOST_DAYS))
    return [_day_of(match, today) for match in found], " ".join(_DAY.sub(" ", shown).split())


def names_past(said: str) -> bool:
    """Whether a plain text speaks of what was."""
    return _PAST.search(said) is not None


def _day_of(match: "re.Match[str]", today: date) -> date | None:
    kind = next(name for name in _READ if match[name] is not None)
    return _READ[kind](match, today)


def _counted(match: "re.Match[str]", today: date) -> date:
    days = 7 if match["unit"].startswith(("s", "w")) else 1
    return today + timedelta(days=days * _NUMBERS[match["count"]])


def _next_day(match: "re.Match[str]", today: date) -> date | None:
    """The next day of this number; a month that has none is passed over."""
    number = int(match["day"])
    for ahead in range(62):
        day = today + timedelta(days=ahead)
        if day.day == number:
            return day
    return None


def _looked_up(match: "re.Match[str]", today: date) -> date | None:
    named = match["month"] or match["numeric"] or match["weekday"]
    found = dateparser.parse(
        re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", named),
        languages=_LANGUAGES,
        settings={
            "PREFER_DATES_FROM": "future",
            "RELATIVE_BASE": datetime.combine(today, time(12)),
            "DATE_ORDER": "DMY",
        },
    )
    return None if found is None else found.date()


_READ: "dict[str, Callable[[re.Match[str], date], date | None]]" = {
    "after_tomorrow": lambda match, today: today + timedelta(days=2),
    "today": lambda match, today: today,
    "tomorrow": lambda match, today: today + timedelta(days=1),
    "count": _counted,
    "month": _looked_up,
    "numeric": _looked_up,
    "weekday": _looked_up,
    "day": _next_day,
}
