"""Bulk files on either engine: moves, rows that become payments once, pace, and 10,000 rows."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bot.domain.bulk import BulkRow
from bot.domain.bulk_row import Fault, RowRequest
from bot.domain.money import Money
from bot.handlers.batches import AHEAD_S, CHUNK, BatchError, move_batch, open_batch, send_some
from bot.handlers.bulk_report import result_report
from bot.store import batch_results, batches, outbox
from bot.store.batches import Batch, Mark
from bot.store.engine import Tx
from tests.contract.world import START, World, rules_of

RULES = replace(rules_of(), rates={"sms": 10.0})
STATES = ("checked", "sending", "paused", "done", "cancelled")


def row(number: int, **fields: Any) -> BulkRow:
    request = RowRequest(f"+5025{number:07d}", "GT", Money(1500, "GTQ"), ("sms",), **fields)
    return BulkRow(number, {"tel": str(number)}, request)


async def opened(world: World, *rows: BulkRow) -> Batch:
    found = await world.run(
        lambda tx: open_batch(tx, RULES, rows, filename="f.csv", created_by="ana", notify=None)
    )
    return found.batch


async def confirmed(world: World, *rows: BulkRow) -> Batch:
    batch = await opened(world, *rows)
    return await world.run(lambda tx: move_batch(tx, batch.id, batches.SENDING))


async def test_a_file_is_kept_with_its_wrong_rows(world: World) -> None:
    wrong = BulkRow(3, {"tel": "=1"}, None, (Fault("phone_too_short"),))
    batch = await opened(world, row(2), wrong)
    assert (batch.status, batch.total, batch.created_at) == ("checked", 2, START)
    assert await world.run(lambda tx: batches.read(tx, batch.id)) == batch
    [kept] = await world.run(lambda tx: batches.ready(tx, batch.id, limit=9))
    assert (kept.number, dict(kept.cells)) == (2, {"tel": "2"})
    lines = await world.run(lambda tx: result_report(tx, batch.id))
    assert [(line["row"], line["state"], line["reason"]) for line in lines] == [
        (2, "ready", None),
        (3, "wrong", "phone_too_short"),
    ]


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", sorted(batches.MOVES))
async def test_a_batch_moves_by_the_table(world: World, before: str, after: str) -> None:
    batch = await opened(world, row(2))
    way = {"paused": ["sending", "paused"], "done": ["sending", "done"], "checked": []}
    for step in way.get(before, [before]):
        assert await world.run(partial(batches.move, batch_id=batch.id, to=step))
    moved = await world.run(lambda tx: batches.move(tx, batch.id, after))
    assert moved is (before in batches.MOVES[after])


async def test_a_row_becomes_one_payment(world: World) -> None:
    batch = await confirmed(world, row(2), row(3, reference="A"))
    assert await world.run(lambda tx: send_some(tx, RULES)) == 2
    assert await world.run(lambda tx: send_some(tx, RULES)) == 0
    found = await world.run(lambda tx: batches.read(tx, batch.id))
    assert found is not None
    assert found.status == "done"
    assert await world.select("select idempotency_key, external_id, created_by from payment") == [
        (f"bulk:{batch.id}:2", None, "ana"),
        (f"bulk:{batch.id}:3", "A", "ana"),
    ]
    progress = await world.run(lambda tx: batch_results.progress(tx, batch.id))
    assert (progress.created, progress.waiting, progress.sent) == (2, 2, 0)


async def test_a_row_marked_twice_stays_as_it_was(world: World) -> None:
    batch = await confirmed(world, row(2))
    [kept] = await world.run(lambda tx: batches.ready(tx, batch.id, limit=1))
    await world.run(lambda tx: send_some(tx, RULES))
    await world.run(lambda tx: batches.mark(tx, [Mark(kept.id, "failed", reason="late")]))
    assert await world.select("select state, reason from batch_row") == [("created", None)]


async def test_what_fails_is_told_and_the_rest_goes(world: World) -> None:
    await world.create(external_id="A")
    batch = await opened(world, row(2, reference="B"), row(3, due_at=START + timedelta(hours=1)))
    await world.create(external_id="B")
    await world.run(lambda tx: move_batch(tx, batch.id, batches.SENDING))
    world.clock.advance(hours=2)
    await world.run(lambda tx: send_some(tx, RULES))
    assert await world.select("select state, reason from batch_row order by row_no") == [
        ("failed", "reference_known"),
        ("failed", "due_past"),
    ]


async def test_a_known_reference_is_wrong_from_the_beginning(world: World) -> None:
    await world.create(external_id="A")
    batch = await opened(world, row(2, reference="A"))
    with pytest.raises(BatchError, match="no row left"):
        await world.run(lambda tx: move_batch(tx, batch.id, batches.SENDING))


async def test_no_more_is_put_into_a_lane_than_a_few_seconds_of_it(world: World) -> None:
    await confirmed(world, *(row(number) for number in range(2, 102)))
    made = [await world.run(lambda tx: send_some(tx, RULES)) for _ in range(4)]
    room = round(10 * AHEAD_S)
    assert (made, room) == ([CHUNK, room - CHUNK, 0, 0], 30)
    waiting = await world.run(lambda tx: batches.waiting_in(tx, outbox.MIGO_LANE, most=999))
    assert waiting == room


async def test_rows_for_another_day_do_not_fill_a_lane(world: World) -> None:
    later = START + timedelta(days=1)
    batch = await confirmed(world, *(row(number, send_at=later) for number in range(2, 52)))
    while await world.run(lambda tx: send_some(tx, RULES)):
        continue
    progress = await world.run(lambda tx: batch_results.progress(tx, batch.id))
    assert (progress.created, progress.later, progress.waiting) == (50, 50, 0)


async def test_a_paused_batch_makes_nothing(world: World) -> None:
    batch = await confirmed(world, row(2))
    await world.run(lambda tx: move_batch(tx, batch.id, batches.PAUSED))
    assert await world.run(lambda tx: send_some(tx, RULES)) == 0


async def test_ten_thousand_rows_are_kept_and_read_back(world: World) -> None:
    rows = [row(number, reference=f"R{number}") for number in range(2, 10_002)]
    batch = await opened(world, *rows)

    def count(tx: Tx) -> tuple[int, int]:
        known = batches.known_references(tx, [f"R{number}" for number in range(10_002)])
        return len(result_report(tx, batch.id)), len(known)

    assert await world.run(count) == (10_000, 0)
    again = await world.run(lambda tx: batch_results.progress(tx, batch.id))
    assert again.ready == 10_000


async def test_what_confirmed_files_have_yet_to_ask_for_is_known(world: World) -> None:
    dollars = BulkRow(4, {}, RowRequest("+50250000004", "GT", Money(700, "USD"), ("sms",)))
    batch = await opened(world, row(2), row(3), dollars)
    amounts = await world.run(lambda tx: batches.ready_amounts(tx, batch.id))
    assert sorted(each.minor for each in amounts) == [700, 1500, 1500]
    assert await to_ask(world, "GTQ") == 0
    await world.run(lambda tx: move_batch(tx, batch.id, batches.SENDING))
    assert [await to_ask(world, code) for code in ("GTQ", "USD")] == [3000, 700]
    await world.run(lambda tx: send_some(tx, RULES))
    assert await to_ask(world, "GTQ") == 0


async def to_ask(world: World, currency: str) -> int:
    return await world.run(
        lambda tx: batches.still_to_ask(tx, actor_prefix="ana", currency=currency)
    )
