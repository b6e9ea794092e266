"""Conversations and one-use buttons, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.handlers import chat
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.store import conversations, people, reminding
from bot.store.engine import Tx
from channels.base import Address, ChannelName, InboundMessage
from tests.contract.world import START, World

ANA = Address(ChannelName.TELEGRAM, "71")
EVE = Address(ChannelName.TELEGRAM, "72")
SMS = Address(ChannelName.SMS, "71")


async def offer(world: World, to: Address = ANA, user_id: str | None = "71") -> str:
    return await world.run(lambda tx: conversations.offer(tx, to, user_id, "pay", {"id": 7}))


async def take(world: World, token: str, at: Address = ANA, user_id: str | None = "71") -> object:
    return await world.run(lambda tx: conversations.take(tx, token, at, user_id))


async def test_a_conversation_begins_once(world: World) -> None:
    first, again = [await world.run(lambda tx: conversations.read(tx, ANA)) for _ in range(2)]
    assert first == again
    assert (first.mode, first.state, dict(first.slots), first.version) == ("bot", "idle", {}, 0)
    other = await world.run(lambda tx: conversations.read(tx, SMS))
    assert other.id != first.id


async def test_only_the_version_that_was_read_is_written(world: World) -> None:
    found = await world.run(lambda tx: conversations.read(tx, ANA))
    changed = replace(found, state="quantity", slots={"product": "x"})
    assert await world.run(lambda tx: conversations.save(tx, changed))
    assert not await world.run(lambda tx: conversations.save(tx, replace(found, state="late")))
    now = await world.run(lambda tx: conversations.read(tx, ANA))
    assert (now.state, now.slots["product"], now.version) == ("quantity", "x", 1)


async def test_saving_keeps_the_choices_that_a_reply_just_showed(world: World) -> None:
    def work(tx: Tx) -> None:
        found = conversations.read(tx, ANA)
        conversations.keep_choices(tx, ANA, ["t1", "t2"])
        conversations.save(tx, replace(found, slots={"product": "x", "choices": ["old"]}))

    await world.run(work)
    now = await world.run(lambda tx: conversations.read(tx, ANA))
    assert now.choices == ("t1", "t2")
    assert now.slots["product"] == "x"


async def test_a_button_works_once(world: World) -> None:
    token = await offer(world)
    assert len(token.encode()) <= 24
    taken = await asyncio.gather(*(take(world, token) for _ in range(5)))
    assert sorted(taken, key=str) == [("pay", {"id": 7}), None, None, None, None]


@pytest.mark.parametrize(("at", "user_id"), [(EVE, "71"), (SMS, "71"), (ANA, "72"), (ANA, None)])
async def test_a_button_works_for_nobody_else(
    world: World, at: Address, user_id: str | None
) -> None:
    token = await offer(world)
    assert await take(world, token, at, user_id) is None
    assert await take(world, token) == ("pay", {"id": 7})


async def test_a_button_of_nobody_in_particular_works_for_its_chat(world: World) -> None:
    token = await offer(world, user_id=None)
    assert await take(world, token, user_id="99") == ("pay", {"id": 7})


async def test_a_button_works_for_ten_minutes(world: World) -> None:
    late, in_time = await offer(world), await offer(world)
    world.clock.advance(minutes=9, seconds=59)
    assert await take(world, in_time) == ("pay", {"id": 7})
    world.clock.advance(seconds=1)
    assert await take(world, late) is None


async def test_a_token_that_never_was(world: World) -> None:
    assert await take(world, "x" * 16) is None


async def test_a_reply_is_owed_once_and_leaves_its_choices(world: World) -> None:
    reply = Reply("customer.owed", choices=(Choice("a", "t1"), Choice("b", url="https://x.y")))

    def work(tx: Tx) -> int | None:
        return owe_reply(tx, ANA, reply, key="reply:1:1", customer_id=None, locale="es")

    assert await world.run(work) is not None
    assert await world.run(work) is None
    now = await world.run(lambda tx: conversations.read(tx, ANA))
    assert now.choices == ("t1",)


async def test_conversations_with_staff_are_found(world: World) -> None:
    def work(tx: Tx) -> None:
        found = conversations.read(tx, ANA)
        given = replace(found, mode="human", mode_since=tx.now, last_inbound_at=tx.now)
        conversations.save(tx, given)
        conversations.read(tx, EVE)

    await world.run(work)
    held = await world.run(conversations.with_staff)
    assert [each.at for each in held] == [ANA]
    late, early = START + timedelta(hours=1), START
    idle = await world.run(lambda tx: conversations.idle_with_staff(tx, before=late))
    assert [each.at for each in idle] == [ANA]
    assert await world.run(lambda tx: conversations.idle_with_staff(tx, before=early)) == []


async def test_an_invitation_is_used_once_and_not_late(world: World) -> None:
    customer = await world.run(lambda tx: people.upsert_customer(tx, phone="+50255551234"))

    async def invite(token: str) -> None:
        await world.run(lambda tx: people.invite_customer(tx, customer.id, token, by="staff"))

    async def use(token: str) -> int | None:
        return await world.run(lambda tx: people.use_invite(tx, token, by="telegram user 71"))

    await invite("one")
    await invite("two")
    assert await use("three") is None
    assert await use("one") == customer.id
    assert await use("one") is None
    world.clock.advance(days=7)
    assert await use("two") is None
    kept = await world.select("select token_hash from invite")
    assert all("one" not in str(row[0]) and len(str(row[0])) == 64 for row in kept)


async def test_a_chat_that_staff_held_before_there_was_a_customer_is_theirs(world: World) -> None:
    written = Address(ChannelName.WHATSAPP, "+5215512345678")
    found = await world.run(lambda tx: conversations.read(tx, written))
    held = replace(found, mode="human", mode_since=START)
    assert await world.run(lambda tx: conversations.save(tx, held))
    customer = await world.run(lambda tx: people.upsert_customer(tx, phone="+525512345678"))
    [known] = await world.run(lambda tx: reminding.customers(tx, [customer.id]))
    assert known.human_since == START


async def test_whose_chat_it_is_may_become_known_while_staff_hold_it(world: World) -> None:
    written = Address(ChannelName.WHATSAPP, "GT.1")
    number = Address(ChannelName.WHATSAPP, "+50255551234")
    customer = await world.run(lambda tx: people.upsert_customer(tx, phone=number.value))
    found = await world.run(lambda tx: conversations.read(tx, written))
    held = replace(found, mode="human", mode_since=START)
    assert await world.run(lambda tx: conversations.save(tx, held))
    message = InboundMessage("e", written, "hola", aliases=(number,))
    await world.run(
        lambda tx: chat.on_message(tx, world.rules, message, inbox_id=1, received_at=START)
    )
    [known] = await world.run(lambda tx: reminding.customers(tx, [customer.id]))
    assert known.human_since == START
