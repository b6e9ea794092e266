"""Money is exact and reads as at home; times are local."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import MAX_MINOR, Money
from bot.texts.formats import format_money, format_time


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "text"),
    [
        (15_000, "GTQ", "es_GT", "Q150.00"),
        (15_000, "GTQ", "es-GT", "Q150.00"),
        (15_000, "GTQ", "es", "Q150.00"),
        (15_000, "GTQ", "es-XX", "Q150.00"),
        (123_456_789, "GTQ", "es", "Q1,234,567.89"),
        (5, "GTQ", "es", "Q0.05"),
        (150_000, "HNL", "es", "L1,500.00"),
        (150_000, "USD", "es", "USD 1,500.00"),
        (150_000, "USD", "en", "$1,500.00"),
        (150_000, "USD", "pt", "US$ 1.500,00"),
        (150_000, "BRL", "pt-BR", "R$ 1.500,00"),
        (15_000, "CLP", "es-CL", "$15.000"),
        (15_000, "GTQ", "en-US", "GTQ 150.00"),
    ],
)
def test_money_reads_as_at_home(minor: int, currency: str, locale: str, text: str) -> None:
    assert format_money(Money(minor, currency), locale).replace("\u00a0", " ") == text


@given(st.integers(0, MAX_MINOR), st.sampled_from(["es", "es-GT", "en", "pt-BR"]))
def test_no_digit_is_lost(minor: int, locale: str) -> None:
    text = format_money(Money(minor, "GTQ"), locale)
    assert int("".join(filter(str.isdigit, text))) == minor


def test_times_are_those_of_the_customer() -> None:
    at = datetime(2026, 1, 1, 3, 30, 59, tzinfo=UTC)
    pattern = "d MMMM y HH:mm"
    shown = format_time(at, pattern, time_zone="America/Guatemala", locale="es")
    assert shown == "31 diciembre 2025 21:30"
    assert format_time(at, pattern, time_zone="UTC", locale="en") == "1 January 2026 03:30"


def test_an_unknown_zone_is_an_error() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ZoneInfoNotFoundError):
        format_time(at, "HH:mm", time_zone="America/Nowhere", locale="es")
