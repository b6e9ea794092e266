"""Money as Migo writes it: integer minor units or decimal major units, as the setting says.

Migo's pages contradict each other on the unit, and a wrong one is a hundredfold charge, so there
is no default and no guessing from the value.
"""

import re
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from bot.domain.money import AmountError, Money, from_major, from_minor
from bot.domain.strict_json import Json


class AmountUnit(StrEnum):
    """What one counts in an amount on the wire."""

    MINOR = "minor"
    """Integers of the smallest unit: 15000 is one hundred and fifty quetzales."""
    MAJOR = "major"
    """Decimals of the whole unit: 150.00."""


_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,16})?")


def encode_amount(money: Money, unit: AmountUnit) -> int | Decimal:
    """The number to put on the wire; `strict_json.dumps` writes it digit by digit.

    Source: Migo docs, "Create a Payment Link" (integer, smallest unit) and "Payment Link
    quickstart" (`125.50`).
    """
    match unit:
        case AmountUnit.MINOR:
            return money.minor
        case AmountUnit.MAJOR:
            return money.major()
        case _:
            assert_never(unit)


def decode_amount(value: Json, currency: str, unit: AmountUnit) -> Money:
    """Read an amount from a callback: an integer, a decimal, or either as a string.

    Args:
        value: as `strict_json.loads` gives it.
        currency: upper-case ISO 4217 code.
        unit: what one counts in `value`.

    Raises:
        AmountError: not a plain number, negative, out of range, or finer than the currency's
            smallest unit.
    """
    number = _number(value)
    match unit:
        case AmountUnit.MINOR:
            return from_minor(number, currency)
        case AmountUnit.MAJOR:
            return from_major(number, currency)
        case _:
            assert_never(unit)


def _number(value: Json) -> Decimal:
    # True is an int to Python.
    if isinstance(value, bool):
        raise AmountError("an amount is a number")
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        # Also minus zero, which no honest sender writes.
        if number.is_signed():
            raise AmountError("an amount is not negative")
        return number
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    raise AmountError("an amount is a number")
