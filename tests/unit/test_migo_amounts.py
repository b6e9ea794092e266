from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import MAX_MINOR, AmountError, Money
from bot.domain.strict_json import Json, JsonError, dumps, loads
from bot.migo import AmountUnit, decode_amount, encode_amount

MONEY = st.builds(Money, st.integers(0, MAX_MINOR), st.sampled_from(["GTQ", "USD", "CLP", "KWD"]))
UNITS = st.sampled_from(AmountUnit)


@pytest.mark.parametrize(
    ("minor", "currency", "unit", "wire"),
    [
        (15000, "GTQ", AmountUnit.MINOR, b"15000"),
        (15000, "GTQ", AmountUnit.MAJOR, b"150.00"),
        (12550, "GTQ", AmountUnit.MAJOR, b"125.50"),
        (1, "GTQ", AmountUnit.MAJOR, b"0.01"),
        (1, "GTQ", AmountUnit.MINOR, b"1"),
        (1500, "CLP", AmountUnit.MAJOR, b"1500"),
        (MAX_MINOR, "GTQ", AmountUnit.MAJOR, b"10000000000.00"),
    ],
)
def test_the_number_on_the_wire(minor: int, currency: str, unit: AmountUnit, wire: bytes) -> None:
    assert dumps(encode_amount(Money(minor, currency), unit)) == wire


@given(MONEY, UNITS)
def test_over_the_wire_and_back_loses_nothing(money: Money, unit: AmountUnit) -> None:
    wire = dumps(encode_amount(money, unit))
    assert decode_amount(loads(wire), money.currency, unit) == money
    assert decode_amount(wire.decode(), money.currency, unit) == money


@given(st.integers(1, MAX_MINOR // 100), UNITS)
def test_one_unit_more_or_a_hundredfold_is_never_the_same(minor: int, unit: AmountUnit) -> None:
    wire = encode_amount(Money(minor, "GTQ"), unit)
    assert decode_amount(wire, "GTQ", unit) != Money(minor + 1, "GTQ")
    assert decode_amount(wire, "GTQ", unit) != Money(minor * 100, "GTQ")


@given(st.integers(1, MAX_MINOR // 100))
def test_the_wrong_setting_never_reads_the_same_money(minor: int) -> None:
    wire = encode_amount(Money(minor, "GTQ"), AmountUnit.MINOR)
    assert decode_amount(wire, "GTQ", AmountUnit.MAJOR) == Money(minor * 100, "GTQ")


@pytest.mark.parametrize(
    "value",
    [
        150,
        Decimal(150),
        Decimal("150.0"),
        Decimal("150.0000"),
        Decimal("1.5E+2"),
        "150",
        " 150.00 ",
    ],
)
def test_many_ways_to_write_one_major_amount(value: Json) -> None:
    assert decode_amount(value, "GTQ", AmountUnit.MAJOR) == Money(15000, "GTQ")


@pytest.mark.parametrize("value", [15000, Decimal("15000.00"), "15000", "15000.0"])
def test_many_ways_to_write_one_minor_amount(value: Json) -> None:
    assert decode_amount(value, "GTQ", AmountUnit.MINOR) == Money(15000, "GTQ")


@pytest.mark.parametrize("unit", AmountUnit)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        [1],
        {"amount": 1},
        "",
        " ",
        "abc",
        "NaN",
        "Infinity",
        "1e3",
        "+1",
        "-1",
        "1,500.00",
        "1 500",
        "0x10",
        "1_000",
        "٢٥",
        "1.",
        ".5",
        "9" * 17,
        -1,
        Decimal("-0.01"),
        Decimal("-0.0"),
        Decimal("0.001"),
        Decimal("1e-30"),
        Decimal("1e30"),
        Decimal("1e308"),
        Decimal("1e999999"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        MAX_MINOR + 1,
        2**53,
    ],
)
def test_what_is_no_amount_is_refused(value: Json, unit: AmountUnit) -> None:
    with pytest.raises(AmountError):
        decode_amount(value, "GTQ", unit)


def test_half_a_minor_unit_is_refused() -> None:
    with pytest.raises(AmountError):
        decode_amount(Decimal("15000.5"), "GTQ", AmountUnit.MINOR)


@pytest.mark.parametrize("currency", ["", "gtq", "QQQ", "GTQ "])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(AmountError):
        decode_amount(1, currency, AmountUnit.MINOR)


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?", fullmatch=True)
)
def test_any_json_number_is_exact_money_or_refused(text: str) -> None:
    try:
        money = decode_amount(loads(text.encode()), "GTQ", AmountUnit.MAJOR)
    except (AmountError, JsonError):
        return
    assert money.major() == Decimal(text)
