"""The migrations make just the tables that the program expects, whole or not at all."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from bot.store import schema
from bot.store.engine import StoreBusyError, StoreError, make_engine
from bot.store.migrate import migrate, needs_migration
from bot.store.migrations import versions
from tests.contract.databases import rewound, sqlite_url

NEWEST = max(path.name[:4] for path in Path(versions.__path__[0]).glob("[0-9]*.py"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "bare %41.db")
        return
    url: str = request.getfixturevalue("migrated_postgres_url")
    with rewound(url):
        yield url


def tables_of(url: str) -> set[str]:
    engine = make_engine(url)
    names = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_an_empty_database_gets_every_table(bare_url: str) -> None:
    assert migrate(bare_url) == (None, NEWEST)
    assert tables_of(bare_url) == {*schema.metadata.tables, "alembic_version"}


def test_migrating_again_changes_nothing(bare_url: str) -> None:
    migrate(bare_url)
    assert migrate(bare_url) == (NEWEST, NEWEST)


def test_it_says_whether_there_is_something_to_do(bare_url: str) -> None:
    engine = make_engine(bare_url)
    assert needs_migration(engine)
    engine.dispose()
    migrate(bare_url)
    engine = make_engine(bare_url)
    assert not needs_migration(engine)
    engine.dispose()


def test_the_tables_are_those_of_the_schema(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.begin() as conn:
        context = MigrationContext.configure(conn, opts={"compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_predicates_and_checks_are_those_of_the_schema(bare_url: str) -> None:
    migrate(bare_url)
    migrated = constraints_of(bare_url)
    engine = make_engine(bare_url)
    with engine.begin() as conn:
        schema.metadata.drop_all(conn)
        schema.metadata.create_all(conn)
    engine.dispose()
    assert migrated == constraints_of(bare_url)
    assert any("one_exposed" in kept and "unique=True" in kept for kept in migrated["link"])
    assert any("supersede_proof" in kept for kept in migrated["link"])


def constraints_of(url: str) -> dict[str, set[str]]:
    """What Alembic's comparison leaves out: predicates, checks and their names, as kept."""
    engine = make_engine(url)
    inspector = sa.inspect(engine)
    found: dict[str, set[str]] = {}
    for table in schema.metadata.tables:
        kept = {
            f"{each['name']}: {each['sqltext']}" for each in inspector.get_check_constraints(table)
        }
        for index in inspector.get_indexes(table):
            options = index.get("dialect_options", {})
            predicate = options.get("sqlite_where", options.get("postgresql_where"))
            columns, is_unique = index["column_names"], bool(index["unique"])
            kept.add(f"{index['name']}: {columns} unique={is_unique} where {predicate}")
        kept |= {
            f"{key['name']}: {key['referred_table']}" for key in inspector.get_foreign_keys(table)
        }
        kept.add(str(inspector.get_pk_constraint(table)["name"]))
        found[table] = kept
    engine.dispose()
    return found


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.begin() as conn:
        conn.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StoreError, match="newer than this program"):
        needs_migration(engine)
    engine.dispose()
    try:
        with pytest.raises(StoreError, match="revision 9999"):
            migrate(database_url)
    finally:
        engine = make_engine(database_url)
        with engine.begin() as conn:
            conn.execute(sa.text("update alembic_version set version_num = :n"), {"n": NEWEST})
        engine.dispose()


def test_a_failed_migration_leaves_no_table(bare_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = op.create_table, []

    def fail_at_last(name: str, *columns: object, **options: object) -> object:
        if name == "delivery":
            raise RuntimeError("the power fails here")
        made.append(name)
        return real(name, *columns, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(op, "create_table", fail_at_last)
    with pytest.raises(RuntimeError, match="power"):
        migrate(bare_url)
    assert "outbox" in made
    assert tables_of(bare_url) == set()
    monkeypatch.undo()
    assert migrate(bare_url) == (None, NEWEST)


@pytest.mark.postgres
def test_of_two_migrators_at_once_one_does_it(migrated_postgres_url: str) -> None:
    ends: list[tuple[str | None, str] | Exception] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        barrier.wait(timeout=10)
        try:
            ends.append(migrate(migrated_postgres_url))
        except Exception as error:  # noqa: BLE001 - told to the test
            ends.append(error)

    with rewound(migrated_postgres_url):
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert sorted(ends, key=str) == [(NEWEST, NEWEST)] * 3 + [(None, NEWEST)]


def test_a_file_held_by_another_is_not_touched(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "held.db")
    holder = make_engine(url)
    with holder.begin() as conn:
        conn.execute(sa.text("create table mark (n integer)"))
    with pytest.raises(StoreBusyError, match="another paybot"):
        migrate(url)
    holder.dispose()


def test_a_database_that_is_not_there_is_said_so() -> None:
    with pytest.raises(StoreError, match="cannot open postgresql"):
        migrate("postgresql://nobody:secret@127.0.0.1:1/none")
