"""A link that somebody may have is replaced by a named person's word, and what follows is told."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain.delivery import Done, LinkMade, Purpose, Refused, RetryLater, Uncertain
from bot.domain.payment import Alert, FactStatus, Payment, PaymentStatus
from bot.handlers import outgoing
from bot.handlers import payment as payment_handler
from bot.handlers.payment import RequestError
from bot.handlers.replacement import replace_link
from bot.handlers.rules import Dispatches
from bot.store import links
from channels.base import Refusal
from tests.contract.reminders import MORNING, Life
from tests.contract.test_books_facts import keys
from tests.contract.world import World

APPROVED, DENIED = FactStatus.APPROVED, FactStatus.DENIED
WARNING = "the customer may be able to pay both"


async def replace(
    world: World,
    payment_id: str,
    *,
    by: str | None = "Olga",
    accepts_risk: bool = True,
    uid: str | None = None,
) -> Payment:
    return await world.run(
        lambda tx: replace_link(
            tx, world.rules, payment_id, by=by, accepts_risk=accepts_risk, uid=uid
        )
    )


async def test_an_exposed_link_goes_out_of_use_and_another_is_made(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    assert await world.links(made.id) == [("u1", True, True)]
    item = await world.claim_one("migo")
    assert item.attempt is not None
    assert item.attempt.attempt_no == 2
    await world.settle(item, Done(LinkMade("u2", "ref u2", "https://pay.example/u2")))
    await world.accept("whatsapp", "out u2")
    assert await world.links(made.id) == [("u1", True, True), ("u2", True, False)]
    standing = await world.read(made.id)
    assert (standing.status, standing.is_multi_link) == (PaymentStatus.LINKED, True)


async def test_who_took_the_risk_is_kept_with_the_old_link(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    assert await world.select(
        "select l.uid, o.who, o.wording from link l join override o on o.id = l.override_id"
    ) == [("u1", "Olga", WARNING)]
    assert await world.select("select who, what from audit") == [("Olga", "link replaced")]
    assert f"link replaced: {WARNING}, decided by Olga" in await world.decisions(made.id)


@pytest.mark.parametrize(("by", "accepts_risk"), [(None, True), ("Olga", False), (None, False)])
async def test_without_a_name_and_the_risk_nothing_changes(
    world: World, by: str | None, accepts_risk: bool
) -> None:
    made = await world.linked("u1")
    with pytest.raises(RequestError, match=WARNING):
        await replace(world, made.id, by=by, accepts_risk=accepts_risk)
    assert await world.links(made.id) == [("u1", True, False)]
    assert await world.claim("migo") == []
    assert await world.select("select who from override") == []


async def test_the_database_refuses_what_nobody_decided(world: World) -> None:
    made = await world.linked("u1")
    [(link_id,)] = await world.select("select id from link")
    with pytest.raises(IntegrityError):
        await world.run(lambda tx: links.supersede(tx, int(str(link_id)), why="wish"))
    assert await world.links(made.id) == [("u1", True, False)]


async def test_the_new_message_names_the_old_reference_as_void(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    await world.make_link("u2")
    first = await world.accept("whatsapp", "out u2")
    assert first.purpose is Purpose.LINK
    assert first.link is not None
    assert (first.link.uid, first.payload["void"]) == ("u2", "ref u1")
    await world.run(lambda tx: payment_handler.resend(tx, world.rules, made.id, by="ana"))
    again = await world.claim_one("whatsapp")
    assert again.link is not None
    assert (again.link.uid, again.payload["void"]) == ("u2", "ref u1")


async def test_what_was_never_shown_is_replaced_without_a_word_of_it(world: World) -> None:
    made = await world.create(("web",))
    await world.make_link("u1")
    await replace(world, made.id)
    await world.make_link("u2")
    assert (await world.read(made.id)).is_multi_link is False
    world.set_rules(dispatches=Dispatches.UNKNOWN)
    await replace(world, made.id)
    assert (await world.read(made.id)).is_multi_link is True


async def test_what_waits_of_the_old_link_is_not_sent(world: World) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    await world.settle(await world.claim_one("whatsapp"), RetryLater("no connection"))
    await world.callback("u1", DENIED)
    await replace(world, made.id)
    assert await world.select(
        "select purpose, status from outbox where link_id is not null and purpose <> 'staff'"
    ) == [("link", "cancelled"), ("denied", "cancelled")]
    await world.make_link("u2")
    world.clock.advance(hours=1)
    item = await world.claim_one("whatsapp")
    assert item.link is not None
    assert (item.purpose, item.link.uid) == (Purpose.LINK, "u2")


async def test_an_old_link_without_a_report_goes_over_no_other_channel(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    world.clock.advance(minutes=11)
    assert await world.run(lambda tx: outgoing.on_overdue(tx, world.rules)) == 0


async def test_a_refusal_of_the_old_link_makes_no_third(world: World) -> None:
    made = await world.create(("whatsapp", "sms"))
    await world.make_link("u1")
    leaving = await world.claim_one("whatsapp")
    await replace(world, made.id)
    await world.settle(leaving, Refused("no WhatsApp user", "63024", Refusal.ADDRESS))
    await world.make_link("u2")
    assert await world.claim("migo") == []
    assert [uid for uid, _, _ in await world.links(made.id)] == ["u1", "u2"]


async def test_both_paid_is_overpaid_with_a_request_to_refund(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    await world.make_link("u2")
    await world.accept("whatsapp", "out u2")
    await world.callback("u2", APPROVED)
    assert await world.alerts() == []
    await world.callback("u1", APPROVED)
    paid = await world.read(made.id)
    assert (paid.status, paid.is_overpaid) == (PaymentStatus.PAID, True)
    assert await world.alerts() == [Alert.OVERPAID]
    [(detail,)] = await world.select("select detail from alert")
    assert "Please refund 150.00 GTQ of transaction u2" in str(detail)
    assert "u1 (reference ref u1) and u2 (reference ref u2)" in str(detail)
    assert await keys(world, "receipt") == ["receipt:u2", "receipt:u1"]


async def test_the_old_link_alone_pays_the_payment(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    await world.callback("u1", APPROVED)
    assert await world.status(made.id) is PaymentStatus.PAID
    assert await world.claim("migo") == []
    assert await keys(world, "receipt") == ["receipt:u1"]


async def test_a_second_wish_replaces_nothing_that_was_not_seen(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id, uid="u1")
    with pytest.raises(RequestError, match="being made right now"):
        await replace(world, made.id, uid="u1")
    await world.make_link("u2")
    with pytest.raises(RequestError, match="took its place"):
        await replace(world, made.id, uid="u1")
    assert [uid for uid, _, gone in await world.links(made.id) if not gone] == ["u2"]


async def test_money_that_waits_for_a_decision_comes_first(world: World) -> None:
    made = await world.linked("u1")
    await replace(world, made.id)
    await world.make_link("u2")
    await world.callback("u1", APPROVED, money=None)
    assert await world.status(made.id) is PaymentStatus.HELD
    with pytest.raises(RequestError, match="decide on it"):
        await replace(world, made.id)
    with pytest.raises(RequestError, match="decide on it"):
        await world.run(lambda tx: payment_handler.resend(tx, world.rules, made.id, by="ana"))


async def test_where_nothing_is_asked_or_there_is_no_link_nothing_is_replaced(
    world: World,
) -> None:
    made = await world.create()
    with pytest.raises(RequestError, match="being made right now"):
        await replace(world, made.id)
    await world.settle(await world.claim_one("migo"), Refused("no", "2004"))
    with pytest.raises(RequestError, match="no link that could be replaced"):
        await replace(world, made.id)
    paid = await world.linked("u1")
    await world.callback("u1", APPROVED)
    with pytest.raises(RequestError, match="paid needs no link"):
        await replace(world, paid.id)


async def test_an_expired_payment_is_asked_for_again(world: World) -> None:
    made = await world.linked("u1")
    world.clock.advance(days=7)
    assert await world.run(payment_handler.expire_payments) == 1
    await replace(world, made.id)
    await world.make_link("u2")
    asked = await world.read(made.id)
    assert asked.status is PaymentStatus.LINKED
    assert asked.expires_at == world.clock.now + world.rules.link_ttl


async def test_a_replacement_of_unknown_end_is_a_persons_decision_again(world: World) -> None:
    world.set_rules(dispatches=Dispatches.UNKNOWN)
    made = await world.linked("u1")
    await replace(world, made.id)
    await world.settle(await world.claim_one("migo"), Uncertain("timed out"))
    assert await world.status(made.id) is PaymentStatus.HELD
    assert await world.alerts() == [Alert.CREATE_UNKNOWN]
    with pytest.raises(RequestError, match="no link that could be replaced"):
        await replace(world, made.id)


async def test_reminders_carry_only_the_newest_link(world: World) -> None:
    life, made = await reminded(world)
    await life.days(1.5)
    await replace(world, made.id)
    await life.work()
    [old, new] = [uid for uid, _, _ in await world.links(made.id)]
    await life.days(15)
    shown = await world.select(
        "select l.uid from outbox o join link l on l.id = o.link_id"
        " where o.purpose = 'reminder' and o.status = 'done' order by o.id"
    )
    assert [uid for (uid,) in shown] == [old, new, new]


async def test_a_reminder_due_before_the_new_link_is_there_is_let_go(world: World) -> None:
    life, made = await reminded(world)
    await life.days(0.5)
    await replace(world, made.id)
    world.clock.advance(hours=13)
    assert await world.claim("sms") == []
    await life.days(15)
    assert [went.payment_id for went in life.went] == [made.id] * 2


async def reminded(world: World) -> tuple[Life, Payment]:
    """A payment with a series of three reminders, the first of them a day from now."""
    world.set_rules(link_ttl=timedelta(days=20), time_zone="America/Guatemala", staff=None)
    world.clock.now = MORNING
    life = Life(world)
    made = await life.create(route=("sms",))
    await life.work()
    return life, made
