"""Card numbers are covered, other numbers are left alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.cards import is_luhn, mask_cards


@pytest.mark.parametrize(
    "typed",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "mi tarjeta:5555.5555.5555.4444 gracias",
        "378282246310005 vence 12/29",
        "(6011000990139424)",
    ],
)
def test_a_card_number_is_covered_but_for_its_end(typed: str) -> None:
    masked, has_card = mask_cards(typed)
    assert has_card
    digits = "".join(char for char in typed.split("vence")[0] if char.isdecimal())
    assert digits[-4:] in masked
    assert digits[:6] not in masked.replace(" ", "").replace("-", "").replace(".", "")


@pytest.mark.parametrize(
    "typed",
    ["+50255551234", "INV-20261123-0001", "4111111111111112", "12345678901234567890123", "saldo"],
)
def test_what_is_no_card_number_is_left(typed: str) -> None:
    assert mask_cards(typed) == (typed, False)


@given(st.integers(13, 19), st.randoms(use_true_random=False), st.sampled_from(["", " ", "-", "."]))
def test_every_card_number_is_found(length: int, chance: random.Random, gap: str) -> None:
    body = "".join(chance.choice("0123456789") for _ in range(length - 1))
    number = next(body + check for check in "0123456789" if is_luhn(body + check))
    typed = gap.join(number[place : place + 4] for place in range(0, length, 4))
    masked, has_card = mask_cards(f"use {typed} please")
    assert has_card
    assert typed not in masked
