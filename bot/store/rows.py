"""Takes the values of some columns out of a row in one step, which is paid for by every row."""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping


def labelled(columns: "Sequence[sa.Column[Any]]", prefix: str) -> "list[sa.Label[Any]]":
    """Columns by the names that a row which joins several tables has for them."""
    return [column.label(f"{prefix}{column.name}") for column in columns]


def reader(
    columns: "Sequence[sa.Column[Any]]",
) -> Callable[[str], Callable[[RowMapping], tuple[Any, ...]]]:
    """What reads these columns, in this order, from rows that have them under a prefix."""

    @cache
    def under(prefix: str) -> Callable[[RowMapping], tuple[Any, ...]]:
        return itemgetter(*(f"{prefix}{column.name}" for column in columns))

    return under
