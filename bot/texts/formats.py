"""Writes money and times as a customer at home reads them."""

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import format_datetime
from babel.localedata import exists
from babel.numbers import format_currency

from bot.domain.money import Money

# Plain "es" is Spain to the CLDR, with decimal commas; most of Spanish America writes points.
_AMERICAN = {"es": "es_419", "pt": "pt_BR"}
_CODE_BEFORE_DIGIT = re.compile(r"([A-Z]{3})(?=\d)")


@lru_cache(maxsize=4096)
def format_money(money: Money, locale: str) -> str:
    """Write an exact amount, as "Q150.00" for GTQ in "es" or "es-GT", "R$ 150,00" in "pt-BR".

    Spanish without a country is written as in the one country that speaks it and has this legal
    tender, "Q150.00"; where there are several, as for USD, as in Latin America at large.

    Source: Unicode CLDR, as carried by Babel.
    """
    text = format_currency(
        money.major(), money.currency, locale=_money_locale(locale, money.currency)
    )
    return _CODE_BEFORE_DIGIT.sub("\\1\u00a0", text)


def format_time(moment: datetime, pattern: str, *, time_zone: str, locale: str) -> str:
    """Write an aware time in `time_zone` by a CLDR date pattern.

    Raises:
        ZoneInfoNotFoundError: `time_zone` is no IANA name.
    """
    minute = moment.replace(second=0, microsecond=0)
    return _format_minute(minute, pattern, time_zone, locale)


@lru_cache(maxsize=4096)
def _format_minute(minute: datetime, pattern: str, time_zone: str, locale: str) -> str:
    local = minute.astimezone(ZoneInfo(time_zone))
    return format_datetime(local, pattern, tzinfo=local.tzinfo, locale=babel_locale(locale))


@lru_cache(maxsize=256)
def babel_locale(locale: str) -> Locale:
    """The nearest locale that Babel carries: "es-XX" is read as "es"."""
    language, _, territory = locale.replace("-", "_").partition("_")
    name = f"{language.lower()}_{territory.upper()}"
    return Locale.parse(name if territory and exists(name) else language.lower())


@lru_cache(maxsize=1024)
def _money_locale(locale: str, currency: str) -> Locale:
    known = babel_locale(locale)
    if known.territory or known.language not in _AMERICAN:
        return known
    names = [f"{known.language}_{territory}" for territory in _tender_of(currency)]
    homes = [name for name in names if exists(name)] if known.language == "es" else []
    return Locale.parse(homes[0] if len(homes) == 1 else _AMERICAN[known.language])


def _tender_of(currency: str) -> list[str]:
    """Territories where `currency` is legal tender today."""
    return [
        territory
        for territory, rows in get_global("territory_currencies").items()
        if any(
            code == currency and until is None and is_tender for code, _, until, is_tender in rows
        )
    ]
