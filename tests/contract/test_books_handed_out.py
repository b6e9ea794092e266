"""A link that somebody was told beside a message is never replaced by itself."""

from collections.abc import Callable

import pytest

from bot.domain.delivery import Done, Refused, Sent
from bot.handlers import cards
from bot.handlers.payment import must_read
from bot.store import handing, links
from bot.store.engine import Tx
from bot.web.views import payment_view
from channels.base import Address, ChannelName, Refusal
from tests.contract.world import World

REFUSED = Refused("nobody there", "63003", Refusal.ADDRESS)


async def url_read(world: World, payment_id: str) -> str | None:
    """What `/v1` tells of the payment's newest link."""
    [view] = await world.run(lambda tx: payment_view(tx, [payment_id]))
    return view["links"][-1]["url"]


async def refuse(world: World, lane: str) -> None:
    await world.settle(await world.claim_one(lane), REFUSED)


async def test_a_link_handed_over_on_the_web_goes_on_unchanged(world: World) -> None:
    made = await world.create(("web", "whatsapp", "sms"))
    await world.make_link("u1")
    assert await url_read(world, made.id) == "https://pay.example/u1"
    await refuse(world, "whatsapp")
    item = await world.claim_one("sms")
    assert item.link is not None
    assert item.link.uid == "u1"
    assert await world.links(made.id) == [("u1", True, False)]


async def test_a_link_of_the_web_stays_even_where_nobody_read_it(world: World) -> None:
    made = await world.create(("app", "whatsapp", "sms"))
    await world.make_link("u1")
    await refuse(world, "whatsapp")
    assert await world.links(made.id) == [("u1", True, False)]
    assert (await world.claim_one("sms")).key == "link:1"


async def test_a_link_that_may_yet_be_replaced_is_told_to_nobody(world: World) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    assert await url_read(world, made.id) is None
    await refuse(world, "whatsapp")
    assert await url_read(world, made.id) is None
    await world.make_link("u2")
    assert await url_read(world, made.id) == "https://pay.example/u2", "no channel is left"
    await world.accept("sms", "out")
    assert await world.links(made.id) == [("u1", True, True), ("u2", True, False)]


async def test_what_a_channel_took_is_told(world: World) -> None:
    made = await world.linked("u1", ("whatsapp", "sms"))
    assert await url_read(world, made.id) == "https://pay.example/u1"


async def test_what_was_given_up_is_told_and_then_stays(world: World) -> None:
    made = await world.create(("whatsapp",))
    await world.make_link("u1")
    await refuse(world, "whatsapp")
    assert await url_read(world, made.id) == "https://pay.example/u1"
    assert await world.links(made.id) == [("u1", True, False)]


def _draw_for_staff(world: World, payment_id: str) -> Callable[[Tx], object]:
    def work(tx: Tx) -> None:
        payment = must_read(tx, payment_id)
        cards.want_qr(
            tx, payment, Address(ChannelName.TELEGRAM, "9000"), locale="es", can_edit=True
        )

    return work


def _draw_over_http(world: World, payment_id: str) -> Callable[[Tx], object]:
    return lambda tx: handing.url_of(tx, links.current_link(tx, payment_id))


@pytest.mark.parametrize("draw", [_draw_for_staff, _draw_over_http])
async def test_a_link_drawn_as_a_code_goes_on_unchanged(
    world: World, draw: Callable[[World, str], Callable[[Tx], object]]
) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    await world.run(draw(world, made.id))
    for item in await world.claim("telegram"):
        await world.settle(item, Done(Sent("shown", world.clock.now)))
    await refuse(world, "whatsapp")
    assert await world.links(made.id) == [("u1", True, False)]
    assert (await world.claim_one("sms")).key == "link:1"


async def test_a_read_writes_once(world: World) -> None:
    made = await world.linked("u1")
    await url_read(world, made.id)
    first = await world.select("select handed_out_at from link")
    world.clock.advance(seconds=60)
    await url_read(world, made.id)
    assert await world.select("select handed_out_at from link") == first
    assert first != [(None,)]


async def test_a_link_out_of_use_may_not_be_told(world: World) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    [before] = await world.run(lambda tx: links.links_of(tx, made.id))
    await refuse(world, "whatsapp")
    assert await world.run(lambda tx: handing.url_of(tx, before)) == "", "read before it went"
