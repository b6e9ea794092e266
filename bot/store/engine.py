"""Opens the database and runs transactions on it.

A transaction is a plain function of a `Tx`, run whole in a writer thread: nothing in it can await,
so no network call ever happens inside one. On SQLite all functions that wait while a commit is in
flight share the next commit.
"""

import asyncio
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from urllib.parse import unquote

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert

from bot.store.listed import given
from bot.store.server_time import ServerTime, machine_time

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

MAX_GROUP = 256
"""Functions in one SQLite commit at most, so that a long queue cannot starve its first caller."""

POSTGRES_THREADS = 6
_CONNECT_S = 5
_PROBE_S = 2
_STATEMENT_S = 12
"""Two statements in a row are over before a loop that waits for them is taken for hung."""
_LINE_IS_DEAD_S = 15
_CLOSE_S = 3.0


class StoreError(Exception):
    """The database cannot be used."""


class StoreAwayError(StoreError):
    """The database server cannot be reached now."""


class StoreBusyError(StoreError):
    """Another process holds the database file."""


@dataclass(slots=True)
class Tx:
    """One open transaction: its connection, its time, and whom to wake once it is committed."""

    conn: Connection
    now: datetime
    is_sqlite: bool
    wakes: set[str] = field(default_factory=set)
    server_time: ServerTime | None = None

    @property
    def lease_now(self) -> datetime:
        """The time that leases go by: every worker's is the same, whatever its own clock says."""
        return (
            self.now if self.server_time is None else self.now - self.server_time.ahead(self.conn)
        )

    def wake(self, topic: str) -> None:
        """Have the loops that wait for `topic` woken after the commit, and only then."""
        self.wakes.add(topic)

    def run(
        self, statement: sa.Executable, values: dict[str, object] | None = None
    ) -> "sa.CursorResult[Any]":
        """Execute one statement."""
        result: sa.CursorResult[Any] = self.conn.execute(statement, values)
        return result

    def run_apart(self, work: Callable[[], object]) -> bool:
        """Run a part that may fail without taking the rest with it; False if it failed."""
        try:
            with self.conn.begin_nested():
                work()
        except Exception:  # noqa: BLE001 - logged; the caller decides what follows
            _log.exception("a part of a transaction failed")
            return False
        return True

    def run_many(self, statement: sa.Executable, rows: Sequence[dict[str, object]]) -> None:
        """Execute one statement, built once, for many rows alike; nothing happens for none."""
        if not rows:
            return
        if not self.is_sqlite:
            self.conn.execute(statement, rows)
            return
        # SQLAlchemy takes longer over the values of a row than SQLite over writing it.
        sql, values_of = _prepared(statement, tuple(rows[0]), self.conn.dialect)
        self.conn.exec_driver_sql(sql, values_of(rows))

    def insert_many(
        self, table: sa.Table, rows: Sequence[dict[str, object]], *, is_ignoring: bool = False
    ) -> int:
        """Insert rows alike in one statement; give how many.

        Where `is_ignoring`, those with a unique key that is known are left out.
        """
        if not rows:
            return 0
        names = tuple(rows[0])
        if self.is_sqlite:
            sql, values_of = _prepared(
                _insert(table, is_ignoring=is_ignoring), names, self.conn.dialect
            )
            result = self.conn.exec_driver_sql(sql, values_of(rows), execution_options=_COUNTED)
        else:
            insert = _insert_arrays(table, names, is_ignoring=is_ignoring)
            result = self.run(insert, _turned(rows, names))
        return result.rowcount

    def insert_ignoring(
        self, table: sa.Table, rows: Iterable[dict[str, object]], *, conflict: Sequence[str]
    ) -> list[int]:
        """Insert rows alike whose unique key is new; give the ids of those inserted, in order.

        Without a `conflict` any unique key counts.
        """
        listed = list(rows)
        if not listed:
            return []
        names = tuple(listed[0])
        statement = _insert_ignoring(table, tuple(conflict), self.is_sqlite)
        if self.is_sqlite:
            one, values_of = _prepared(statement, names, self.conn.dialect)
            most = _MOST_VALUES // len(names)
            made: list[int] = []
            for first in range(0, len(listed), most):
                part = listed[first : first + most]
                values = tuple(chain.from_iterable(values_of(part)))
                made += self.conn.exec_driver_sql(_for_rows(one, len(part)), values).scalars()
            return made
        if len(listed) == 1:
            return list(self.conn.execute(statement, listed).scalars())
        told = _new_arrays(table, names, tuple(conflict))
        return list(self.run(told, _turned(listed, names)).scalars())


