"""Asks for many rows by one list, in the way in which each engine is quick at it.

PostgreSQL takes an array, so that the statement is the same however long the list is: the driver
need not read it anew, and the server keeps it prepared. Its text is written here, for the driver is
slow over each value. SQLite, which would scan a whole table for a list that it cannot see the
length of, has it written out.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator


class Listed(TypeDecorator[Sequence[Any]]):
    """An array of one dimension, written as text, as PostgreSQL reads it.

    Source: PostgreSQL docs, 8.15.2, "Array Value Input".
    """

    impl = ARRAY
    cache_ok = True

    def __init__(self, item_type: "sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]"):
        """Take the type of what is in the list."""
        # With one dimension said, for a JSON value that is a list would be taken for another.
        super().__init__(item_type, dimensions=1)

    def bind_processor(self, dialect: Dialect) -> Callable[[Sequence[Any] | None], str]:
        """Write lists."""
        item = cast("ARRAY[Any]", self.impl).item_type
        # The driver's dialect would wrap JSON for the driver, which does not see it here.
        process = (
            json.dumps
            if isinstance(item, sa.JSON)
            else item.dialect_impl(dialect).bind_processor(dialect)
        )

        def written(values: Sequence[Any] | None) -> str:
            said = values or ()
            return "{" + ",".join(map(_element, map(process, said) if process else said)) + "}"

        return written


def _element(value: int | str | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return "NULL" if value is None else str(value)


class _Among(FunctionElement[Any]):
    """Whether a column's value is one of a list's."""

    # Called no boolean, which SQLite has none of: it would be compared with 1, and no index used.
    type = sa.types.NullType()
    inherit_cache = True


def among(column: sa.Column[Any], name: str) -> sa.ColumnElement[Any]:
    """Whether a column's value is in the list that is bound as `name`; an empty one has none."""
    return _Among(column, sa.literal_column(name))


def given(name: str, *columns: sa.Column[Any]) -> sa.TableValuedAlias:
    """Rows that come to PostgreSQL as one array for each of these columns, bound as `b_…`."""
    binds = [sa.bindparam(f"b_{each.name}", type_=Listed(_type_of(each))) for each in columns]
    names = [each.name for each in columns]
    return sa.func.unnest(*binds).table_valued(*names, name=name).render_derived()


def _type_of(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    # A cast to an array of shorter strings would cut what is too long, instead of refusing it.
    return sa.Text() if isinstance(column.type, sa.String) else column.type


@compiles(_Among)
def _written_out(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    return compiler.process(column.in_(sa.bindparam(str(name), expanding=True)), **kwargs)


@compiles(_Among, "postgresql")
def _as_array(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    values = sa.bindparam(str(name), type_=Listed(column.type))
    return compiler.process(column == sa.any_(values), **kwargs)
