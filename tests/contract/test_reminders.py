"""Reminders over the books of either engine: planned with the link, decided on at their time."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.domain.calendars import Reminding, hours_of, read_packs
from bot.domain.delivery import MANNERS, Purpose, Refused, RetryLater, Uncertain
from bot.domain.payment import FactStatus
from bot.handlers import payment as payment_handler
from bot.handlers import preview, series
from bot.store import people
from bot.store import reminding as reminding_store
from bot.store.reminding import Slot
from channels.base import Address, ChannelName, Refusal
from tests.contract.reminders import MORNING, Life
from tests.contract.world import World

PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))
REMINDING = Reminding(packs=PACKS, hours=hours_of("mon-sat 09:00-18:00"))


@pytest.fixture
async def life(world: World) -> Life:
    world.set_rules(reminding=REMINDING, time_zone="America/Guatemala", staff=None)
    world.clock.now = MORNING
    return Life(world)


async def reminders(life: Life, payment_id: str) -> list[tuple[str, str]]:
    rows = await life.world.outbox(payment_id, "reminder")
    return [(f"{row.not_before:%m-%d %H:%M}", row.status) for row in rows]


async def test_a_link_plans_one_reminder_and_one_row(life: Life) -> None:
    made = await life.create()
    await life.work()
    assert await reminders(life, made.id) == [("01-06 16:00", "pending")]


async def test_a_series_goes_out_step_by_step_and_no_more(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=20))
    made = await life.create()
    await life.days(19)
    assert [(f"{went.at:%m-%d %H:%M}", went.tone) for went in life.went] == [
        ("01-06 16:00", "friendly"),
        ("01-08 16:00", "friendly"),
        ("01-13 16:00", "last"),
    ]
    assert [state for _, state in await reminders(life, made.id)] == ["done"] * 3
    told = [line for line in await life.world.decisions(made.id) if "reminder sent" in line]
    assert len(told) == 3


async def test_a_reminder_goes_at_ten_where_the_customer_is(life: Life) -> None:
    await life.create(phone="+56961234567")
    await life.days(2)
    assert [f"{went.at:%m-%d %H:%M}" for went in life.went] == ["01-06 13:00"]


@pytest.mark.parametrize("wanted", ["off", []])
async def test_who_wants_none_gets_none(life: Life, wanted: object) -> None:
    made = await life.create(reminders=wanted)
    await life.days(10)
    assert life.went == []
    assert await reminders(life, made.id) == []


async def test_own_steps_around_the_due_date(life: Life) -> None:
    due = MORNING + timedelta(days=8)
    await life.create(reminders=["due-2", "due+1 last"], due_at=due)
    await life.days(12)
    assert [(f"{went.at:%m-%d}", went.tone) for went in life.went] == [
        ("01-12", "friendly"),
        ("01-14", "last"),
    ]


async def test_a_paid_payment_is_reminded_of_no_more(life: Life) -> None:
    made = await life.create()
    await life.days(1)
    [[uid]] = await life.world.select("select uid from link")
    await life.world.callback(str(uid), FactStatus.APPROVED)
    await life.days(10)
    assert len(life.went) == 1
    assert [state for _, state in await reminders(life, made.id)] == ["done", "cancelled"]


async def test_a_paid_payment_is_not_reminded_of_even_if_its_row_was_forgotten(
    life: Life,
) -> None:
    made = await life.create()
    await life.work()
    [[uid]] = await life.world.select("select uid from link")
    await life.world.callback(str(uid), FactStatus.APPROVED)
    await life.world.run(
        lambda tx: (
            tx.run(
                sa.text("update outbox set status = 'pending' where purpose = 'reminder'")
            ).rowcount
        )
    )
    await life.days(3)
    assert life.went == []
    assert "reminder not sent: the payment is paid" in await life.world.decisions(made.id)


async def test_downtime_is_caught_up_with_in_one_message(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=60))
    made = await life.create()
    await life.work()
    life.world.clock.advance(days=8)
    await life.days(30)
    assert [went.tone for went in life.went] == ["last"]
    assert any("2 earlier left out" in line for line in await life.world.decisions(made.id))


async def test_who_said_stop_gets_none(life: Life) -> None:
    made = await life.create()
    await life.work()
    await life.world.run(lambda tx: people.set_wishes(tx, made.customer_id, wants_reminders=False))
    await life.days(5)
    assert life.went == []
    lines = await life.world.decisions(made.id)
    assert "reminder not sent: opt-out: the customer wants no reminders" in lines


async def test_a_stop_on_one_channel_moves_the_reminder_to_the_next_for_good(life: Life) -> None:
    made = await life.create()
    await life.work()
    address = Address(ChannelName.WHATSAPP, "+50255551234")
    await life.world.run(lambda tx: people.set_reach(tx, address, reach="opted_out", reason="BAJA"))
    await life.days(4)
    assert [went.channel for went in life.went] == ["sms", "sms"]
    assert made.route[0] == "whatsapp"


async def test_a_pause_and_a_promise_move_it(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=30))
    made = await life.create()
    await life.work()
    day = date(2026, 1, 9)
    await life.world.run(lambda tx: series.remind_on(tx, life.world.rules, made.id, day))
    await life.days(10)
    assert [(f"{went.at:%m-%d}", went.tone) for went in life.went] == [
        ("01-09", "promised"),
        ("01-12", "last"),
    ]


async def test_a_promise_after_the_last_reminder_is_still_kept_in_mind(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=60))
    made = await life.create()
    await life.days(9)
    assert len(life.went) == 3
    day = date(2026, 1, 20)
    await life.world.run(lambda tx: series.remind_on(tx, life.world.rules, made.id, day))
    await life.days(40)
    assert [(f"{went.at:%m-%d}", went.tone) for went in life.went[3:]] == [("01-20", "promised")]


async def test_several_debts_are_one_message_with_a_list(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=30))
    first = await life.create(concept="Enero")
    second = await life.create(concept="Febrero")
    await life.days(1)
    [went] = life.went
    assert went.payment_ids == (first.id, second.id)
    await life.days(20)
    assert all(len(each.payment_ids) == 2 for each in life.went)
    assert len(life.went) == 3


async def test_a_list_leaves_out_what_was_paid_before_it_was_sent_again(life: Life) -> None:
    await life.create(concept="Enero")
    await life.create(concept="Febrero")
    await life.work()
    life.world.clock.now = MORNING + timedelta(days=1)
    item = await life.world.claim_one("whatsapp")
    assert len(list(item.payload["debts"])) == 2  # type: ignore[call-overload]
    await life.world.settle(item, RetryLater("not now"))
    [[uid]] = await life.world.select(
        "select uid from link join payment on payment.id = payment_id where concept = 'Febrero'"
    )
    await life.world.callback(str(uid), FactStatus.APPROVED)
    life.world.clock.advance(seconds=30)
    again = await life.world.claim("whatsapp")
    [reminder] = [each for each in again if each.purpose is Purpose.REMINDER]
    assert "debts" not in reminder.payload


async def test_a_refused_reminder_goes_over_the_next_channel(life: Life) -> None:
    made = await life.create()
    await life.work()
    life.world.clock.now = MORNING + timedelta(days=1)
    item = await life.world.claim_one("whatsapp")
    await life.world.settle(item, Refused("nobody there", "63003", Refusal.ADDRESS))
    await life.work()
    assert [went.channel for went in life.went] == ["sms"]
    assert await life.world.alerts() == []
    states = [state for _, state in await reminders(life, made.id)]
    assert states == ["done", "pending"]


async def test_an_uncertain_reminder_is_let_go_and_the_series_goes_on(life: Life) -> None:
    made = await life.create()
    await life.work()
    life.world.clock.now = MORNING + timedelta(days=1)
    item = await life.world.claim_one("whatsapp")
    await life.world.settle(item, Uncertain("timed out"))
    await life.days(1)
    assert life.went == []
    assert [state for _, state in await reminders(life, made.id)] == ["uncertain", "pending"]


async def test_a_reminder_in_dispute_or_of_somebody_barred_is_let_go(life: Life) -> None:
    first = await life.create(phone="+50255550001")
    second = await life.create(phone="+50255550002")
    await life.work()
    await life.world.run(
        lambda tx: (
            tx.run(
                sa.text("update payment set disputed_at = 1 where id = :id"), {"id": first.id}
            ).rowcount
        )
    )
    await life.world.run(lambda tx: reminding_store.bar(tx, second.customer_id, "blocked"))
    await life.days(4)
    assert life.went == []


async def test_a_slot_that_somebody_else_has_keeps_the_reminder_back(life: Life) -> None:
    made = await life.create()
    await life.work()
    slot = Slot(made.id, date(2026, 1, 6), 999_999)
    assert await life.world.run(lambda tx: reminding_store.take_slots(tx, [slot])) == set()
    await life.days(1.5)
    assert life.went == []
    await life.days(1)
    assert [f"{went.at:%m-%d}" for went in life.went] == ["01-07"]


async def test_a_row_that_cannot_be_read_keeps_no_other_reminder_of_the_customer(
    life: Life,
) -> None:
    bad, good = await life.create(), await life.create()
    await life.work()
    await life.world.run(
        lambda tx: tx.run(
            sa.text(
                "update outbox set payload = '{}', not_before = not_before + :day"
                " where purpose = 'reminder' and payment_id = :id"
            ),
            {"id": bad.id, "day": 86_400_000_000},
        )
    )
    await life.days(1.1)
    assert [went.payment_ids for went in life.went] == [(good.id,)]


async def test_a_link_sent_again_by_hand_starts_the_series_of_an_expired_payment(
    life: Life,
) -> None:
    made = await life.create(expires_at=MORNING + timedelta(hours=30))
    await life.work()
    life.world.clock.advance(hours=31)
    await life.world.run(lambda tx: payment_handler.expire_payments(tx))
    await life.world.run(lambda tx: payment_handler.resend(tx, life.world.rules, made.id, by="ana"))
    before = len(life.went)
    await life.days(8)
    assert len(life.went) > before


async def test_a_preview_says_what_then_happens(life: Life) -> None:
    life.world.set_rules(link_ttl=timedelta(days=30))
    await life.create()
    await life.create(phone="+573001234567", route=("sms", "email"))
    await life.work()
    until = life.world.clock.now + timedelta(days=20)
    rows = await life.world.run(
        lambda tx: preview.foreseen_reminders(tx, life.world.rules, until=until, limit=100)[0]
    )
    await life.until(until)
    assert [(row.at, row.payment_id, row.channel) for row in rows] == [
        (went.at, went.payment_id, went.channel) for went in life.went
    ]
    assert len(rows) >= 4


@pytest.mark.parametrize("is_decided", [False, True])
async def test_a_preview_names_the_cap_that_puts_a_reminder_off(
    life: Life, is_decided: bool
) -> None:
    """Both where that is only foreseen, and once it was decided."""
    life.world.set_rules(link_ttl=timedelta(days=30))
    for days in (1, 2):
        await life.create(reminders=[f"created+{days}"])
    late = await life.create(reminders=["created+3"])
    await life.days(3.5 if is_decided else 2.5)
    until = life.world.clock.now + timedelta(days=9)
    [row] = await life.world.run(
        lambda tx: preview.foreseen_reminders(tx, life.world.rules, until=until, limit=100)[0]
    )
    first, second = life.went
    assert (row.payment_id, f"{row.at:%m-%d}") == (late.id, "01-13")
    assert row.rule == (
        "friendly, planned for 2026-01-08; put off: cap a week: 2 a week at most:"
        f" 2026-01-06 10:00 ({first.payment_id}), 2026-01-07 10:00 ({second.payment_id})"
        " by the customer's clock"
    )


def test_a_reminder_that_may_have_left_is_never_sent_again() -> None:
    assert MANNERS[Purpose.REMINDER].on_uncertain.value == "drop"
