"""Facts received: stored once, counted, claimed, given back; and the door before them."""

import asyncio
import functools
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from bot.store import inbox
from bot.store.engine import Tx
from bot.store.inbox import Door, InboxItem, Received, Source
from tests.contract.world import START, World

LEASE = timedelta(seconds=60)


def received(
    event_id: str | None, body: bytes = b"{}", source: Source = Source.TELEGRAM
) -> Received:
    return Received(source, event_id, "https://example.test/x", {"a": "b"}, body)


async def record(world: World, *items: Received) -> None:
    await world.run(lambda tx: inbox.record(tx, items))


async def claim(world: World, token: str, limit: int = 10) -> list[InboxItem]:
    return await world.run(lambda tx: inbox.claim(tx, limit=limit, lease=LEASE, token=token))


async def counts(world: World) -> list[tuple[object, ...]]:
    return await world.select("select event_id, seen_count from inbox order by id")


async def test_bytes_come_back_as_they_were(world: World) -> None:
    body = bytes(range(256))
    await record(world, Received(Source.MIGO, None, "https://x.test/?q=é", {"k": "v"}, body))
    [item] = await claim(world, "t")
    assert (item.source, item.event_id, item.url, item.headers, item.body) == (
        Source.MIGO,
        None,
        "https://x.test/?q=é",
        {"k": "v"},
        body,
    )
    assert (item.received_at, item.attempts, item.token) == (START, 1, "t")


async def test_a_repeat_only_counts_up(world: World) -> None:
    await record(world, received("1", b"first"), received("1", b"other"), received("2"))
    await record(world, received("2"), received("1"), received("1"))
    assert await counts(world) == [("1", 4), ("2", 2)]
    assert (await claim(world, "t"))[0].body == b"first"


async def test_without_an_event_id_nothing_is_a_repeat(world: World) -> None:
    await record(world, received(None), received(None))
    await record(world, received(None))
    assert await counts(world) == [(None, 1)] * 3


async def test_the_same_id_from_another_source_is_another_event(world: World) -> None:
    await record(world, received("1"), received("1", source=Source.TWILIO_INBOUND))
    assert await counts(world) == [("1", 1), ("1", 1)]


async def test_a_claimed_item_is_not_claimed_again(world: World) -> None:
    await record(world, received("1"), received("2"), received("3"))
    assert [item.event_id for item in await claim(world, "a", limit=2)] == ["1", "2"]
    assert [item.event_id for item in await claim(world, "b")] == ["3"]
    assert await claim(world, "c") == []


async def test_finished_is_finished(world: World) -> None:
    await record(world, received("1"))
    [item] = await claim(world, "a")
    assert await world.run(lambda tx: inbox.finish(tx, item))
    assert not await world.run(lambda tx: inbox.finish(tx, item, status="dead"))
    await world.run(lambda tx: inbox.postpone(tx, item, delay=LEASE, error="too late"))
    world.clock.advance(days=1)
    assert await world.run(inbox.release_lapsed) == (0, [])
    assert await claim(world, "b") == []
    assert await world.select("select status, last_error from inbox") == [("done", None)]


async def test_postponed_until_its_time(world: World) -> None:
    await record(world, received("1"))
    [item] = await claim(world, "a")
    wait = timedelta(seconds=7)
    await world.run(lambda tx: inbox.postpone(tx, item, delay=wait, error="not yet"))
    assert await world.run(inbox.next_due) == START + wait
    world.clock.advance(seconds=6.999)
    assert await claim(world, "b") == []
    world.clock.advance(seconds=0.001)
    [again] = await claim(world, "c")
    assert (again.id, again.attempts) == (item.id, 2)


async def test_what_a_dead_worker_holds_comes_back_after_the_lease(world: World) -> None:
    await record(world, received("1"))
    [item] = await claim(world, "dead")
    world.clock.advance(seconds=60)
    assert await world.run(inbox.release_lapsed) == (0, [])
    world.clock.advance(seconds=1)
    assert await world.run(inbox.release_lapsed) == (1, [])
    assert not await world.run(lambda tx: inbox.finish(tx, item))
    [again] = await claim(world, "alive")
    assert again.attempts == 2
    assert not await world.run(lambda tx: inbox.finish(tx, item))
    assert await world.run(lambda tx: inbox.finish(tx, again))


async def test_at_a_start_every_claim_is_stale(world: World) -> None:
    await record(world, received("1"))
    await claim(world, "dead")
    assert await world.run(lambda tx: inbox.release_lapsed(tx, all_claims=True)) == (1, [])
    assert len(await claim(world, "alive")) == 1


