"""Staff in both databases: invitations used once, removal at once, names that stay apart."""

from datetime import timedelta

import pytest

from bot.domain.money import Money
from bot.domain.payment import PaymentStatus
from bot.domain.staff import Role
from bot.handlers.payment import PaymentRequest, create_payment
from bot.handlers.settlement import settle_by_hand
from bot.store import conversations, sales
from bot.store import staff as staff_store
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import Address, ChannelName
from tests.contract.world import World

CHAT = Address(ChannelName.TELEGRAM, "9000")
PHONE = Address(ChannelName.WHATSAPP, "+50255550001")


def admitted(tx: Tx, at: Address = CHAT, role: Role = Role.AGENT, user_id: str = "77") -> Staff:
    token = f"token-{at.value}-{user_id}-{role}-{tx.now}"
    staff_store.invite_staff(tx, token, role=role, name=None, by="test")
    used = staff_store.use_invite(tx, token)
    assert used is not None
    return staff_store.admit(tx, used, at, user_id=user_id, name="Marta", locale=None)


def payment_of(tx: Tx, world: World, by: str, *, minor: int = 15000, key: str) -> str:
    request = PaymentRequest(
        phone="+50255551234",
        money=Money(minor, "GTQ"),
        route=("whatsapp",),
        created_by=by,
        request_hash=key,
        external_id=key,
    )
    return create_payment(tx, world.rules, request).payment.id


async def test_an_invitation_works_once(world: World) -> None:
    def work(tx: Tx) -> list[bool]:
        staff_store.invite_staff(tx, "secret", role=Role.AGENT, name=None, by="test")
        return [
            staff_store.use_invite(tx, token) is not None for token in ("x", "secret", "secret")
        ]

    assert await world.store.transact(work) == [False, True, False]
    kept = await world.store.transact(lambda tx: staff_store.token_hash("secret"))
    assert "secret" not in kept


async def test_an_invitation_ends_after_a_day(world: World) -> None:
    await world.store.transact(
        lambda tx: staff_store.invite_staff(tx, "secret", role=Role.AGENT, name=None, by="test")
    )
    world.clock.advance(hours=24)
    assert await world.store.transact(lambda tx: staff_store.use_invite(tx, "secret")) is None


async def test_telegram_staff_are_known_by_their_numeric_id_alone(world: World) -> None:
    member = await world.store.transact(admitted)
    other_chat = Address(ChannelName.TELEGRAM, "1")

    def find(tx: Tx) -> list[Staff | None]:
        return [
            staff_store.find_active(tx, CHAT, "77"),
            staff_store.find_active(tx, other_chat, "77"),
            staff_store.find_active(tx, CHAT, "78"),
            staff_store.find_active(tx, CHAT, None),
        ]

    assert await world.store.transact(find) == [member, member, None, None]


async def test_a_number_is_believed_on_whatsapp_and_not_by_sms(world: World) -> None:
    member = await world.store.transact(lambda tx: admitted(tx, PHONE))
    sms = Address(ChannelName.SMS, PHONE.value)

    def find(tx: Tx) -> list[Staff | None]:
        return [staff_store.find_active(tx, at, None) for at in (PHONE, sms)]

    assert await world.store.transact(find) == [member, None]


async def test_a_prepared_name_is_nobody_until_the_invitation_is_used(world: World) -> None:
    def work(tx: Tx) -> tuple[list[Staff], Staff]:
        staff_store.invite_staff(tx, "secret", role=Role.MANAGER, name="Olga", by="test")
        before = staff_store.active(tx)
        used = staff_store.use_invite(tx, "secret")
        assert used is not None
        return before, staff_store.admit(tx, used, CHAT, user_id="5", name="x", locale=None)

    before, olga = await world.store.transact(work)
    assert before == []
    assert (olga.name, olga.role) == ("Olga", Role.MANAGER)


async def test_removal_closes_buttons_and_dialogue_at_once(world: World) -> None:
    def work(tx: Tx) -> tuple[object, object, str]:
        member = admitted(tx)
        token = conversations.offer(tx, CHAT, "77", "charge", {"draft": "d"})
        staff_store.remove(tx, member.id, by="boss")
        taken = conversations.take(tx, token, CHAT, "77")
        found = staff_store.find_active(tx, CHAT, "77")
        return taken, found, conversations.read(tx, CHAT).state

    assert await world.store.transact(work) == (None, None, "idle")


async def test_somebody_removed_comes_back_as_the_same_without_their_pin(world: World) -> None:
    first = await world.store.transact(lambda tx: admitted(tx, PHONE))
    await world.store.transact(lambda tx: staff_store.set_pin(tx, first.id, "scrypt$1$2"))
    await world.store.transact(lambda tx: staff_store.remove(tx, first.id, by="boss"))
    world.clock.advance(hours=1)
    again = await world.store.transact(lambda tx: admitted(tx, PHONE, Role.VIEWER))
    assert (again.id, again.role, again.pin_hash) == (first.id, Role.VIEWER, None)


@pytest.mark.parametrize("name", ["find", "sum", "list"])
async def test_one_member_is_not_taken_for_another_with_a_longer_number(
    world: World, name: str
) -> None:
    def work(tx: Tx) -> object:
        payment_of(tx, world, "staff:1 Ana", key="a")
        payment_of(tx, world, "staff:11 Eva", minor=700, key="b")
        if name == "sum":
            since = tx.now - timedelta(hours=24)
            return sales.asked_since(tx, actor_prefix="staff:1 ", currency="GTQ", since=since)
        if name == "list":
            return [each.external_id for each in sales.newest(tx, actor_prefix="staff:1 ")]
        return [each.external_id for each in sales.find(tx, "b")]

    expected: dict[str, object] = {"find": ["b"], "sum": 15000, "list": ["a"]}
    assert await world.store.transact(work) == expected[name]


async def test_the_same_sum_is_found_within_its_time_and_in_any_spelling(world: World) -> None:
    made = await world.store.transact(lambda tx: payment_of(tx, world, "staff:1 Ana", key="a"))

    def look(tx: Tx) -> str | None:
        since = tx.now - timedelta(minutes=10)
        money = Money(15000, "GTQ")
        found = sales.same_since(tx, phone="+50255551234", money=money, since=since)
        return None if found is None else found.id

    assert await world.store.transact(look) == made
    world.clock.advance(minutes=10)
    assert await world.store.transact(look) is None


async def test_everything_a_person_did_is_kept(world: World) -> None:
    def work(tx: Tx) -> list[tuple[str, object, object]]:
        staff_store.audit(tx, "staff:1 Ana", "charged", None, None, {"minor": 1})
        staff_store.audit(tx, "staff:1 Ana", "role", None, {"role": "agent"}, {"role": "admin"})
        return [(each.what, each.before, each.after) for each in staff_store.audits(tx)]

    assert await world.store.transact(work) == [
        ("role", {"role": "agent"}, {"role": "admin"}),
        ("charged", None, {"minor": 1}),
    ]


async def test_money_by_other_means_is_one_more_part_of_the_fold(world: World) -> None:
    made = await world.store.transact(lambda tx: payment_of(tx, world, "staff:1 Ana", key="a"))
    settled = await world.store.transact(lambda tx: settle_by_hand(tx, made, by="staff:2 Olga"))
    assert settled.status is PaymentStatus.PAID
    assert await world.store.transact(lambda tx: sales.is_settled(tx, made))
