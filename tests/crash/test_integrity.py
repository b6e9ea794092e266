"""A database that is not whole is seen to be so."""

from pathlib import Path

import psycopg
import pytest

from bot.store.migrate import migrate
from tests.crash import integrity as looked_at
from tests.crash.integrity import Integrity, integrity, is_whole
from tests.services import fresh_database

INSERT = "insert into customer (phone, person_key, created_at) values (%s, %s, 0)"
INDEXED = "update pg_index set indisready = %s where indrelid = 'customer'::regclass"


def test_a_file_of_ours_is_whole_and_a_spoilt_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "paybot.db"
    migrate(f"sqlite:///{path}")
    assert integrity("sqlite", tmp_path) is Integrity.OK
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    assert not is_whole("sqlite", tmp_path)


@pytest.mark.postgres
def test_a_server_of_ours_is_whole(postgres_url: str, tmp_path: Path) -> None:
    migrate(postgres_url)
    assert integrity(postgres_url, tmp_path) in (Integrity.OK, Integrity.UNCHECKED)


@pytest.mark.postgres
def test_an_index_that_lost_a_row_is_seen(postgres_url: str, tmp_path: Path) -> None:
    with fresh_database(postgres_url) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(INDEXED, [False])
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(INSERT, ["+50255551234", "50255551234"])
            connection.execute(INDEXED, [True])
        expected = Integrity.UNCHECKED if looked_at._amcheck() is None else Integrity.BROKEN
        assert integrity(url, tmp_path) is expected


@pytest.mark.postgres
def test_what_holds_no_table_of_ours_is_not_taken_for_whole(
    postgres_url: str, tmp_path: Path
) -> None:
    with fresh_database(postgres_url) as url:
        if looked_at._amcheck() is None:
            assert integrity(url, tmp_path) is Integrity.UNCHECKED
            return
        with pytest.raises(AssertionError, match="pg_amcheck"):
            integrity(url, tmp_path)


@pytest.mark.postgres
def test_where_nothing_can_ask_it_that_is_said(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_at, "_amcheck", lambda: None)
    assert integrity(postgres_url, tmp_path) is Integrity.UNCHECKED
    assert is_whole(postgres_url, tmp_path)