@pytest.mark.postgres
async def test_two_workers_never_claim_the_same_item(empty_postgres_url: str) -> None:
    world = World(empty_postgres_url)
    world.store.open()
    await record(world, *(received(str(number)) for number in range(400)))
    ends = await asyncio.gather(*(claim(world, f"t{n}", limit=7) for n in range(80)))
    ids = [item.id for items in ends for item in items]
    assert len(ids) == len(set(ids)) == 400
    await world.store.close()


async def test_the_door_answers_when_the_bytes_are_kept(world: World) -> None:
    await Door(world.store).put(received("1"))
    assert await counts(world) == [("1", 1)]


async def test_requests_at_once_share_commits(world: World) -> None:
    commits = []
    sa.event.listen(world.store.engine, "commit", lambda conn: commits.append(1))
    door = Door(world.store)
    await asyncio.gather(*(door.put(received(str(number))) for number in range(200)))
    assert 1 <= len(commits) <= 3
    assert len(await counts(world)) == 200


async def test_repeats_at_once_are_one_row(world: World) -> None:
    door = Door(world.store)
    await asyncio.gather(*(door.put(received("same")) for _ in range(50)))
    assert await counts(world) == [("same", 50)]


async def test_a_failed_commit_is_told_to_every_waiter_and_the_next_is_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, real = Door(world.store), inbox.record

    def fail(tx: Tx, items: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(inbox, "record", fail)
    ends = await asyncio.gather(
        *(door.put(received(str(number))) for number in range(9)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [OSError] * 9
    monkeypatch.setattr(inbox, "record", real)
    await door.put(received("after"))
    assert await counts(world) == [("after", 1)]


async def test_one_who_hangs_up_stops_nobody_else(world: World) -> None:
    door, gate = Door(world.store), threading.Event()
    blocked = asyncio.ensure_future(world.run(lambda tx: gate.wait(10)))
    leaving = asyncio.ensure_future(door.put(received("left")))
    staying = asyncio.ensure_future(door.put(received("stayed")))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await blocked
    await asyncio.wait_for(staying, 10)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert ("stayed", 1) in await counts(world)


async def test_a_batch_that_the_database_refuses_is_kept_by_nobody(world: World) -> None:
    door = Door(world.store)
    ends = await asyncio.gather(
        door.put(received("good")),
        door.put(Received("x", "bad", "", {"a": object()}, b"")),  # type: ignore[arg-type, dict-item]
        return_exceptions=True,
    )
    assert all(isinstance(end, SQLAlchemyError | AttributeError) for end in ends)
    assert await counts(world) == []


async def test_what_kills_its_worker_is_taken_alone_and_then_set_aside(world: World) -> None:
    await world.run(lambda tx: inbox.record(tx, [received(str(n)) for n in range(3)]))
    for _ in range(inbox.MAX_DEATHS - 1):
        await claim(world, "t")
        await world.run(lambda tx: inbox.release_lapsed(tx, all_claims=True))
        world.clock.advance(minutes=2)
    [suspect] = await claim(world, "t")
    released, set_aside = await world.run(lambda tx: inbox.release_lapsed(tx, all_claims=True))
    assert (released, set_aside) == (0, [suspect.id])
    for _ in range(2):
        [item] = await claim(world, "t")
        assert item.id != suspect.id
        await world.run(functools.partial(inbox.finish, item=item))
    states = await world.select("select status, count(*) from inbox group by status order by 1")
    assert states == [("dead", 1), ("done", 2)]


async def test_what_its_worker_died_over_twice_lets_others_go_first(world: World) -> None:
    await record(world, received("1"))
    for _ in range(2):
        [suspect] = await claim(world, "t")
        await world.run(lambda tx: inbox.release_lapsed(tx, all_claims=True))
    await record(world, received("2"))
    [other] = await claim(world, "t")
    assert other.id != suspect.id
    world.clock.advance(seconds=2)
    assert [item.id for item in await claim(world, "t")] == [suspect.id]


async def test_what_an_item_said_is_forgotten_only_once_it_is_ended(world: World) -> None:
    await record(world, received("1", b"Body=4826"))
    [item] = await claim(world, "a")

    def dies(tx: Tx) -> None:
        inbox.finish(tx, item)
        inbox.forget_body(tx, item.id)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await world.run(dies)
    await world.run(lambda tx: inbox.release_lapsed(tx, all_claims=True))
    [again] = await claim(world, "b")
    assert again.body == b"Body=4826"
    await world.run(lambda tx: inbox.finish(tx, again))
    await world.run(lambda tx: inbox.forget_body(tx, again.id))
    await record(world, received("1", b"Body=4826"))
    kept = await world.select("select length(body), seen_count from inbox")
    assert kept == [(0, 2)]
