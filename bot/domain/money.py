"""Money as integer minor units with an ISO 4217 code. Never a float, never a guess."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from babel.core import get_global

MAX_MINOR = 10**12
"""Largest amount taken, in minor units: far above any sale, far below 2^53."""


class AmountError(ValueError):
    """The amount cannot be taken."""


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
        AmountError: not finite, negative, or finer than the currency's smallest unit.
    """
    if not value.is_finite():
        raise AmountError("an amount must be a finite number")
    try:
        minor = value.scaleb(minor_digits(currency))
    except InvalidOperation as error:
        raise AmountError("an amount is out of range") from error
    if minor != minor.to_integral_value():
        raise AmountError(f"{currency} has no unit that small")
    return Money(int(minor), currency)
