"""A batch of accepted sends ends whole, row by row as each was answered, on both engines."""

from datetime import timedelta

from bot.store import claims, deliveries, outbox
from bot.store.deliveries import Acceptance
from tests.contract.test_store_outbox import add, reply, states, take
from tests.contract.world import START, World


async def test_each_row_of_a_batch_keeps_its_own_answer(world: World) -> None:
    await add(world, reply("a"), reply("b"), reply("c"))
    first, second, _ = await take(world, "t")
    watched = START + timedelta(minutes=10)
    batch = [Acceptance(first, "SM1", watched), Acceptance(second, "SM2", None)]
    ended_ids = await world.run(lambda tx: deliveries.accept(tx, batch))
    assert ended_ids == {first.id, second.id}
    assert await states(world) == [("a", "done"), ("b", "done"), ("c", "sending")]
    ended = await world.select(
        "select provider_id, deliver_by is not null, lease_until from outbox order by id limit 2"
    )
    assert [(row[0], bool(row[1]), row[2]) for row in ended] == [
        ("SM1", True, None),
        ("SM2", False, None),
    ]
    tries = await world.select(
        "select try_no, channel, outcome, provider_id from delivery order by outbox_id"
    )
    assert tries == [(1, "sms", "accepted", "SM1"), (1, "sms", "accepted", "SM2")]


async def test_rows_that_somebody_else_holds_by_now_are_left_to_them(world: World) -> None:
    await add(world, reply("a"), reply("b"), reply("c"))
    mine, lost, over = await take(world, "t")
    await world.run(lambda tx: outbox.put_back(tx, {lost.id: START}))
    [theirs] = await take(world, "theirs")
    await world.run(lambda tx: outbox.end(tx, over.id, "cancelled"))
    batch = [Acceptance(each, f"SM{each.id}", None) for each in (lost, over, mine)]
    assert await world.run(lambda tx: deliveries.accept(tx, batch)) == {mine.id}
    assert await states(world) == [("a", "done"), ("b", "sending"), ("c", "cancelled")]
    assert await world.select("select outbox_id from delivery") == [(mine.id,)]
    assert await world.run(lambda tx: claims.still_mine(tx, [theirs])) == {theirs.id}


async def test_an_empty_batch_is_nothing(world: World) -> None:
    assert await world.run(lambda tx: deliveries.accept(tx, [])) == set()
    assert await world.select("select 1 from delivery") == []
