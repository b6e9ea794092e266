"""What a merchant sells in chat, read from a TOML file.

```toml
[[product]]
name = "Mensualidad"
price = "150.00"
currency = "GTQ"
quantity = 12      # how many at most in one purchase; one if left out
```
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.money import AmountError, Money, parse_amount

MAX_PRODUCTS = 9
MAX_QUANTITY = 999
_NAME_CHARS = 60
_KEYS = frozenset({"name", "price", "currency", "quantity"})


class CatalogueError(ValueError):
    """The catalogue cannot be used; one line a problem, each with the number of its product."""


@dataclass(frozen=True, slots=True)
class Product:
    """One thing to buy; `most` is how many one purchase may have."""

    name: str
    price: Money
    most: int = 1

    def total(self, quantity: int) -> Money:
        """The price of so many.

        Raises:
            AmountError: above the largest amount.
        """
        return Money(self.price.minor * quantity, self.price.currency)


Catalogue = tuple[Product, ...]


def read_catalogue(text: str, *, currencies: frozenset[str] | None = None) -> Catalogue:
    """Read a catalogue.

    Args:
        text: TOML with one `[[product]]` a product, at most nine: each is one choice of a menu.
        currencies: those that payments may be asked in; None for all.

    Raises:
        CatalogueError: what is wrong, all of it.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(str(error)) from error
    rows = found.get("product", [])
    if found.keys() - {"product"} or not isinstance(rows, list):
        raise CatalogueError("a catalogue has nothing but [[product]] tables")
    problems: list[str] = []
    if len(rows) > MAX_PRODUCTS:
        problems.append(f"a menu has room for {MAX_PRODUCTS} products, not {len(rows)}")
    products = []
    for number, row in enumerate(rows, 1):
        try:
            products.append(_product(row, currencies))
        except (CatalogueError, AmountError) as error:
            problems.append(f"product {number}: {error}")
    names = [product.name.casefold() for product in products]
    problems += [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise CatalogueError("\n".join(problems))
    return tuple(products)


def _product(row: object, currencies: frozenset[str] | None) -> Product:
    if not isinstance(row, Mapping) or row.keys() - _KEYS:
        raise CatalogueError(f"it may have {', '.join(sorted(_KEYS))}")
    name, price, currency = row.get("name"), row.get("price"), row.get("currency")
    most = row.get("quantity", 1)
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _NAME_CHARS:
        raise CatalogueError(f"name must be a text of at most {_NAME_CHARS} characters")
    if not isinstance(price, str) or not isinstance(currency, str):
        raise CatalogueError('price and currency must be texts, as "150.00" and "GTQ"')
    if currencies is not None and currency not in currencies:
        raise CatalogueError(f"{currency} is not enabled; enabled: {', '.join(sorted(currencies))}")
    if type(most) is not int or not 1 <= most <= MAX_QUANTITY:
        raise CatalogueError(f"quantity must be a number from 1 to {MAX_QUANTITY}")
    product = Product(name.strip(), parse_amount(price, currency), most)
    product.total(most)
    return product
