"""Databases for the suites over the books: migrated once, empty each time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from bot.store.engine import make_engine
from bot.store.migrate import migrate
from bot.store.schema import metadata


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def copy_of(template: Path, path: Path) -> str:
    """A fresh SQLite database: a migrated file is copied, which takes no time."""
    shutil.copy(template, path)
    return sqlite_url(path)


def empty(url: str) -> None:
    """Take every row out of a migrated PostgreSQL database."""
    engine = make_engine(url)
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with engine.begin() as conn:
        conn.execute(sa.text(f"truncate {names} restart identity"))
    engine.dispose()


@contextmanager
def rewound(url: str) -> Iterator[None]:
    """Lend a PostgreSQL database without any table; afterwards it is as migrated as before."""
    engine = make_engine(url)
    _drop_all(engine)
    try:
        yield
    finally:
        _drop_all(engine)
        engine.dispose()
        migrate(url)


def _drop_all(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        conn.execute(sa.text("drop schema public cascade"))
        conn.execute(sa.text("create schema public"))
