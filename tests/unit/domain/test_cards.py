"""Card numbers are covered, other numbers are left alone."""

import random
import re
import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.cards import has_hidden_card, hide_cards, is_luhn


@pytest.mark.parametrize(
    ("typed", "covered"),
    [
        ("4111111111111111", "••••••••••••1111"),
        ("4111 1111 1111 1111", "•••• •••• •••• 1111"),
        ("4111-1111-1111-1111", "••••-••••-••••-1111"),
        ("4111 - 1111 - 1111 - 1111", "•••• - •••• - •••• - 1111"),
        ("4111–1111–1111–1111", "••••–••••–••••–1111"),
        ("4111\n1111\n1111\n1111", "••••\n••••\n••••\n1111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "• • • • • • • • • • • • 1 1 1 1"),
        ("41 11 11 11 11 11 11 11", "•• •• •• •• •• •• 11 11"),
        ("411111 111111 1111", "•••••• •••••• 1111"),
        ("5555.5555.5555.4444 gracias", "••••.••••.••••.4444 gracias"),
        ("visa4111111111111111ok", "visa••••••••••••1111ok"),
        ("378282246310005 vence 12/29", "•••••••••••0005 vence 12/29"),
        ("3782 822463 10005 12/29 123", "•••• •••••• •0005 12/29 123"),
        ("4111111111111111 12/28 123", "••••••••••••1111 12/28 123"),
        ("12/28 4111 1111 1111 1111", "12/28 •••• •••• •••• 1111"),
        ("(6011000990139424)", "(••••••••••••9424)"),
        ("30569309025904", "••••••••••5904"),
        ("3056 930902 5904", "•••• •••••• 5904"),
        ("4222222222222", "•••••••••2222"),
        ("2223003122003222", "••••••••••••3222"),
        ("6304000000000000", "••••••••••••0000"),
        ("4111111111111111 5555555555554444", "••••••••••••1111 ••••••••••••4444"),
        ("41111111 11111111", "•••••••• ••••1111"),
        ("411111111111 1111", "•••••••••••• 1111"),
        ("4111 11111111 1111", "•••• •••••••• 1111"),
        ("4111,1111,1111,1111", "••••,••••,••••,1111"),
        ("4111, 1111, 1111, 1111", "••••, ••••, ••••, 1111"),
        ("+4111111111111111", "+••••••••••••1111"),
        ("+ 4111111111111111", "+ ••••••••••••1111"),
        ("total+4111 1111 1111 1111", "total+•••• •••• •••• 1111"),
        ("４１１１１１１１１１１１１１１１", "••••••••••••１１１１"),
    ],
)
def test_a_card_number_is_covered_but_for_its_end(typed: str, covered: str) -> None:
    assert hide_cards(typed) == hide_cards(covered) == covered
    assert has_hidden_card(covered)


@pytest.mark.parametrize(
    "typed",
    [
        "saldo",
        "INV-20261123-0001",
        "4111111111111112",
        "12345678901234567890123",
        "+50255551234",
        "+4222222222222",
        "+525512345678 1506",
        "+5255 1234 5678 1506",
        "525512345678 1506",
        "3655 1234 1500,01",
        "1764115200000",
        "0000000000000000",
        "9999999999999995",
        "2024 2025 2026 2027",
    ],
)
def test_what_is_no_card_number_is_left(typed: str) -> None:
    assert hide_cards(typed) == typed
    assert not has_hidden_card(typed)


def test_staff_can_always_write_a_number_and_an_amount() -> None:
    """Each of these passes Luhn at one time or another, and none looks like a card."""
    chance = random.Random(20260101)
    for _ in range(5_000):
        phone = f"{chance.randint(2, 7)}{chance.randint(0, 9_999_999):07d}"
        amount = f"{chance.randint(1, 99_999)}.{chance.randint(0, 99):02d}"
        for number in (phone, f"+502{phone}", f"502{phone}", f"{phone[:4]} {phone[4:]}"):
            for cost in (amount, amount.replace(".", ","), amount.split(".")[0]):
                typed = f"/cobrar {number} {cost} Mensualidad"
                assert hide_cards(typed) == typed


def test_a_long_number_with_its_country_and_an_amount_stays_readable() -> None:
    """With its country such a number is twelve digits long, and an amount makes it sixteen."""
    chance = random.Random(20260102)
    for _ in range(2_000):
        national = f"55{chance.randint(1_000, 9_999)}{chance.randint(0, 9_999):04d}"
        cost = f"{chance.randint(1_000, 9_999)}"
        for number in (f"+52{national}", f"52{national}", f"+52 {national[:2]} {national[2:]}"):
            typed = f"/cobrar {number} {cost} Mensualidad"
            assert hide_cards(typed) == typed


SCHEMES = (
    *(("4", 13), ("4", 16), ("4", 19), ("51", 16), ("2221", 16), ("34", 15), ("37", 15)),
    *(("36", 14), ("3528", 16), ("6011", 16), ("65", 18), ("62", 17), ("62", 19), ("6759", 19)),
)


@given(
    st.sampled_from(SCHEMES),
    st.randoms(use_true_random=False),
    st.sampled_from(["", " ", "-", "."]),
)
def test_every_card_number_is_found(
    scheme: tuple[str, int], chance: random.Random, gap: str
) -> None:
    prefix, length = scheme
    body = prefix + "".join(chance.choice("0123456789") for _ in range(length - len(prefix) - 1))
    number = next(body + check for check in "0123456789" if is_luhn(body + check))
    typed = gap.join(number[place : place + 4] for place in range(0, length, 4))
    masked = hide_cards(f"use {typed} please")
    assert has_hidden_card(masked)
    assert re.sub(r"\D", "", masked) == number[-4:]


@pytest.mark.parametrize("text", ["4" * 50_000, "4 " * 50_000, "4-" * 1_000, "41   " * 500])
def test_twice_as_long_a_row_of_digits_takes_about_twice_the_work(text: str) -> None:
    assert calls_made(text * 2) < 3 * calls_made(text) + 100


def calls_made(text: str) -> int:
    """How many functions are called to cover a text: its work, whatever else the machine does."""
    calls = 0

    def note(frame: FrameType, what: str, _: object) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    sys.setprofile(note)
    try:
        hide_cards(text)
    finally:
        sys.setprofile(None)
    return calls
