"""Effects owed: planned once, taken by one worker, settled with its token only."""

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.domain.delivery import Purpose
from bot.holding import LEASE
from bot.store import claims, outbox, people, showing, waiting
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.outbox import NewItem
from channels.base import Address, ChannelName
from tests.contract.world import PHONE, START, World

SMS = ChannelName.SMS
DAY = timedelta(days=1)


def reply(
    key: str, *, at: datetime = START, lane: ChannelName = SMS, to: str | None = PHONE
) -> NewItem:
    return NewItem(
        kind=outbox.SEND,
        lane=lane.value,
        key=key,
        purpose=Purpose.REPLY,
        channel=lane,
        address=to,
        not_before=at,
        give_up_at=at + DAY,
        payload={"what": "help"},
    )


async def add(world: World, *items: NewItem) -> list[int]:
    return await world.run(lambda tx: outbox.add(tx, items))


async def take(world: World, token: str, limit: int = 10, lane: str = "sms") -> list[OutboxItem]:
    return await world.run(
        lambda tx: claims.take(tx, lane=lane, limit=limit, lease=LEASE, token=token, worker="w")
    )


async def states(world: World) -> list[tuple[object, ...]]:
    return await world.select("select key, status from outbox order by id")


async def test_a_key_is_planned_once(world: World) -> None:
    assert len(await add(world, reply("a"), reply("b"))) == 2
    assert await add(world, reply("a"), reply("b")) == []
    assert len(await add(world, reply("b"), reply("c"))) == 1
    assert await states(world) == [("a", "pending"), ("b", "pending"), ("c", "pending")]


async def test_planning_again_leaves_a_finished_row_alone(world: World) -> None:
    [made] = await add(world, reply("a"))
    await world.run(lambda tx: outbox.end(tx, made, "done"))
    await add(world, reply("a"))
    assert await take(world, "t") == []


async def test_the_oldest_due_come_first(world: World) -> None:
    later, earlier = START - timedelta(seconds=1), START - timedelta(seconds=2)
    await add(world, reply("late", at=later), reply("early", at=earlier), reply("late2", at=later))
    assert [item.key for item in await take(world, "a", limit=2)] == ["early", "late"]
    assert [item.key for item in await take(world, "b", limit=2)] == ["late2"]


async def test_nothing_is_taken_before_its_time_or_from_another_lane(world: World) -> None:
    await add(
        world, reply("soon", at=START + LEASE), reply("mail", lane=ChannelName.EMAIL, to="a@b.c")
    )
    assert await take(world, "a") == []
    assert [item.key for item in await take(world, "b", lane="email")] == ["mail"]
    assert await world.run(lambda tx: outbox.next_due(tx, "sms")) == START + LEASE
    assert await world.run(lambda tx: outbox.next_due(tx, "email")) is None
    world.clock.advance(seconds=LEASE.total_seconds())
    assert [item.key for item in await take(world, "c")] == ["soon"]


async def test_a_try_is_counted_in_the_claim(world: World) -> None:
    await add(world, reply("a"))
    [item] = await take(world, "t")
    assert (item.attempts, item.tries, item.token) == (1, 1, "t")
    await world.run(lambda tx: outbox.again(tx, item.id, at=START, error="x"))
    [item] = await take(world, "t2")
    assert (item.attempts, item.tries) == (2, 2)
    await world.run(lambda tx: outbox.uncount_try(tx, item.id))
    assert await world.select("select attempts, tries from outbox") == [(1, 1)]


async def test_only_the_claims_token_may_settle(world: World) -> None:
    await add(world, reply("a"))
    [stale] = await take(world, "first")
    assert await world.run(lambda tx: claims.still_mine(tx, [stale])) == {stale.id}
    await world.run(lambda tx: outbox.again(tx, stale.id, at=START, error="lapsed"))
    assert await world.run(lambda tx: claims.still_mine(tx, [stale])) == set()
    [fresh] = await take(world, "second")
    assert await world.run(lambda tx: claims.still_mine(tx, [stale])) == set()
    assert await world.run(lambda tx: claims.still_mine(tx, [fresh])) == {fresh.id}


@pytest.mark.postgres
async def test_two_workers_never_take_the_same_row(empty_postgres_url: str) -> None:
    world = World(empty_postgres_url)
    world.store.open()
    await add(world, *(reply(f"k{number}") for number in range(600)))
    taken = await asyncio.gather(*(take(world, f"t{n}", limit=11) for n in range(90)))
    ids = [item.id for items in taken for item in items]
    assert len(ids) == len(set(ids)) == 600
    assert all(item.token == f"t{n}" for n, items in enumerate(taken) for item in items)
    await world.store.close()


async def test_lapsed_claims_are_found_and_only_they(world: World) -> None:
    await add(world, reply("a"), reply("b"))
    await take(world, "dead", limit=1)
    world.clock.advance(seconds=LEASE.total_seconds())
    await take(world, "alive")
    assert await world.run(claims.lapsed) == []
    world.clock.advance(seconds=1)
    assert [item.key for item in await world.run(claims.lapsed)] == ["a"]
    both = await world.run(lambda tx: claims.lapsed(tx, all_claims=True))
    assert [item.key for item in both] == ["a", "b"]


