"""A message that may have left is looked for, and what is found is never another message's."""

import asyncio

import pytest

from bot.domain.delivery import Found, Uncertain
from bot.handlers import outgoing
from bot.store.claims import OutboxItem
from tests.contract.world import World


@pytest.fixture
def asking(world: World) -> World:
    """A world where Twilio can be asked."""
    world.set_rules(finds=world.rules.reports)
    return world


def found(world: World, *provider_ids: str, hides: bool = False) -> Found:
    return Found(provider_ids, world.clock.now, hides=hides)


async def lose_answers(world: World, *uids: str) -> list[OutboxItem]:
    """Messages to one customer of which nobody knows whether they left, taken to be looked for."""
    for uid in uids:
        await world.create(("sms",))
        await world.make_link(uid)
    for item in await world.claim("sms"):
        await world.settle(item, Uncertain("the answer was lost"))
    return await world.claim("sms")


async def sent_as(world: World) -> dict[str, object]:
    """The uid of each link and the provider's id of the message that brought it, if it is done."""
    rows = await world.select(
        "select link.uid, outbox.provider_id from outbox join link on link.id = outbox.link_id"
        " where outbox.status = 'done'"
    )
    return {str(uid): provider_id for uid, provider_id in rows}


async def test_what_is_found_is_taken_for_the_earlier_try(asking: World) -> None:
    [item] = await lose_answers(asking, "u1")
    await asking.settle(item, found(asking, "SM2", "SM1"))
    assert await sent_as(asking) == {"u1": "SM2"}


async def test_the_message_of_another_payment_is_not_taken(asking: World) -> None:
    await asking.linked("u1", route=("sms",))
    [item] = await lose_answers(asking, "u2")
    await asking.settle(item, found(asking, "out u1"))
    for looks_left in (1, 0):
        asking.clock.advance(seconds=30)
        again = await asking.claim_one("sms")
        assert again.looks_left == looks_left
        await asking.settle(again, found(asking, "out u1"))
    assert await sent_as(asking) == {"u1": "out u1"}


async def test_beside_the_message_of_another_payment_its_own_is_found(asking: World) -> None:
    await asking.linked("u1", route=("sms",))
    [item] = await lose_answers(asking, "u2")
    await asking.settle(item, found(asking, "out u1", "SM2"))
    assert await sent_as(asking) == {"u1": "out u1", "u2": "SM2"}


async def test_of_two_that_are_looked_for_at_once_one_takes_it(asking: World) -> None:
    items = await lose_answers(asking, "u1", "u2")
    ended = [(item, found(asking, "SM1")) for item in items]
    await asking.run(lambda tx: outgoing.settle(tx, asking.rules, ended))
    assert list((await sent_as(asking)).values()) == ["SM1"]


async def test_of_two_workers_that_find_the_same_one_takes_it(asking: World) -> None:
    items = await lose_answers(asking, "u1", "u2", "u3", "u4")
    await asyncio.gather(*(asking.settle(item, found(asking, "SM1")) for item in items))
    assert list((await sent_as(asking)).values()) == ["SM1"]


async def test_while_another_is_being_sent_nobody_says_whose_it_is(asking: World) -> None:
    [item] = await lose_answers(asking, "u1")
    await asking.create(("sms",))
    await asking.make_link("u2")
    [_] = await asking.claim("sms")
    await asking.settle(item, found(asking, "SM1"))
    assert await sent_as(asking) == {}


@pytest.mark.parametrize(("hides", "taken"), [(False, {"u1": "SM1"}), (True, {})])
async def test_what_may_be_another_that_is_looked_for_is_not_taken(
    asking: World, hides: bool, taken: dict[str, object]
) -> None:
    first, _ = await lose_answers(asking, "u1", "u2")
    await asking.settle(first, found(asking, "SM1", hides=hides))
    assert await sent_as(asking) == taken
