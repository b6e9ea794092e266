"""What is paid for by every row and every statement, done once.

To build a statement takes five times as long as to execute one that was built before: what every
payment takes is built when its module is brought in, with the values that come later left open.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

_Value = TypeVar("_Value")


def bound(column: "sa.Column[_Value]", name: str = "") -> "sa.BindParameter[_Value]":
    """The value of a column that comes when a statement is executed, as `b_` and its name."""
    return sa.bindparam(f"b_{name or column.name}", type_=column.type)


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
