"""A person's no holds for the person: however their number is spelt, and whatever comes later."""

from functools import partial

import pytest

from bot.domain.delivery import Purpose, Refused
from bot.handlers import chat
from bot.handlers.planning import plan_message, tell_staff
from bot.handlers.rules import Dispatches
from bot.store import people
from bot.store.claims import OutboxItem
from channels.base import (
    Address,
    ChannelName,
    DeliveryState,
    InboundMessage,
    Refusal,
    SharedContact,
)
from tests.contract.world import START, World

SPELT = [
    ("+525512345678", "+5215512345678"),
    ("+5491123456789", "+541123456789"),
    ("+5511987654321", "+551187654321"),
]
ON_RECORD, WRITES = SPELT[0]
BSUID = "GT.1"
spelt = pytest.mark.parametrize(("on_record", "writes"), SPELT)


@pytest.fixture
def world(world: World) -> World:
    world.set_rules(dispatches=Dispatches.YES)
    return world


async def says(
    world: World,
    text: str,
    sender: str,
    channel: ChannelName = ChannelName.WHATSAPP,
    aliases: tuple[str, ...] = (),
    contact: SharedContact | None = None,
) -> None:
    message = InboundMessage(
        "e",
        Address(channel, sender),
        text,
        aliases=tuple(Address(channel, each) for each in aliases),
        contact=contact,
        user_id=sender if channel is ChannelName.TELEGRAM else None,
    )
    number = len(await world.select("select id from outbox"))
    await world.run(
        lambda tx: chat.on_message(
            tx, world.rules, message, inbox_id=number, received_at=world.clock.now
        )
    )


async def asked(world: World, channel: str = "whatsapp", **details: object) -> list[OutboxItem]:
    """What of a new payment's link may leave over its channel now."""
    number = len(await world.select("select id from payment"))
    await world.create((channel,), **{"phone": ON_RECORD, **details})
    await world.make_link(f"u{number}")
    claimed = await world.claim(channel)
    return [item for item in claimed if item.purpose is Purpose.LINK]


@spelt
async def test_a_stop_from_another_spelling_holds(
    world: World, on_record: str, writes: str
) -> None:
    [link] = await asked(world, phone=on_record)
    assert link.address == on_record
    await says(world, "baja", writes)
    assert await asked(world, phone=on_record) == []
    assert len(await asked(world, "sms", phone=on_record)) == 1
    await says(world, "alta", writes)
    assert len(await asked(world, phone=on_record)) == 1


@spelt
async def test_a_stop_is_taken_back_from_whatever_spelling(
    world: World, on_record: str, writes: str
) -> None:
    await asked(world, phone=on_record)
    await says(world, "saldo", writes)
    await says(world, "baja", on_record)
    await says(world, "alta", writes)
    assert len(await asked(world, phone=on_record)) == 1
    found = await world.select("select distinct reach from address where channel = 'whatsapp'")
    assert found == [("ok",)]


@spelt
async def test_a_stop_of_somebody_unknown_holds_once_they_are_a_customer(
    world: World, on_record: str, writes: str
) -> None:
    await says(world, "baja", writes)
    assert await asked(world, phone=on_record) == []
    assert len(await asked(world, "sms", phone=on_record)) == 1


@spelt
async def test_the_reply_window_is_the_persons(world: World, on_record: str, writes: str) -> None:
    await asked(world, phone=on_record)
    await says(world, "saldo", writes)
    [link] = await asked(world, phone=on_record)
    assert (link.address, link.last_inbound_at) == (on_record, START)


@spelt
async def test_a_window_opened_before_they_were_a_customer_counts(
    world: World, on_record: str, writes: str
) -> None:
    await says(world, "hola", writes)
    [link] = await asked(world, phone=on_record)
    assert link.last_inbound_at == START


async def test_a_stop_from_an_id_without_number_holds(world: World) -> None:
    await asked(world)
    await says(world, "saldo", ON_RECORD, aliases=(BSUID,))
    await says(world, "baja", BSUID)
    assert await asked(world) == []


async def test_a_stop_from_an_unknown_id_holds_once_it_is_known_whose_it_is(world: World) -> None:
    await asked(world)
    await says(world, "baja de todo", BSUID)
    assert len(await asked(world)) == 1
    await says(world, "saldo", ON_RECORD, aliases=(BSUID,))
    assert await asked(world) == []
    assert await asked(world, "sms") == []


async def test_a_stop_of_everything_before_the_contact_is_shared_holds(world: World) -> None:
    await says(world, "baja de todo", "71", ChannelName.TELEGRAM)
    card = SharedContact(ON_RECORD, is_own=True)
    await says(world, "", "71", ChannelName.TELEGRAM, contact=card)
    assert await asked(world) == []


async def test_only_reminders_stop_where_that_is_chosen_from_another_spelling(
    world: World,
) -> None:
    await asked(world)
    await says(world, "baja", ON_RECORD)
    await says(world, "no más recordatorios", WRITES)
    assert len(await asked(world)) == 1
    assert await world.select("select wants_reminders from customer") == [(False,)]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_stop_of_everything_holds_on_every_channel(world: World, is_known: bool) -> None:
    if is_known:
        await asked(world)
    await says(world, "baja de todo", WRITES)
    assert await asked(world) == []
    assert await asked(world, "sms") == []
    assert await asked(world, "email", email="new@example.com") == []
    assert await asked(world, "telegram", telegram_chat_id="71") == []
    await says(world, "alta", ON_RECORD, ChannelName.SMS)
    assert len(await asked(world)) == 1
    assert len(await asked(world, "telegram", telegram_chat_id="72")) == 1


async def test_news_of_money_comes_to_those_who_stopped_everything(world: World) -> None:
    made = await world.create(("email",), phone=ON_RECORD, email="a@example.com")
    await says(world, "baja de todo", ON_RECORD)
    for purpose in (Purpose.RECEIPT, Purpose.REFUNDED):
        await world.run(
            partial(
                plan_message,
                rules=world.rules,
                payment=made,
                purpose=purpose,
                key=purpose.value,
                link=None,
                route=("email",),
            )
        )
    assert [item.purpose for item in await world.claim("email")] == [
        Purpose.RECEIPT,
        Purpose.REFUNDED,
    ]


async def test_reminders_stopped_by_somebody_unknown_stay_stopped(world: World) -> None:
    await says(world, "no más recordatorios", WRITES)
    found = await world.run(lambda tx: people.find_customer(tx, phone=ON_RECORD))
    assert found is not None
    wishes = await world.run(lambda tx: people.wishes(tx, found.id))
    assert not wishes.wants_reminders


async def test_what_a_report_says_of_a_stop_is_kept_once(world: World) -> None:
    made = await world.create(("sms",))
    await world.make_link("u1")
    await world.accept("sms", "SM1")
    for _ in range(2):
        await world.provider_says(
            "SM1", DeliveryState.FAILED, refusal=Refusal.OPTED_OUT, code="21610"
        )
    assert await world.select("select customer_id, who, wording from consent") == [
        (made.customer_id, "provider", "21610")
    ]


async def test_staff_who_block_us_are_no_address_of_the_customer(world: World) -> None:
    made = await world.create(("web",))
    await world.run(lambda tx: tell_staff(tx, world.rules, made, "held", key="1"))
    item = await world.claim_one("telegram")
    blocked = Refused("blocked", "403", Refusal.OPTED_OUT)
    await world.settle(item, blocked)
    assert await world.select("select customer_id, reach from address") == [(None, "blocked")]
