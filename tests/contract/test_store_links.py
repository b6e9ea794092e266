"""What the database itself refuses, and the latch on links."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain.money import Money
from bot.domain.payment import FactStatus, LinkStatus
from bot.store import attempts, inbox, ledger, links, reported
from bot.store.attempts import Attempt
from bot.store.engine import Tx
from bot.store.reported import NewFact
from tests.contract.world import ASKED, START, World


async def planned(world: World, payment_id: str) -> Attempt:
    return await world.run(
        lambda tx: attempts.plan_attempt(tx, payment_id, channel="sms", migo_channel="sms")
    )


async def made(world: World, payment_id: str, uid: str) -> int:
    """A link of its own attempt."""
    attempt = await planned(world, payment_id)
    link = await world.run(
        lambda tx: links.insert_link(tx, attempt, uid=uid, reference=None, url="https://x/1")
    )
    return link.id


async def expose(world: World, *link_ids: int) -> set[int]:
    return await world.run(lambda tx: links.expose(tx, link_ids))


async def test_attempts_are_numbered(world: World) -> None:
    payment = await world.create()
    for _ in range(2):
        await planned(world, payment.id)
    found = await world.run(lambda tx: attempts.attempts_of(tx, payment.id))
    assert [(each.attempt_no, each.state) for each in found] == [
        (1, "planned"),
        (2, "planned"),
        (3, "planned"),
    ]


async def test_a_second_attempt_in_flight_is_refused(world: World) -> None:
    payment, other = await world.create(), await world.create()
    first, second = await planned(world, payment.id), await planned(world, payment.id)
    elsewhere = await planned(world, other.id)
    await world.run(lambda tx: attempts.start_attempts(tx, [first.id, elsewhere.id]))
    with pytest.raises(IntegrityError):
        await world.run(lambda tx: attempts.start_attempts(tx, [second.id]))
    await world.run(lambda tx: attempts.end_attempt(tx, first.id, "unknown"))
    await world.run(lambda tx: attempts.start_attempts(tx, [second.id]))


async def test_a_second_exposed_link_is_refused_by_the_database(world: World) -> None:
    payment = await world.create()
    await made(world, payment.id, "u1")
    await made(world, payment.id, "u2")
    expose_all = "update link set exposed_at = 1 where uid = :uid returning id"
    await world.select(expose_all, uid="u1")
    with pytest.raises(IntegrityError):
        await world.select(expose_all, uid="u2")


async def test_a_second_exposed_link_may_not_be_shown(world: World) -> None:
    payment = await world.create()
    first, second = await made(world, payment.id, "u1"), await made(world, payment.id, "u2")
    assert await expose(world, first) == {first}
    assert await expose(world, second) == set()
    assert await expose(world, first) == {first}
    assert await world.links(payment.id) == [("u1", True, False), ("u2", False, False)]


async def test_one_bad_link_of_a_batch_spoils_no_other(world: World) -> None:
    payment, other = await world.create(), await world.create()
    first, second = await made(world, payment.id, "u1"), await made(world, payment.id, "u2")
    third = await made(world, other.id, "u3")
    shown = await expose(world, first, second, third)
    assert third in shown
    assert len(shown & {first, second}) == 1
    assert len(shown) == 2


async def test_the_latch_keeps_its_first_time(world: World) -> None:
    payment = await world.create()
    link = await made(world, payment.id, "u1")
    await expose(world, link)
    world.clock.advance(hours=1)
    await expose(world, link)
    found = await world.run(lambda tx: links.find_link(tx, "u1"))
    assert found is not None
    assert found.exposed_at == START


async def test_a_superseded_link_is_shown_to_nobody(world: World) -> None:
    payment = await world.create()
    link = await made(world, payment.id, "u1")
    assert await world.run(lambda tx: links.supersede(tx, link, why="never sent"))
    assert not await world.run(lambda tx: links.supersede(tx, link, why="again"))
    assert await expose(world, link) == set()
    assert await world.run(lambda tx: links.current_link(tx, payment.id)) is None


async def test_an_exposed_link_is_superseded_only_with_proof_or_by_a_person(world: World) -> None:
    payment = await world.create()
    first = await made(world, payment.id, "u1")
    await expose(world, first)
    with pytest.raises(IntegrityError, match="supersede_proof"):
        await world.run(lambda tx: links.supersede(tx, first, why="no reason"))
    proof = [{"channel": "sms", "outcome": "refused", "code": None}]
    assert await world.run(lambda tx: links.supersede(tx, first, why="x", unsent_proof=proof))
    second = await made(world, payment.id, "u2")
    assert await expose(world, second) == {second}

    def by_person(tx: Tx) -> bool:
        override = ledger.record_override(tx, payment.id, who="ana", what="x", wording="both")
        return links.supersede(tx, second, why="wrong person", override_id=override)

    assert await world.run(by_person)
    assert await world.links(payment.id) == [("u1", True, True), ("u2", True, True)]


async def test_an_empty_proof_is_kept_as_a_list_and_none_as_nothing(world: World) -> None:
    payment = await world.create()
    first, second = await made(world, payment.id, "u1"), await made(world, payment.id, "u2")
    await world.run(lambda tx: links.supersede(tx, first, why="x", unsent_proof=[]))
    await world.run(lambda tx: links.supersede(tx, second, why="x"))
    without_proof = "select uid from link where unsent_proof is null"
    assert await world.select(without_proof) == [("u2",)]


async def test_a_uid_belongs_to_one_link(world: World) -> None:
    payment, other = await world.create(), await world.create()
    await made(world, payment.id, "u1")
    with pytest.raises(IntegrityError):
        await made(world, other.id, "u1")


async def test_the_newest_live_link_is_current(world: World) -> None:
    payment = await world.create()
    first = await made(world, payment.id, "u1")
    second = await made(world, payment.id, "u2")
    current = await world.run(lambda tx: links.current_link(tx, payment.id))
    assert current is not None
    assert current.id == second
    await world.run(lambda tx: links.supersede(tx, second, why="x"))
    current = await world.run(lambda tx: links.current_link(tx, payment.id))
    assert current is not None
    assert current.id == first
    assert current.status is LinkStatus.OPEN


def new_fact(tx: Tx, uid: str, name: str, payment_id: str | None, money: Money | None) -> NewFact:
    inbox.record(tx, [inbox.Received(inbox.Source.MIGO, None, "/", {}, name.encode())])
    [item, *_] = inbox.claim(tx, limit=1, lease=timedelta(hours=1), token="t")
    return NewFact(
        uid, FactStatus.APPROVED, "x" * 500, money, name, None, None, item.id, payment_id, tx.now
    )


async def test_the_same_bytes_about_a_uid_are_one_fact(world: World) -> None:
    payment = await world.create()

    def adding(tx: Tx) -> list[bool]:
        return [
            reported.add_fact(tx, new_fact(tx, uid, name, payment.id, ASKED))
            for uid, name in (("u1", "a"), ("u1", "a"), ("u1", "b"), ("u2", "a"))
        ]

    assert await world.run(adding) == [True, False, True, True]
    facts = await world.run(lambda tx: reported.facts_of(tx, "u1"))
    assert [(each.body_hash, each.money) for each in facts] == [("a", ASKED), ("b", ASKED)]
    assert len(await world.run(lambda tx: reported.facts_of(tx, "u2"))) == 1


async def test_a_fact_may_have_no_amount(world: World) -> None:
    await world.run(lambda tx: reported.add_fact(tx, new_fact(tx, "u1", "a", None, None)))
    [fact] = await world.run(lambda tx: reported.facts_of(tx, "u1"))
    assert (fact.money, fact.is_accepted, fact.received_at) == (None, False, START)


async def test_parked_facts_wait_until_they_are_adopted(world: World) -> None:
    payment = await world.create()
    await world.run(lambda tx: reported.add_fact(tx, new_fact(tx, "u1", "a", None, ASKED)))
    world.clock.advance(seconds=30)
    half, whole = timedelta(seconds=31), timedelta(seconds=30)
    assert await world.run(lambda tx: reported.parked_facts(tx, older_than=half, limit=9)) == []
    [parked] = await world.run(lambda tx: reported.parked_facts(tx, older_than=whole, limit=9))
    assert (parked.uid, parked.money) == ("u1", ASKED)
    assert await world.run(lambda tx: reported.adopt_facts(tx, "u1", payment.id)) == 1
    assert await world.run(lambda tx: reported.adopt_facts(tx, "u1", payment.id)) == 0
    assert await world.run(lambda tx: reported.parked_facts(tx, older_than=whole, limit=9)) == []
