"""Asks for many rows by one list, in the way in which each engine is quick at it.

PostgreSQL takes an array, so that the statement is the same however long the list is: the driver
need not read it anew, and the server keeps it prepared. SQLite, which would scan a whole table for
a list that it cannot see the length of, has it written out.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


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
    # With one dimension said, for a JSON value that is a list would be taken for another.
    binds = [
        sa.bindparam(f"b_{each.name}", type_=ARRAY(_element(each), dimensions=1))
        for each in columns
    ]
    names = [each.name for each in columns]
    return sa.func.unnest(*binds).table_valued(*names, name=name).render_derived()


def _element(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    # A cast to an array of shorter strings would cut what is too long, instead of refusing it.
    return sa.Text() if isinstance(column.type, sa.String) else column.type


@compiles(_Among)
def _written_out(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    return compiler.process(column.in_(sa.bindparam(str(name), expanding=True)), **kwargs)


@compiles(_Among, "postgresql")
def _as_array(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    values = sa.bindparam(str(name), type_=ARRAY(column.type))
    return compiler.process(column == sa.any_(values), **kwargs)