async def test_another_channel_starts_afresh(world: World) -> None:
    payment = await world.create()
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")
    await world.run(
        lambda tx: outbox.reroute(tx, item.id, channel=SMS, route_left=("email",), why="no")
    )
    assert await take(world, "x", lane="whatsapp") == []
    [moved] = await take(world, "y")
    assert (moved.channel, moved.route_left, moved.attempts, moved.tries) == (
        SMS,
        ("email",),
        1,
        2,
    )
    assert moved.address == PHONE
    assert moved.payment is not None
    assert moved.payment.id == payment.id


async def test_a_claim_reads_all_that_sending_needs(world: World) -> None:
    payment = await world.create(("email", "sms"), name="Ana")
    await world.make_link("u1")
    item = await world.claim_one("email")
    assert item.payment is not None
    assert item.customer is not None
    assert item.link is not None
    assert (item.payment.id, item.payment.money.minor) == (payment.id, 15000)
    assert (item.customer.name, item.customer.phone) == ("Ana", PHONE)
    assert (item.link.uid, item.link.url) == ("u1", "https://pay.example/u1")
    assert claims.resolve(item) == Address(ChannelName.EMAIL, "ana@example.com")
    assert (item.route_left, item.reach, item.last_inbound_at) == (("sms",), "ok", None)


async def test_the_chat_last_written_from_is_the_one_answered(world: World) -> None:
    customer = await world.run(lambda tx: people.upsert_customer(tx, phone=PHONE))

    def bind(tx: Tx) -> None:
        for chat in ("1", "2", "3"):
            at = Address(ChannelName.TELEGRAM, chat)
            people.bind(tx, customer.id, at)
            if chat != "3":
                seen = START - timedelta(hours=int(chat))
                people.saw_inbound(tx, at, at=seen, customer_id=customer.id)

    await world.run(bind)
    await world.create(("telegram",))
    await world.make_link("u1")
    item = await world.claim_one("telegram")
    assert (item.address, item.last_inbound_at) == ("1", START - timedelta(hours=1))
    assert await world.run(lambda tx: people.telegram_chat(tx, customer.id)) == "1"


async def test_cancelling_leaves_what_is_being_sent(world: World) -> None:
    payment = await world.create()
    await world.make_link("u1")
    sending = await world.claim_one("whatsapp")
    await world.run(
        lambda tx: outbox.add(
            tx,
            [
                NewItem(
                    kind=outbox.SEND,
                    lane="sms",
                    key=purpose.value,
                    purpose=purpose,
                    payment_id=payment.id,
                    channel=SMS,
                    not_before=START,
                    give_up_at=START + DAY,
                )
                for purpose in (Purpose.REMINDER, Purpose.RECEIPT)
            ],
        )
    )
    gone = await world.run(
        lambda tx: waiting.cancel_waiting(
            tx, payment_id=payment.id, purposes=(Purpose.LINK, Purpose.REMINDER), why="paid"
        )
    )
    assert len(gone) == 1
    statuses = {row.purpose: row.status for row in await world.outbox(payment.id)}
    assert statuses == {
        None: "done",
        "link": "sending",
        "reminder": "cancelled",
        "receipt": "pending",
    }
    assert await world.run(lambda tx: claims.still_mine(tx, [sending])) == {sending.id}


async def test_what_had_no_address_is_sent_once_there_is_one(world: World) -> None:
    world.set_rules(staff=None)
    payment = await world.create(("telegram",))
    await world.make_link("u1")
    assert await world.claim("telegram") == []
    [row] = await world.outbox(payment.id, "link")
    assert (row.status, row.tries) == ("dead", 0)
    chat = Address(ChannelName.TELEGRAM, "77")
    await world.run(lambda tx: people.bind(tx, payment.customer_id, chat))

    def revive(tx: Tx) -> int:
        return waiting.revive(tx, customer_id=payment.customer_id, channel=ChannelName.TELEGRAM)

    assert await world.run(revive) == 1
    assert await world.run(revive) == 0
    assert (await world.claim_one("telegram")).address == "77"


async def test_what_was_refused_there_is_not_revived(world: World) -> None:
    await add(world, reply("a"))
    [item] = await take(world, "t")
    await world.run(lambda tx: outbox.end(tx, item.id, "dead", error="refused"))
    await world.select("update outbox set customer_id = null returning id")
    customer = await world.run(lambda tx: people.upsert_customer(tx, phone=PHONE))
    await world.select("update outbox set customer_id = :id returning id", id=customer.id)
    assert await world.run(lambda tx: waiting.revive(tx, customer_id=customer.id, channel=SMS)) == 0


async def test_figures(world: World) -> None:
    assert await world.run(showing.figures) == showing.QueueFigures(0, 0, 0, None)
    hour = timedelta(hours=1)
    made = await add(
        world,
        *(reply(f"due{n}", at=START - n * hour) for n in range(3)),
        reply("later", at=START + hour),
        *(reply(key, at=START - 9 * hour) for key in ("sent", "given up")),
    )
    await world.run(lambda tx: outbox.end(tx, made[-1], "dead"))
    await take(world, "t", limit=1)
    assert await world.run(showing.figures) == showing.QueueFigures(3, 1, 1, START - 2 * hour)


async def test_an_unknown_row_is_none(world: World) -> None:
    assert await world.run(lambda tx: claims.read(tx, 404)) is None
    [made] = await add(world, reply("a"))
    found = await world.run(lambda tx: claims.read(tx, made))
    assert found is not None
    assert found.key == "a"
