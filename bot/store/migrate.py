"""Brings a database to this program's tables, whole or not at all.

Alembic is brought in only where there is something to do: a start finds that out without it.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot.store.engine import StoreError, explain, make_engine

_MIGRATIONS = Path(__file__).with_name("migrations")
_REVISIONS = sorted(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
"""Each file's name begins with its revision; they are in one line."""
_LOCK_ID = 7_061_126_001
"""The PostgreSQL advisory lock of migrators: any number that nobody else uses."""


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the database at `url` to this version. Safe to repeat; one transaction.

    Returns:
        The revision it had, None if it was empty, and the one that it has now.

    Raises:
        StoreBusyError: another process holds the SQLite file.
        StoreError: the database cannot be reached, or is newer than this program.
    """
    engine = make_engine(url)
    try:
        return upgrade(engine)
    finally:
        engine.dispose()


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Do the same over an engine of `make_engine`; of two at once the second finds it done."""
    try:
        with engine.begin() as conn:
            if not _is_sqlite(conn):
                conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_ID)))
            before, newest = _revisions(conn)
            if before != newest:
                _upgrade(conn, newest)
    except DBAPIError as error:
        raise explain(error, engine.url) from error
    return before, newest


def needs_migration(engine: Engine) -> bool:
    """Whether the database is empty or older than this program.

    Raises:
        StoreError: the database cannot be reached, or is newer than this program.
    """
    try:
        with engine.begin() as conn:
            before, newest = _revisions(conn)
    except DBAPIError as error:
        raise explain(error, engine.url) from error
    return before != newest


def _revisions(conn: Connection) -> tuple[str | None, str]:
    """The database's revision and this program's newest."""
    if not _REVISIONS:
        raise StoreError("this program was installed without its migrations; install it again")
    current = None
    if sa.inspect(conn).has_table(_VERSION.name):
        current = conn.execute(sa.select(_VERSION.c.version_num)).scalar()
    if current is not None and current not in _REVISIONS:
        raise StoreError(
            f"the database is newer than this program (revision {current}); "
            "start the version that migrated it, or a later one"
        )
    return current, _REVISIONS[-1]


_VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


def _upgrade(conn: Connection, newest: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": conn})
    # Alembic reads this option with % as the sign of a placeholder.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, newest)


def _is_sqlite(conn: Connection) -> bool:
    return conn.dialect.name == "sqlite"