_COUNTED = {"preserve_rowcount": True}
"""SQLAlchemy closes an INSERT's cursor before anybody can ask it for its count."""


_MOST_VALUES = 8_000
"""Of one statement; SQLite takes 32,766. Source: SQLite docs, "Limits"."""


@lru_cache(maxsize=512)
def _for_rows(sql: str, rows: int) -> str:
    """An INSERT of one row made one of so many."""
    head, marks, tail = re.split(r"VALUES (\([?, ]+\))", sql)
    return f"{head}VALUES {', '.join([marks] * rows)}{tail}"


def _turned(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> dict[str, object]:
    """One list a column, as `given` takes them."""
    return {f"b_{name}": [row[name] for row in rows] for name in names}


@cache
def _insert(table: sa.Table, *, is_ignoring: bool) -> sa.Insert:
    insert = sqlite_insert(table)
    return insert.on_conflict_do_nothing() if is_ignoring else insert


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...], *, is_ignoring: bool) -> PostgresInsert:
    """Half the work of a list of values, of which driver and server read each by itself."""
    rows = given("given", *(table.c[name] for name in names))
    told = sa.select(*(rows.c[name] for name in names))
    insert = postgres_insert(table).from_select(list(names), told, include_defaults=False)
    insert = insert.execution_options(**_COUNTED)
    return insert.on_conflict_do_nothing() if is_ignoring else insert


@cache
def _new_arrays(
    table: sa.Table, names: tuple[str, ...], conflict: tuple[str, ...]
) -> ReturningInsert[int]:
    insert = _insert_arrays(table, names, is_ignoring=False)
    return insert.on_conflict_do_nothing(index_elements=conflict or None).returning(table.c.id)


