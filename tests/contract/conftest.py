"""What the suites over the books share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.migrate import migrate
from tests.contract.databases import copy_of, empty, sqlite_url
from tests.contract.world import World


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "paybot.db"
    migrate(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_url: str) -> str:
    """The worker's PostgreSQL database with its tables."""
    migrate(postgres_url)
    return postgres_url


@pytest.fixture
def empty_postgres_url(migrated_postgres_url: str) -> str:
    """The worker's PostgreSQL database, migrated and without a row."""
    empty(migrated_postgres_url)
    return migrated_postgres_url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database of either engine."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("empty_postgres_url")
        return url
    template: Path = request.getfixturevalue("sqlite_template")
    return copy_of(template, tmp_path / "paybot.db")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """The books on either engine, with a clock that stands still."""
    world = World(database_url)
    world.store.open()
    yield world
    await world.store.close()
