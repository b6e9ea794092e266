"""A catalogue is read whole, or every fault in it is told."""

import pytest

from bot.domain.catalogue import CatalogueError, read_catalogue
from bot.domain.money import Money

GOOD = '[[product]]\nname = "Café"\nprice = "12.50"\ncurrency = "GTQ"\n'


def test_a_product_has_a_price_and_perhaps_a_quantity() -> None:
    one, several = read_catalogue(GOOD + GOOD.replace("Café", "Té") + "quantity = 4\n")
    assert (one.name, one.price, one.most) == ("Café", Money(1250, "GTQ"), 1)
    assert several.total(4) == Money(5000, "GTQ")


def test_an_empty_catalogue_sells_nothing() -> None:
    assert read_catalogue("") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[product]", "Expected"),
        ("[[article]]\nname = 'x'\n", "nothing but"),
        (GOOD.replace('"12.50"', "12.50"), "product 1: price and currency must be texts"),
        (GOOD.replace("12.50", "-1"), "product 1"),
        (GOOD.replace("12.50", "0"), "more than zero"),
        (GOOD.replace("GTQ", "USD"), "USD is not enabled"),
        (GOOD + GOOD, "there twice"),
        (GOOD + "quantity = 0\n", "from 1 to"),
        (GOOD + "quantity = true\n", "from 1 to"),
        (GOOD + 'colour = "red"\n', "it may have"),
        (GOOD.replace("Café", " "), "name must be"),
        ("".join(GOOD.replace("Café", f"C{n}") for n in range(10)), "room for 9"),
        (GOOD.replace("12.50", "9999999999.99") + "quantity = 999\n", "product 1"),
    ],
)
def test_a_fault_is_told(text: str, problem: str) -> None:
    with pytest.raises(CatalogueError, match=problem):
        read_catalogue(text, currencies=frozenset({"GTQ"}))
