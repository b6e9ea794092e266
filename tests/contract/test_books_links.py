"""A link is made once: what follows from each end of asking Migo for one."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from bot.domain.delivery import (
    Done,
    LinkMade,
    Outcome,
    Refused,
    RetryLater,
    Uncertain,
)
from bot.domain.payment import Alert, FactStatus, PaymentStatus
from bot.handlers import outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.payment import ConflictError, RequestError
from bot.handlers.rules import Dispatches
from bot.holding import LEASE
from bot.store import attempts, outbox
from bot.store.payments import TakenError
from tests.contract.world import World


async def states_of_attempts(world: World, payment_id: str) -> list[str]:
    found = await world.run(lambda tx: attempts.attempts_of(tx, payment_id))
    return [each.state for each in found]


async def end_create(world: World, outcome: Outcome) -> None:
    await world.settle(await world.claim_one("migo"), outcome)


async def test_a_made_link_is_owed_to_the_customer(world: World) -> None:
    made = await world.create()
    assert await states_of_attempts(world, made.id) == ["planned"]
    item = await world.claim_one("migo")
    assert await states_of_attempts(world, made.id) == ["sending"]
    await world.settle(item, Done(LinkMade("u1", None, "https://pay.example/u1")))
    assert await states_of_attempts(world, made.id) == ["created"]
    assert await world.status(made.id) is PaymentStatus.LINKED
    assert await world.links(made.id) == [("u1", False, False)]
    assert [row.status for row in await world.outbox(made.id, "link")] == ["pending"]


async def test_the_latch_is_set_before_the_message_leaves(world: World) -> None:
    made = await world.create()
    await world.make_link("u1")
    item = await world.claim_one("whatsapp")
    assert item.link is not None
    assert await world.links(made.id) == [("u1", True, False)]


async def test_surely_not_made_is_tried_again_in_the_same_attempt(world: World) -> None:
    made = await world.create()
    waits = []
    for _ in range(5):
        await end_create(world, RetryLater("no connection"))
        due = await world.run(lambda tx: outbox.next_due(tx, "migo"))
        assert due is not None
        waits.append((due - world.clock.now).total_seconds())
        world.clock.now = due
    assert waits == [1, 5, 30, 300, 300]
    assert await states_of_attempts(world, made.id) == ["planned"]
    await world.make_link("u1")
    assert await states_of_attempts(world, made.id) == ["created"]


async def test_the_delay_that_migo_names_is_kept(world: World) -> None:
    await world.create()
    await end_create(world, RetryLater("busy", "429", after_s=120))
    due = await world.run(lambda tx: outbox.next_due(tx, "migo"))
    assert due == world.clock.now + timedelta(seconds=120)


async def test_after_a_day_without_migo_a_person_is_told(world: World) -> None:
    made = await world.create(expires_at=world.clock.now + timedelta(days=9))
    await end_create(world, RetryLater("no connection"))
    world.clock.advance(hours=24)
    await end_create(world, RetryLater("no connection"))
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_REFUSED]
    assert await states_of_attempts(world, made.id) == ["refused"]


async def test_a_refusal_is_told_and_not_repeated(world: World) -> None:
    made = await world.create()
    await end_create(world, Refused("the phone is not accepted", "2004"))
    held = await world.read(made.id)
    assert (held.status, held.held_reason) == (PaymentStatus.HELD, "2004")
    assert await world.alerts() == [Alert.CREATE_REFUSED]
    assert len(await world.outbox(made.id, "staff")) == 1
    world.clock.advance(days=1)
    assert await world.claim("migo") == []


@pytest.mark.parametrize("dispatches", [Dispatches.YES, Dispatches.UNKNOWN])
async def test_an_unknown_end_is_a_persons_decision_where_migo_may_write_to_the_customer(
    world: World, dispatches: Dispatches
) -> None:
    world.set_rules(dispatches=dispatches)
    made = await world.create()
    await end_create(world, Uncertain("timed out"))
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]
    world.clock.advance(days=1)
    assert await world.claim("migo") == []
    with pytest.raises(RequestError, match="accept_risk"):
        await resend(world, made.id)
    await resend(world, made.id, accepts_risk=True)
    assert await world.select("select who, wording from override") == [
        ("ana", "the customer may be able to pay both")
    ]
    assert await world.status(made.id) is PaymentStatus.REQUESTED
    assert (await world.read(made.id)).is_multi_link
    await world.make_link("u2")
    assert await states_of_attempts(world, made.id) == ["unknown", "created"]


async def resend(world: World, payment_id: str, *, accepts_risk: bool = False) -> None:
    await world.run(
        lambda tx: payment_handler.resend(
            tx, world.rules, payment_id, by="ana", accepts_risk=accepts_risk
        )
    )


async def test_an_unknown_end_is_tried_three_times_where_an_orphan_has_no_reader(
    world: World,
) -> None:
    made = await world.create()
    for wait_s in (5, 30):
        await end_create(world, Uncertain("timed out"))
        assert await world.claim("migo") == []
        world.clock.advance(seconds=wait_s - 0.001)
        assert await world.claim("migo") == []
        world.clock.advance(seconds=0.001)
    assert await world.alerts() == []
    await end_create(world, Uncertain("timed out"))
    assert await states_of_attempts(world, made.id) == ["unknown"] * 3
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]
    world.clock.advance(days=1)
    assert await world.claim("migo") == []


async def test_a_link_made_but_not_readable_is_told_although_another_is_asked_for(
    world: World,
) -> None:
    made = await world.create()
    await end_create(world, Uncertain("no readable link", code="migo.answer_unreadable"))
    assert await world.status(made.id) is PaymentStatus.REQUESTED
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]
    world.clock.advance(seconds=5)
    await world.make_link("u2")


async def test_a_payment_that_is_given_the_link_of_another_waits_for_a_person(world: World) -> None:
    first, second = await world.create(), await world.create()
    for item in await world.claim("migo"):
        await world.settle(item, Done(LinkMade("u1", "ref", "https://pay.example/u1")))
    assert await world.status(first.id) is PaymentStatus.LINKED
    assert await world.status(second.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]


async def test_an_answer_with_an_unusable_link_is_never_tried_again_by_itself(world: World) -> None:
    made = await world.create()
    await end_create(world, Uncertain("link to a host not on the list", uid="u1"))
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]
    assert await world.select("select uid_hint from link_attempt") == [("u1",)]


async def test_a_create_whose_worker_died_is_unknown(world: World) -> None:
    made = await world.create()
    await world.claim_one("migo")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert await give_back(world) == 1
    assert await states_of_attempts(world, made.id) == ["unknown", "planned"]
    assert await give_back(world) == 0


async def give_back(world: World) -> int:
    return await world.run(lambda tx: outgoing.give_back_lapsed(tx, world.rules))


async def test_a_late_answer_changes_nothing(world: World) -> None:
    made = await world.create()
    late = await world.claim_one("migo")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    await give_back(world)
    await world.settle(late, Done(LinkMade("u1", None, "https://pay.example/u1")))
    assert await world.links(made.id) == []
    assert await states_of_attempts(world, made.id) == ["unknown", "planned"]


async def test_a_uid_given_twice_is_held_for_a_person(world: World) -> None:
    await world.create()
    await world.make_link("u1")
    other = await world.create()
    await world.make_link("u1")
    assert await world.links(other.id) == []
    assert await states_of_attempts(world, other.id) == ["unknown"]
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]


async def test_a_link_that_nobody_wants_any_more_is_not_asked_for(world: World) -> None:
    made = await world.create()
    await cancel(world, made.id)
    assert await world.claim("migo") == []
    assert await states_of_attempts(world, made.id) == ["dropped"]


async def cancel(world: World, payment_id: str) -> None:
    await world.run(lambda tx: payment_handler.cancel_payment(tx, payment_id, by="ana"))


async def test_a_link_made_after_the_cancel_is_kept_but_not_sent(world: World) -> None:
    made = await world.create()
    item = await world.claim_one("migo")
    await cancel(world, made.id)
    await world.settle(item, Done(LinkMade("u1", None, "https://pay.example/u1")))
    assert await world.links(made.id) == [("u1", False, False)]
    assert await world.outbox(made.id, "link") == []
    assert await world.status(made.id) is PaymentStatus.CANCELLED


@pytest.mark.parametrize(
    ("outcome", "alerts"),
    [
        (Refused("no"), []),
        (RetryLater("no connection"), []),
        (Uncertain("timed out"), [Alert.CREATE_UNKNOWN]),
    ],
)
async def test_a_cancelled_payment_stays_cancelled_however_the_create_ends(
    world: World, outcome: Outcome, alerts: list[Alert]
) -> None:
    made = await world.create()
    item = await world.claim_one("migo")
    await cancel(world, made.id)
    await world.settle(item, outcome)
    assert await world.status(made.id) is PaymentStatus.CANCELLED
    assert await world.alerts() == alerts
    world.clock.advance(days=1)
    assert await world.claim("migo") == []
    assert "sending" not in await states_of_attempts(world, made.id)
    assert "planned" not in await states_of_attempts(world, made.id)


async def test_one_batch_with_a_payment_that_moved_settles_the_others_too(world: World) -> None:
    first, second = await world.create(), await world.create(external_id="2")
    items = await world.claim("migo")
    await cancel(world, first.id)
    refused = [(item, Refused("no")) for item in items]
    await world.run(lambda tx: outgoing.settle(tx, world.rules, refused))
    assert await world.status(first.id) is PaymentStatus.CANCELLED
    assert await world.status(second.id) is PaymentStatus.HELD


async def test_paid_while_a_replacing_link_is_refused(world: World) -> None:
    made = await world.create()
    item = await world.claim_one("migo")
    await world.settle(item, Uncertain("timed out"))
    world.clock.advance(seconds=5)
    second = await world.claim_one("migo")
    await world.callback("u9", FactStatus.APPROVED, external_id=f"{made.id}.1")
    await world.settle(second, Refused("no"))
    assert await world.status(made.id) is PaymentStatus.PAID
    assert Alert.CREATE_REFUSED not in await world.alerts()


async def test_an_expired_payment_without_a_link_can_be_asked_for_again(world: World) -> None:
    made = await world.create(send_at=world.clock.now + timedelta(days=30))
    world.clock.advance(days=38)
    assert await world.run(payment_handler.expire_payments) == 1
    assert await states_of_attempts(world, made.id) == ["dropped"]
    await resend(world, made.id)
    assert await world.status(made.id) is PaymentStatus.REQUESTED
    assert await world.run(payment_handler.expire_payments) == 0
    await world.make_link("u1")
    assert await world.status(made.id) is PaymentStatus.LINKED


async def test_a_link_being_made_is_not_asked_for_twice(world: World) -> None:
    made = await world.create()
    with pytest.raises(RequestError, match="right now"):
        await resend(world, made.id)
    await world.claim_one("migo")
    with pytest.raises(RequestError, match="right now"):
        await resend(world, made.id)


async def test_the_same_request_makes_one_payment(world: World) -> None:
    made = await world.create(idempotency_key="k", external_id="INV-1")
    again = await world.create(idempotency_key="k", external_id="INV-1")
    assert again == made
    assert await world.create(external_id="INV-1") == made
    assert await world.select("select count(*) from payment") == [(1,)]
    with pytest.raises(ConflictError, match=made.id):
        await world.create(idempotency_key="k", request_hash="other")


async def test_the_same_request_many_times_at_once_makes_one_payment(world: World) -> None:
    async def create() -> str:
        while True:
            with contextlib.suppress(TakenError):
                return (await world.create(idempotency_key="k", external_id="INV-1")).id

    made = await asyncio.wait_for(asyncio.gather(*(create() for _ in range(12))), 30)
    assert len(set(made)) == 1
    assert await world.select("select count(*) from outbox") == [(1,)]


async def test_another_currency_is_refused_before_anything_is_written(world: World) -> None:
    world.set_rules(currencies=frozenset({"USD"}))
    with pytest.raises(RequestError, match="enabled: USD"):
        await world.create()
    assert await world.select("select count(*) from customer") == [(0,)]


async def test_a_link_for_later_is_asked_for_later(world: World) -> None:
    await world.create(send_at=world.clock.now + timedelta(hours=3))
    assert await world.claim("migo") == []
    world.clock.advance(hours=3)
    await world.make_link("u1")