@lru_cache(maxsize=256)
def _prepared(
    statement: sa.Executable, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, Callable[[Sequence[Mapping[str, object]]], list[tuple[object, ...]]]]:
    """A statement as SQLite takes it, and what makes its values in their order out of rows."""
    compiled = cast(sa.ClauseElement, statement).compile(dialect=dialect, column_keys=list(names))
    told = cast(SQLCompiler, compiled)
    fixed = told.construct_params(dict.fromkeys(names))
    places = [
        (name, name in names, told.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in told.positiontup or ()
    ]

    def values_of(rows: Sequence[Mapping[str, object]]) -> list[tuple[object, ...]]:
        # Column by column takes half of what row by row does.
        columns = []
        for name, is_told, write in places:
            column = [row[name] for row in rows] if is_told else [fixed[name]] * len(rows)
            columns.append(column if write is None else [write(value) for value in column])
        return list(zip(*columns, strict=True))

    return str(compiled), values_of


@cache
def _insert_ignoring(
    table: sa.Table, conflict: tuple[str, ...], is_sqlite: bool
) -> ReturningInsert[int]:
    """Built once, so that it is also compiled once; rows come as parameters."""
    insert = sqlite_insert(table) if is_sqlite else postgres_insert(table)
    return insert.on_conflict_do_nothing(index_elements=conflict or None).returning(table.c.id)


@dataclass(slots=True)
class _Job(Generic[_Result]):
    work: Callable[[Tx], _Result]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[_Result]"
    is_single: bool = False
    result: Any = None
    error: BaseException | None = None


class Store:
    """Runs transaction functions; one writer thread on SQLite, a few on PostgreSQL."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime],
        on_wake: Callable[[str], None] = lambda topic: None,
        machine: Callable[[], datetime] = machine_time,
    ) -> None:
        """Prepare the engine; nothing is opened before `open`.

        Args:
            url: `sqlite:///path` or `postgresql://…`.
            clock: gives the aware present time.
            on_wake: told each woken topic after its commit, in the caller's event loop.
            machine: this machine's own clock, where `clock` may be one that is moved.
        """
        self._engine = make_engine(url)
        if self._engine.dialect.name != "sqlite":
            _end_long_statements(self._engine)
        self._single_engine = self._engine.execution_options(is_single=True)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._clock = clock
        # On SQLite there is one process, and its clock is the only one.
        self._server_time = None if self.is_sqlite else ServerTime(machine)
        self._on_wake = on_wake
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy_since: dict[str, float] = {}

    @property
    def engine(self) -> Engine:
        """The engine below, for migrations and health checks."""
        return self._engine

    def open(self) -> None:
        """Connect, take the file where there is one, and start the writer threads.

        Raises:
            StoreBusyError: another process holds the SQLite file.
            StoreAwayError: the server cannot be reached now.
            StoreError: the database cannot be used.
        """
        try:
            with self._engine.begin() as conn:
                conn.execute(sa.text("select 1"))
        except OperationalError as error:
            raise explain(error, self._engine.url) from error
        for number in range(1 if self.is_sqlite else POSTGRES_THREADS):
            thread = threading.Thread(target=self._work, name=f"store-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def close(self) -> None:
        """Finish what is queued, stop the threads and let go of the database.

        Threads that wait for a server which does not answer are left behind with their connections.
        """
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        while at_work := [thread for thread in threads if thread.is_alive()]:
            await asyncio.to_thread(at_work[0].join, _CLOSE_S)
            if at_work[0].is_alive() and not await asyncio.to_thread(self.answers):
                return
        self._engine.dispose()

    def is_stalled(self, limit_s: float) -> bool:
        """Whether a transaction has been at work for longer."""
        since = min(list(self._busy_since.values()), default=None)
        return since is not None and time.monotonic() - since > limit_s

    def answers(self) -> bool:
        """Whether the server takes a new connection; blocks for some seconds at most.

        A file always does: what hangs there hangs in this process.
        """
        if self.is_sqlite:
            return True
        dialect = self._engine.dialect
        arguments, options = dialect.create_connect_args(self._engine.url)
        try:
            dialect.connect(*arguments, **{**options, "connect_timeout": _PROBE_S}).close()
        except dialect.loaded_dbapi.Error:
            return False
        return True

    async def transact(self, work: Callable[[Tx], _Result], *, is_single: bool = False) -> _Result:
        """Run `work` in a transaction; what it returns is durable when this returns.

        On SQLite `work` may run a second time, alone, if another function of its group failed: it
        must change nothing but the database.

        Args:
            work: gets the open transaction.
            is_single: it executes exactly one statement, which is a transaction by itself.

        Raises:
            Exception: whatever `work` raised; then nothing of it was kept.
            StoreError: the store is not open, or closed by now.
        """
        if not self._threads:
            raise StoreError("the database is not open")
        loop = asyncio.get_running_loop()
        job: _Job[_Result] = _Job(work, loop, loop.create_future(), is_single)
        self._jobs.put(job)
        return await job.future

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            group = [job]
            is_last = False
            while self.is_sqlite and len(group) < MAX_GROUP:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    is_last = True
                    break
                group.append(following)
            self._commit(group)
            if is_last:
                return

    def _commit(self, group: list[_Job[Any]]) -> None:
        wakes: set[str] = set()
        thread = threading.current_thread().name
        self._busy_since[thread] = time.monotonic()
        try:
            wakes = self._run_together(group)
        except Exception as error:  # noqa: BLE001 - every end of a job is handed to its caller
            if len(group) == 1:
                group[0].error = error
            else:
                for job in group:
                    wakes |= self._run_alone(job)
        finally:
            del self._busy_since[thread]
        _hand_back(group, wakes, self._on_wake)

    def _run_alone(self, job: _Job[Any]) -> set[str]:
        try:
            return self._run_together([job])
        except Exception as error:  # noqa: BLE001 - every end of a job is handed to its caller
            job.error = error
            return set()

    def _run_together(self, group: list[_Job[Any]]) -> set[str]:
        try:
            return self._run_once(group)
        except _NeverCommittedError:
            # The pool held a connection that the server had ended; it has dropped them all.
            pass
        try:
            return self._run_once(group)
        except _NeverCommittedError as lost:
            raise lost.error from None

    def _run_once(self, group: list[_Job[Any]]) -> set[str]:
        wakes: set[str] = set()
        # Each call into SQLite hands the interpreter over and waits for it: BEGIN and COMMIT are
        # spared where the one statement is a transaction anyway.
        is_single = self.is_sqlite and len(group) == 1 and group[0].is_single
        with (self._single_engine if is_single else self._engine).begin() as conn:
            for job in group:
                tx = Tx(conn, self._clock(), self.is_sqlite, wakes, self._server_time)
                with _before_commit():
                    job.result = job.work(tx)
        return wakes


class _NeverCommittedError(Exception):
    """The connection was lost before the commit was asked for, so that nothing was kept."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__()
        self.error = error


@contextmanager
def _before_commit() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _NeverCommittedError(error) from error
        raise


def _hand_back(group: list[_Job[Any]], wakes: set[str], on_wake: Callable[[str], None]) -> None:
    def settle() -> None:
        for job in group:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        for topic in wakes:
            on_wake(topic)

    loop = group[0].loop
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`, set up for durable commits."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    if parsed.get_backend_name() != "postgresql":
        raise StoreError("DATABASE_URL must start with sqlite:/// or postgresql://")
    return sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        poolclass=QueuePool,
        pool_size=POSTGRES_THREADS + 2,
        hide_parameters=True,
        json_deserializer=from_json,
        connect_args={
            "connect_timeout": _CONNECT_S,
            "application_name": "paybot",
            "keepalives_idle": _LINE_IS_DEAD_S // 3,
            "keepalives_interval": _LINE_IS_DEAD_S // 3,
            "keepalives_count": 2,
            "tcp_user_timeout": _LINE_IS_DEAD_S * 1000,
        },
        isolation_level="READ COMMITTED",
    )


def _end_long_statements(engine: Engine) -> None:
    """Have the server end what takes too long, as a wait for the locks of a process that hangs."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: object) -> None:
        connection.execute(f"SET statement_timeout = '{_STATEMENT_S}s'")
        connection.commit()


def _sqlite_engine(url: URL) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=StaticPool,
        hide_parameters=True,
        json_deserializer=from_json,
        connect_args={"check_same_thread": False, "timeout": 0.2},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-12000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if url.database and url.database != ":memory:":
            Path(url.database).chmod(0o600)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("is_single"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def explain(error: DBAPIError, url: URL) -> StoreError:
    """Say in one line why the database cannot be opened, and what to do."""
    if "locked" in str(error.orig):
        return StoreBusyError(
            f"another paybot holds {url.database}; stop it first, or set DATABASE_URL to a "
            "PostgreSQL database to run several processes"
        )
    named = unquote(url.set(drivername=url.get_backend_name()).render_as_string())
    what = f"cannot open {named}: {' '.join(str(error.orig).split())}"
    is_away = url.get_backend_name() == "postgresql" and isinstance(error, OperationalError)
    return StoreAwayError(what) if is_away else StoreError(what)
