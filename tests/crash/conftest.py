"""Databases for services that are killed: migrated once, empty each time."""

from pathlib import Path

import pytest

from bot.store.migrate import migrate
from tests.contract.databases import copy_of, empty, sqlite_url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "paybot.db"
    migrate(sqlite_url(path))
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database of either engine."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        return copy_of(template, tmp_path / "paybot.db")
    url: str = request.getfixturevalue("postgres_url")
    migrate(url)
    empty(url)
    return url
