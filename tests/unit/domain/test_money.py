from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import (
    MAX_MINOR,
    AmountError,
    Money,
    from_major,
    from_minor,
    minor_digits,
    parse_amount,
)

MIGO_CURRENCIES = ("GTQ", "USD", "MXN", "CRC", "HNL", "DOP", "COP", "SVC")


@pytest.mark.parametrize("currency", MIGO_CURRENCIES)
def test_every_currency_that_migo_names_has_two_minor_digits(currency: str) -> None:
    assert minor_digits(currency) == 2


@pytest.mark.parametrize(("currency", "digits"), [("CLP", 0), ("PYG", 0), ("KWD", 3)])
def test_other_currencies_keep_their_own_digits(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["", "gtq", "GT", "GTQQ", "QQQ", "ＧＴＱ", "G\0Q"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(AmountError):
        Money(1, code)


@pytest.mark.parametrize("minor", [-1, MAX_MINOR + 1, True, 1.0, "1", Decimal(1)])
def test_money_takes_integers_within_bounds_only(minor: object) -> None:
    with pytest.raises(AmountError):
        Money(minor, "GTQ")  # type: ignore[arg-type]


@given(st.integers(0, MAX_MINOR), st.sampled_from([*MIGO_CURRENCIES, "CLP", "KWD"]))
def test_major_and_back_loses_nothing(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert from_major(money.major(), currency) == money


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_becomes_exact_money_or_an_amount_error(value: Decimal) -> None:
    try:
        money = from_major(value, "GTQ")
    except AmountError:
        return
    assert money.major() == value


@pytest.mark.parametrize(
    "text",
    ["1e999999", "-1e999999", "1e-999999", "NaN", "sNaN", "Infinity", "-0.01", "0.001", "1e13"],
)
def test_extreme_decimals_are_amount_errors(text: str) -> None:
    with pytest.raises(AmountError):
        from_major(Decimal(text), "GTQ")


def test_a_digit_behind_the_28th_is_not_rounded_away() -> None:
    with pytest.raises(AmountError):
        from_major(Decimal("1.0000000000000000000000000000000000000001"), "GTQ")
    with pytest.raises(AmountError):
        from_major(Decimal("1.00000000000000000000000000001"), "GTQ")


def test_minor_units_must_be_whole() -> None:
    assert from_minor(Decimal("15000.0"), "GTQ") == Money(15000, "GTQ")
    with pytest.raises(AmountError):
        from_minor(Decimal("15000.5"), "GTQ")


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("25", 2500),
        ("25.5", 2550),
        ("25,50", 2550),
        ("0.01", 1),
        ("0,05", 5),
        ("007", 700),
        (" 150.00 ", 15000),
        ("１５０.００", 15000),
        ("1500", 150000),
        ("1,500.00", 150000),
        ("1.500,00", 150000),
        ("1,500.5", 150050),
        ("1,234,567", 123456700),
        ("1.234.567", 123456700),
        ("1.234.567,89", 123456789),
        ("1 500", 150000),
        ("1\u00a0500,25", 150025),
        ("1\u202f234\u202f567.89", 123456789),
    ],
)
def test_an_amount_as_people_type_it(text: str, minor: int) -> None:
    assert parse_amount(text, "GTQ") == Money(minor, "GTQ")


@pytest.mark.parametrize("text", ["1,500", "1.500", "15,000", "999.999", "01.500"])
def test_three_digits_behind_one_separator_are_ambiguous(text: str) -> None:
    with pytest.raises(AmountError, match="two ways"):
        parse_amount(text, "GTQ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.00",
        "-5",
        "+5",
        "25.",
        ".50",
        "0.001",
        "25.505",
        "1,50,000",
        "1,500,00",
        "1.500.00",
        "12,34.5",
        "0,500.00",
        "1 5",
        "1  500",
        "1e3",
        "0x10",
        "NaN",
        "1_000",
        "٢٥",
        "Q25",
        "25 GTQ",
        "25\n50",
        "25.50.1",
        "1,500.00,1",
        "9" * 24,
        "1" * 10_000,
        "10000000000.01",
    ],
)
def test_what_cannot_be_taken_is_an_amount_error(text: str) -> None:
    with pytest.raises(AmountError):
        parse_amount(text, "GTQ")


def test_minor_digits_follow_the_currency() -> None:
    assert parse_amount("1500", "CLP") == Money(1500, "CLP")
    assert parse_amount("0.505", "KWD") == Money(505, "KWD")
    with pytest.raises(AmountError):
        parse_amount("25.5", "CLP")


@given(st.text(max_size=30))
def test_any_text_gives_positive_money_or_an_amount_error(text: str) -> None:
    try:
        money = parse_amount(text, "GTQ")
    except AmountError:
        return
    assert money.minor > 0


@given(st.integers(1, MAX_MINOR))
def test_typing_what_we_show_gives_the_same_amount(minor: int) -> None:
    money = Money(minor, "GTQ")
    assert parse_amount(f"{money.major():f}", "GTQ") == money
    assert parse_amount(f"{money.major():,.2f}", "GTQ") == money
