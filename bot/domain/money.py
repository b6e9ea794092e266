"""Money as integer minor units with an ISO 4217 code. Never a float, never a guess."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from functools import cache, lru_cache

from babel.core import get_global

MAX_MINOR = 10**12
"""Largest amount taken, in minor units: far above any sale, far below 2^53."""

MAX_AMOUNT_CHARS = 24
"""Longest amount a person may type."""

_EXACT = Context(prec=40, traps=[Inexact])
_PLAIN = re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<fraction>[0-9]+))?")
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<group>[., ])[0-9]{3}(?:(?P=group)[0-9]{3})*)"
    r"(?:(?!(?P=group))[.,](?P<fraction>[0-9]+))?"
)


class AmountError(ValueError):
    """The amount cannot be taken."""


@lru_cache(maxsize=512)
def minor_digits(currency: str) -> int:
    """How many digits follow the decimal separator of `currency`.

    Raises:
        AmountError: `currency` is no ISO 4217 code in use.

    Source: ISO 4217 exponents as carried by the Unicode CLDR (Babel).
    """
    if not is_currency(currency):
        raise AmountError(f"{currency!r} is not an ISO 4217 currency code")
    fractions = get_global("currency_fractions")
    digits: int = fractions.get(currency, fractions["DEFAULT"])[0]
    return digits


def is_currency(code: str) -> bool:
    """Whether `code` is an upper-case ISO 4217 code known to the CLDR."""
    return len(code) == 3 and code.isascii() and code.isupper() and code in _all_currencies()


@cache
def _all_currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


@dataclass(frozen=True, slots=True)
class Money:
    """A positive or zero amount in minor units."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise AmountError("an amount is an integer number of minor units")
        if not 0 <= self.minor <= MAX_MINOR:
            raise AmountError(f"an amount lies between 0 and {MAX_MINOR} minor units")
        minor_digits(self.currency)

    def major(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))


def from_major(value: Decimal, currency: str) -> Money:
    """Turn an exact major amount into minor units.

    Raises:
        AmountError: not finite, negative, above `MAX_MINOR`, or finer than the currency's
            smallest unit.
    """
    return from_minor(_shifted(value, minor_digits(currency)), currency)


def from_minor(value: Decimal, currency: str) -> Money:
    """Turn a decimal that counts minor units, as `Decimal("15000.0")`, into money.

    Raises:
        AmountError: not finite, negative, above `MAX_MINOR`, or not a whole number.
    """
    whole = _shifted(value, 0)
    if whole != whole.to_integral_value():
        raise AmountError(f"{currency} has no unit that small")
    return Money(int(whole), currency)


def parse_amount(text: str, currency: str) -> Money:
    """Read an amount typed by a person.

    Args:
        text: digits with at most one separator, as "25", "25.5" or "25,50"; thousands may be
            grouped where no other reading is possible, as "1,500.00", "1.500,00" or "1 500".
        currency: decides the number of minor digits (ISO 4217 exponent).

    Returns:
        The amount in minor units, always positive.

    Raises:
        AmountError: empty, signed, zero, no number, more minor digits than the currency has,
            above `MAX_MINOR`, or ambiguous: "1,500" is 1500 to one reader and 1.5 to another.
    """
    if len(text) > MAX_AMOUNT_CHARS:
        raise AmountError("an amount has few digits")
    typed = unicodedata.normalize("NFKC", text).strip()
    match = _PLAIN.fullmatch(typed)
    if match is None:
        match = _GROUPED.fullmatch(typed)
    elif len(match["fraction"] or "") == 3 and match["whole"].strip("0"):
        raise AmountError(f"{typed} can be read in two ways; write it without thousands separator")
    if match is None:
        raise AmountError("an amount is digits with at most one decimal separator")
    whole = re.sub("[^0-9]", "", match["whole"])
    money = from_major(Decimal(f"{whole}.{match['fraction'] or '0'}"), currency)
    if money.minor == 0:
        raise AmountError("an amount must be more than zero")
    return money


def _shifted(value: Decimal, digits: int) -> Decimal:
    if not value.is_finite():
        raise AmountError("an amount must be a finite number")
    # Looked at before any arithmetic: 1e999999 as an integer would fill the memory.
    if value and not -20 < value.adjusted() < 20:
        raise AmountError("an amount is out of range")
    try:
        return value.scaleb(digits, context=_EXACT)
    except Inexact as error:
        raise AmountError("an amount has too many digits") from error
