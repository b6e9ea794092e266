"""Transactions of the store, on both engines."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, StatementError

from bot.store import people
from bot.store.engine import Store, StoreBusyError, StoreError, Tx, make_engine
from bot.store.listed import among
from bot.store.schema import customer, outbox
from tests.contract.databases import copy_of
from tests.contract.world import START, Clock

AWAY = 60.0


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
async def store(database_url: str, woken: list[str]) -> AsyncIterator[Store]:
    store = Store(database_url, clock=Clock(), on_wake=woken.append)
    store.open()
    yield store
    await store.close()


def add(tx: Tx, phone: str) -> None:
    tx.run(customer.insert().values(phone=phone, created_at=tx.now))


def adding(phone: str) -> Callable[[Tx], None]:
    return lambda tx: add(tx, phone)


def phones(tx: Tx) -> list[str]:
    return list(tx.run(sa.select(customer.c.phone).order_by(customer.c.id)).scalars())


def add_and_fail(tx: Tx) -> None:
    add(tx, "lost")
    tx.wake("lost")
    raise ValueError("on purpose")


async def test_what_fails_keeps_and_wakes_nothing(store: Store, woken: list[str]) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        await store.transact(add_and_fail)
    assert await store.transact(phones) == []
    assert woken == []


async def test_one_that_fails_takes_no_other_with_it(store: Store, woken: list[str]) -> None:
    def good(number: int) -> "asyncio.Future[None]":
        def work(tx: Tx) -> None:
            add(tx, f"kept {number}")
            tx.wake(f"kept {number}")

        return asyncio.ensure_future(store.transact(work))

    ends = await asyncio.gather(
        good(1), store.transact(add_and_fail), good(2), good(3), return_exceptions=True
    )
    assert [type(end) for end in ends] == [type(None), ValueError, type(None), type(None)]
    assert sorted(await store.transact(phones)) == ["kept 1", "kept 2", "kept 3"]
    assert sorted(set(woken)) == ["kept 1", "kept 2", "kept 3"]


async def test_a_constraint_takes_no_other_with_it(store: Store) -> None:
    ends = await asyncio.gather(
        *(store.transact(adding(f"same {n % 2}")) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(end, IntegrityError) for end in ends) == 4
    assert sorted(await store.transact(phones)) == ["same 0", "same 1"]


async def test_a_wake_comes_after_its_commit(store: Store) -> None:
    committed: list[list[str]] = []
    reader = asyncio.Event()

    def on_wake(topic: str) -> None:
        committed.append([topic])
        reader.set()

    store._on_wake = on_wake

    def work(tx: Tx) -> None:
        tx.wake("news")
        add(tx, "x")
        assert committed == []

    await store.transact(work)
    await asyncio.wait_for(reader.wait(), AWAY)
    assert committed == [["news"]]
    assert await store.transact(phones) == ["x"]


async def test_what_was_returned_is_durable_elsewhere(database_url: str, tmp_path: Path) -> None:
    first = Store(database_url, clock=Clock())
    first.open()
    await first.transact(adding("kept"))
    second = make_engine(_as_a_crash_leaves_it(first, tmp_path))
    with second.begin() as conn:
        assert conn.execute(sa.select(customer.c.phone)).scalars().all() == ["kept"]
    second.dispose()
    await first.close()


def _as_a_crash_leaves_it(store: Store, folder: Path) -> str:
    """Another URL of the same data: of SQLite a copy of the files, made while they are held."""
    if not store.is_sqlite:
        return store.engine.url.render_as_string(hide_password=False)
    source = str(store.engine.url.database)
    for ending in ("", "-wal"):
        # Not in this process: closing a copy's source would let go of its locks.
        subprocess.run(["cp", f"{source}{ending}", folder / f"copy.db{ending}"], check=True)
    return f"sqlite:///{folder / 'copy.db'}"


def _run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=AWAY,
    )


_OPEN = """
import datetime, sys
from bot.store.engine import Store, StoreBusyError
try:
    Store(sys.argv[1], clock=lambda: datetime.datetime.now(datetime.UTC)).open()
except StoreBusyError as error:
    print(error)
    sys.exit(3)
