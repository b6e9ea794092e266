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


@compiles(_Among)
def _written_out(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    return compiler.process(column.in_(sa.bindparam(str(name), expanding=True)), **kwargs)


@compiles(_Among, "postgresql")
def _as_array(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, name = element.clauses
    values = sa.bindparam(str(name), type_=ARRAY(column.type))
    return compiler.process(column == sa.any_(values), **kwargs)
