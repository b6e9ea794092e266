"""Very many reminders in a fresh database, with the customers, payments and links behind them."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bot.store.engine import Store, Tx
from bot.store.schema import metadata, to_microseconds

START = datetime(2026, 3, 4, 16, tzinfo=UTC)
"""A Wednesday at ten in the morning where the customers are."""

LANES = ("sms", "whatsapp")
"""Every other reminder goes over the other of them; each lane claims its own."""

_HOUR_US = 3_600_000_000
_NUMBERS = (
    "with recursive n(i) as (select cast(:first as bigint) union all"
    " select i + 1 from n where i < :last) "
)
_STATEMENTS = (
    "insert into customer (id, phone, name, locale, created_at)"
    " select i, '+502' || (30000000 + i), 'Ana', 'es', :past from n",
    "insert into payment (id, customer_id, amount_minor, currency, status, route, concept,"
    " request_hash, created_by, reminders, due_at, expires_at, created_at, updated_at)"
    " select PAY, i, 15000, 'GTQ', 'linked', '[\"sms\", \"whatsapp\"]', 'Mensualidad', '',"
    " 'benchmark', '\"default\"', :start + 3 * :day, :start + 60 * :day, :past, :past from n",
    "insert into link_attempt (id, payment_id, attempt_no, migo_channel, channel, state)"
    " select i, PAY, 1, 'sms', 'sms', 'created' from n",
    "insert into link (id, payment_id, attempt_id, uid, url, migo_channel, status, exposed_at,"
    " created_at) select i, PAY, i, 'uid' || i, 'https\\://example.com/?orderId=uid' || i,"
    " 'sms', 'open', :past, :past from n",
    "insert into outbox (kind, lane, key, purpose, payment_id, link_id, customer_id, channel,"
    " route_left, payload, not_before, give_up_at, created_at, updated_at)"
    " select 'send', lane, 'reminder\\:' || PAY || '\\:1', 'reminder', PAY, i, i, lane,"
    ' \'[]\', \'{"day"\\: "2026-03-04", "tone"\\: "friendly"}\','
    " :start + :hour + (i * 7919) % (30 * :day),"
    " :start + 60 * :day, :past, :past"
    " from (select i, case when i % 2 = 0 then 'sms' else 'whatsapp' end as lane from n) as laned",
)


def payment_id(number: int) -> str:
    """Ids in the order of time, as those of real payments."""
    return f"pay_{number:020}"


def create(store: Store) -> None:
    """Make the tables, of which there are none."""
    metadata.create_all(store.engine)


def fill(tx: Tx, *, first: int, last: int) -> None:
    """Add reminders of these numbers, due from one hour after `START` to a month later."""
    if not tx.is_sqlite:
        # The rows fit by how they are made; looking up each reference would only take time.
        tx.run(sa.text("set local session_replication_role = replica"))
    values: dict[str, object] = {
        "first": first,
        "last": last,
        "start": to_microseconds(START),
        "past": to_microseconds(START - timedelta(days=3)),
        "hour": _HOUR_US,
        "day": 24 * _HOUR_US,
    }
    padded = "printf('%020d', i)" if tx.is_sqlite else "lpad(cast(i as text), 20, '0')"
    padded = f"'pay_' || {padded}"
    for statement in _STATEMENTS:
        used = {name: value for name, value in values.items() if f":{name}" in _NUMBERS + statement}
        tx.run(sa.text(_insert_first(statement).replace("PAY", padded)), used)


def _insert_first(statement: str) -> str:
    """Put the numbers between the INSERT and its SELECT, where both engines take them."""
    insert, select = statement.split(" select ", 1)
    return f"{insert} {_NUMBERS} select {select}"


def settle(store: Store) -> None:
    """Let the planner know the tables, as it does in a service that has run for a while."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("analyze"))


def make_due(tx: Tx, numbers: range, *, at: datetime, within: timedelta) -> None:
    """Have the reminders of these numbers fall due one after the other, evenly from `at` on."""
    tx.run(
        sa.text(
            "update outbox set not_before = :at + (id - :first) * :within / :count"
            " where id between :first and :last"
        ),
        {
            "at": to_microseconds(at),
            "first": numbers[0],
            "last": numbers[-1],
            "count": len(numbers),
            "within": within // timedelta(microseconds=1),
        },
    )


def let_go(tx: Tx, numbers: range) -> None:
    """End the reminders of these numbers, so that their payments have none that waits."""
    tx.run(
        sa.text("update outbox set status = 'done' where id between :first and :last"),
        {"first": numbers[0], "last": numbers[-1]},
    )


def written(tx: Tx) -> int:
    """How many rows there are in all tables."""
    return sum(
        int(tx.run(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in metadata.sorted_tables
    )
