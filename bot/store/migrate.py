"""Brings a database to this program's tables, whole or not at all."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot.store.engine import StoreError, explain, make_engine

_MIGRATIONS = Path(__file__).with_name("migrations")
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
                command.upgrade(_config(conn), newest)
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
    scripts = ScriptDirectory.from_config(_config(conn))
    newest = scripts.get_current_head()
    if newest is None:
        raise StoreError("this program was installed without its migrations; install it again")
    current = MigrationContext.configure(conn).get_current_revision()
    if current is not None:
        _must_know(scripts, current)
    return current, newest


def _must_know(scripts: ScriptDirectory, revision: str) -> None:
    try:
        scripts.get_revision(revision)
    except CommandError as error:
        raise StoreError(
            f"the database is newer than this program (revision {revision}); "
            "start the version that migrated it, or a later one"
        ) from error


def _config(conn: Connection) -> Config:
    config = Config(attributes={"connection": conn})
    # Alembic reads this option with % as the sign of a placeholder.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _is_sqlite(conn: Connection) -> bool:
    return conn.dialect.name == "sqlite"