"""


async def test_a_second_process_is_kept_off_the_file(sqlite_template: Path, tmp_path: Path) -> None:
    url = copy_of(sqlite_template, tmp_path / "one.db")
    store = Store(url, clock=Clock())
    store.open()
    refused = _run(_OPEN, url)
    assert refused.returncode == 3, refused.stderr
    assert "stop it first" in refused.stdout
    await store.transact(adding("still works"))
    await store.close()
    assert _run(_OPEN, url).returncode == 0


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        engine = make_engine(f"sqlite:///{tmp_path / 'new.db'}")
        with engine.begin() as conn:
            conn.execute(sa.text("create table secret (n integer)"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    engine.dispose()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600}


async def test_commits_are_flushed_to_the_disk(store: Store) -> None:
    if not store.is_sqlite:
        [level] = await store.transact(
            lambda tx: list(tx.run(sa.text("show transaction_isolation")).scalars())
        )
        assert level == "read committed"
        return
    found = await store.transact(
        lambda tx: [
            tx.run(sa.text(f"pragma {name}")).scalar()
            for name in ("synchronous", "journal_mode", "locking_mode", "foreign_keys")
        ]
    )
    assert found == [2, "wal", "exclusive", 1]


async def test_a_time_without_its_zone_is_refused(store: Store) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - on purpose
    with pytest.raises(StatementError, match="offset-naive"):
        await store.transact(
            lambda tx: tx.run(customer.insert().values(phone="x", created_at=naive)).rowcount
        )
    assert await store.transact(phones) == []


async def test_a_time_comes_back_as_the_same_instant_in_utc(store: Store) -> None:
    guatemala = datetime.fromisoformat("2026-01-01T06:00:00.123456-06:00")

    def work(tx: Tx) -> datetime:
        tx.run(customer.insert().values(phone="x", created_at=guatemala))
        found: datetime = tx.run(sa.select(customer.c.created_at)).scalar_one()
        return found

    found = await store.transact(work)
    assert found == guatemala
    assert found.tzinfo is UTC
    assert found.isoformat() == "2026-01-01T12:00:00.123456+00:00"


async def test_a_transaction_has_one_time(store: Store) -> None:
    assert await store.transact(lambda tx: tx.now) == START


async def test_ignored_rows_give_no_id(store: Store) -> None:
    def work(tx: Tx) -> tuple[list[int], list[int]]:
        row: dict[str, object] = {"phone": "same", "created_at": tx.now}
        first = tx.insert_ignoring(customer, [row], conflict=["phone"])
        return first, tx.insert_ignoring(customer, [row, row], conflict=["phone"])

    first, second = await store.transact(work)
    assert len(first) == 1
    assert second == []
    assert (
        await store.transact(lambda tx: tx.insert_ignoring(customer, [], conflict=["phone"])) == []
    )


async def test_closing_finishes_what_is_queued(database_url: str) -> None:
    store = Store(database_url, clock=Clock())
    store.open()
    queued = [asyncio.ensure_future(store.transact(adding(f"queued {n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.wait_for(asyncio.gather(*queued), AWAY)
    again = Store(database_url, clock=Clock())
    again.open()
    assert len(await again.transact(phones)) == 20
    await again.close()


def test_other_databases_are_refused() -> None:
    with pytest.raises(StoreError, match="must start with"):
        make_engine("mysql://localhost/x")


async def test_a_server_that_is_away_is_said_so_without_the_password() -> None:
    store = Store("postgresql://nobody:secret@127.0.0.1:1/none", clock=Clock())
    with pytest.raises(StoreError, match="cannot open") as caught:
        store.open()
    assert not isinstance(caught.value, StoreBusyError)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_customers_are_found_by_phone_and_learn(store: Store) -> None:
    first = await store.transact(lambda tx: people.upsert_customer(tx, phone="+1", name="Ana"))
    again = await store.transact(lambda tx: people.upsert_customer(tx, phone="+1", email="a@b.c"))
    assert (again.id, again.name, again.email) == (first.id, "Ana", "a@b.c")
    assert await store.transact(lambda tx: people.find_customer(tx, phone="+2")) is None


ODD = [
    "",
    "NULL",
    "null",
    "{}",
    "{a,b}",
    'a "b" c',
    "back\\slash\\",
    "a,b",
    " x ",
    "á\n\t'",
    '\\"',
    "😀",
]


@pytest.mark.parametrize("told", [ODD, list(reversed(ODD)), [None, *ODD, None]])
async def test_values_come_back_as_they_were_given_in_one_list(
    store: Store, told: list[str | None]
) -> None:
    keys = [f"{number} {text}" for number, text in enumerate(told)]
    deep: list[dict[str, object]] = [
        {"text": text, "list": [text, [1, {"a": None}]]} for text in told
    ]

    def work(tx: Tx) -> list[tuple[object, ...]]:
        rows: list[dict[str, object]] = [
            {
                "kind": "send",
                "lane": "sms",
                "key": key,
                "address": text,
                "route_left": [text, "sms"],
                "payload": payload,
                "not_before": START,
                "give_up_at": START,
                "created_at": START,
                "updated_at": START,
            }
            for key, text, payload in zip(keys, told, deep, strict=True)
        ]
        made = tx.insert_ignoring(outbox, rows, conflict=["key"])
        assert len(made) == len(rows)
        columns = (outbox.c.address, outbox.c.route_left, outbox.c.payload, outbox.c.not_before)
        chosen = sa.select(*columns).where(among(outbox.c.key, "b_keys")).order_by(outbox.c.id)
        return [tuple(row) for row in tx.run(chosen, {"b_keys": keys})]

    found = await store.transact(work)
    assert found == [
        (text, [text, "sms"], payload, START) for text, payload in zip(told, deep, strict=True)
    ]
