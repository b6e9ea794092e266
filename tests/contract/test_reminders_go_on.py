"""A series goes on, or ends with a word why, where something happens to its hours or its link."""

from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from bot.domain.calendars import Reminding, hours_of, read_packs
from bot.domain.delivery import Refused, RetryLater
from bot.domain.heard import MakePromise
from bot.domain.payment import Customer, Payment, PaymentStatus
from bot.domain.planned import Planned
from bot.handlers import disputes, links, preview, promises
from bot.handlers import payment as payment_handler
from bot.store import people, reminding
from channels.base import Address, ChannelName, InboundMessage
from tests.contract.reminders import MORNING, Life
from tests.contract.world import World

PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))
REMINDING = Reminding(packs=PACKS, hours=hours_of("mon-sat 09:00-18:00"))
WEEKENDS = Reminding(packs=PACKS, hours=hours_of("sat-sun 10:00-18:00"))
IN_PERU = "+51987654321"
"""A country that forbids what WEEKENDS leave."""
WHATSAPP = Address(ChannelName.WHATSAPP, "+50255551234")


@pytest.fixture
async def life(world: World) -> Life:
    world.set_rules(
        reminding=REMINDING,
        time_zone="America/Guatemala",
        staff=None,
        link_ttl=timedelta(days=30),
    )
    world.clock.now = MORNING
    return Life(world)


async def foreseen(life: Life, days: float = 14) -> list[Planned]:
    until = life.world.clock.now + timedelta(days=days)
    return await life.world.run(
        lambda tx: preview.foreseen_reminders(tx, life.world.rules, until=until, limit=1000)[0]
    )


async def as_foreseen(life: Life, days: float = 14) -> list[str]:
    """Live so long, compare with what was foreseen, and give the dates and channels."""
    rows = await foreseen(life, days)
    before = len(life.went)
    await life.days(days)
    went = [
        (each.at, payment_id, each.channel)
        for each in life.went[before:]
        for payment_id in sorted(each.payment_ids)
    ]
    assert went == [(row.at, row.payment_id, row.channel) for row in rows]
    return [f"{at:%m-%d} {channel}" for at, _, channel in went]


async def stop_on_whatsapp(life: Life) -> None:
    await life.world.run(
        lambda tx: people.set_reach(tx, WHATSAPP, reach="opted_out", reason="BAJA")
    )


async def test_a_link_is_kept_where_no_reminder_may_ever_go(life: Life) -> None:
    life.world.set_rules(reminding=WEEKENDS)
    made = await life.create(phone=IN_PERU)
    await life.work()
    assert await life.world.status(made.id) is PaymentStatus.LINKED
    assert len(await life.world.links(made.id)) == 1
    assert await life.world.outbox(made.id, "reminder") == []
    assert (
        "reminder not sent: window: no hours of PE are open within 400 days"
        in await life.world.decisions(made.id)
    )


async def test_hours_that_close_for_ever_end_a_series_and_hold_up_no_other(life: Life) -> None:
    closed, other = await life.create(phone=IN_PERU), await life.create()
    await life.work()
    life.world.set_rules(reminding=WEEKENDS)
    assert {row.payment_id for row in await foreseen(life)} == {other.id}
    await life.days(14)
    assert {went.payment_id for went in life.went} == {other.id}
    [row] = await life.world.outbox(closed.id, "reminder")
    assert row.status == "cancelled"


async def replaced(life: Life) -> Payment:
    made = await life.create(route=("whatsapp", "sms"))
    await life.world.make_link("first")
    item = await life.world.claim_one("whatsapp")
    await life.world.settle(item, Refused("outside the 24-hour window"))
    await life.work()
    assert [is_out for _, _, is_out in await life.world.links(made.id)] == [True, False]
    return made


async def test_a_link_that_takes_anothers_place_takes_its_reminders(life: Life) -> None:
    made = await replaced(life)
    assert await as_foreseen(life) == ["01-06 sms", "01-08 sms", "01-13 sms"]
    links = await life.world.select(
        "select distinct link.uid from outbox join link on link.id = link_id"
        " where outbox.purpose = 'reminder' and outbox.status = 'done' and outbox.payment_id = :id",
        id=made.id,
    )
    assert links == [((await life.world.links(made.id))[1][0],)]


async def test_a_dispute_that_is_settled_loses_no_step(life: Life) -> None:
    made = await life.create()
    await life.work()
    await life.world.run(lambda tx: disputes.take_dispute(tx, life.world.rules, made.id, "no"))
    assert await foreseen(life) == []
    await life.world.run(
        lambda tx: disputes.resolve_dispute(tx, life.world.rules, made, by="Marta")
    )
    assert len(await as_foreseen(life)) == 3


async def test_a_stop_on_one_channel_is_foreseen(life: Life) -> None:
    await life.create(route=("whatsapp", "sms"))
    await life.work()
    await stop_on_whatsapp(life)
    assert await as_foreseen(life) == ["01-06 sms", "01-08 sms", "01-13 sms"]


async def test_a_stop_on_the_only_channel_is_foreseen(life: Life) -> None:
    made = await life.create(route=("whatsapp",))
    await life.work()
    await stop_on_whatsapp(life)
    assert await as_foreseen(life) == []
    told = await life.world.decisions(made.id)
    assert told.count("reminder not sent: reach: the customer said stop on whatsapp") == 3
    assert not [line for line in told if line.startswith("reminder sent")]
    assert await life.world.select("select * from reminder_slot") == []


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+819012345678", "Asia/Tokyo"),
        ("+4915112345678", "Europe/Berlin"),
        ("+61412345678", "Australia/Sydney"),
    ],
)
async def test_who_lives_far_away_is_not_written_to_at_night(
    life: Life, phone: str, zone: str
) -> None:
    await life.create(phone=phone, route=("sms",))
    await life.days(3)
    [hour] = [went.at.astimezone(ZoneInfo(zone)).hour for went in life.went[:1]]
    assert 10 <= hour < 18


async def test_a_list_that_is_sent_again_leaves_out_what_was_disputed(life: Life) -> None:
    for concept in ("Enero", "Febrero"):
        await life.create(concept=concept, route=("sms",))
    await life.work()
    life.world.clock.advance(days=1)
    item = await life.world.claim_one("sms")
    [other] = cast("list[str]", item.payload["with"])
    await life.world.settle(item, RetryLater("not now"))
    await life.world.run(lambda tx: disputes.take_dispute(tx, life.world.rules, other, "no"))
    life.world.clock.advance(seconds=30)
    assert "debts" not in (await life.world.claim_one("sms")).payload


async def test_what_a_clock_that_was_ahead_left_behind_holds_nothing_up(life: Life) -> None:
    await life.create()
    await life.work()
    life.world.clock.advance(days=365)
    await life.create()
    await life.work()
    life.world.clock.advance(days=-363)
    life.went.clear()
    made = await life.create()
    await life.days(10)
    assert [went.payment_id for went in life.went].count(made.id) == 3


async def test_an_email_that_was_taken_closes_the_other_channels_in_colombia(life: Life) -> None:
    colombian = "+573001234567"
    made = await life.create(phone=colombian, route=("sms",), reminders=["created+8"])
    await life.days(7)
    await life.create(phone=colombian, route=("email",), reminders="off")
    await life.days(2)
    assert [(went.payment_id, went.channel) for went in life.went] == [(made.id, "email")]


async def test_a_link_sent_again_by_hand_counts_in_the_caps(life: Life) -> None:
    made = await life.create(phone="+56961234567", reminders=["created+1", "created+2"])
    await life.days(1.5)
    await life.world.run(lambda tx: payment_handler.resend(tx, life.world.rules, made.id, by="ana"))
    await life.days(8)
    chile = ZoneInfo("America/Santiago")
    assert life.local_dates(chile) == ["2026-01-06", "2026-01-13"]


async def test_a_series_goes_on_once_migo_takes_the_customer_again(life: Life) -> None:
    made = await life.create(route=("sms",))
    await life.work()
    await life.world.run(lambda tx: reminding.bar(tx, made.customer_id, "blocked"))
    await life.days(1.5)
    assert life.went == []
    await life.create(route=("sms",), reminders="off")
    await life.days(10)
    assert [went.payment_id for went in life.went] == [made.id, made.id]


async def test_a_second_person_who_agrees_late_begins_the_series(life: Life) -> None:
    made = await life.create(route=("sms",), needs_approval=True)
    await life.days(8)
    await life.world.run(
        lambda tx: payment_handler.resend(tx, life.world.rules, made.id, by="eva", approves=True)
    )
    await life.days(10)
    assert [f"{went.at:%m-%d}" for went in life.went] == ["01-14", "01-16"]


async def promises_to_pay(life: Life, made: Payment, day: date) -> None:
    customer = Customer(made.customer_id, "+50255551234")
    await life.world.run(
        lambda tx: promises.make_promise(
            tx,
            life.world.rules,
            customer,
            MakePromise((made.id,), day),
            words="ese día",
            channel="sms",
        )
    )


async def test_a_promise_for_a_closed_day_is_reminded_of_before_it(life: Life) -> None:
    made = await life.create(route=("sms",), reminders=["created+1"])
    await life.work()
    await promises_to_pay(life, made, date(2026, 1, 11))  # a Sunday
    await life.days(14)
    assert [(f"{went.at:%a %d %H}", went.tone) for went in life.went] == [("Sat 10 16", "friendly")]


async def test_a_promise_for_tomorrow_that_is_closed_has_words_that_fit(life: Life) -> None:
    made = await life.create(route=("sms",), reminders=["created+1"])
    await life.work()
    life.world.clock.advance(days=5)  # a Saturday
    await promises_to_pay(life, made, date(2026, 1, 11))
    await life.days(10)
    assert [(f"{went.at:%a %d %H}", went.tone) for went in life.went] == [("Mon 12 15", "due")]


async def test_who_says_today_after_friday_is_not_written_to_on_friday(life: Life) -> None:
    made = await life.create(route=("sms",))
    await life.work()
    await promises_to_pay(life, made, date(2026, 1, 9))
    await promises_to_pay(life, made, date(2026, 1, 5))
    await life.days(14)
    assert [(f"{went.at:%m-%d}", went.tone) for went in life.went] == [
        ("01-06", "friendly"),
        ("01-08", "friendly"),
        ("01-13", "last"),
    ]


async def test_a_payment_that_the_customer_renews_is_reminded_of_again(life: Life) -> None:
    made = await life.create(route=("sms",), expires_at=MORNING + timedelta(hours=30))
    await life.work()
    life.world.clock.advance(hours=31)
    await life.world.run(payment_handler.expire_payments)
    await life.days(1)
    message = InboundMessage(
        event_id="e1",
        sender=Address(ChannelName.SMS, "+50255551234"),
        text="renovar",
        at=life.world.clock.now,
    )
    await life.world.run(
        lambda tx: links.renew(tx, life.world.rules, message, made.id, key="k", locale="es")
    )
    assert len(await as_foreseen(life, 3)) == 1


async def test_a_payment_that_is_sent_later_is_foreseen(life: Life) -> None:
    await life.create(route=("whatsapp", "sms"), send_at=MORNING + timedelta(days=2))
    await life.create(route=("sms",))
    await life.work()
    assert len(await as_foreseen(life)) >= 5


async def test_a_preview_that_is_cut_says_so(life: Life) -> None:
    for number in range(3):
        await life.create(phone=f"+5025555000{number}", reminders=["created+1"])
    await life.work()
    until = life.world.clock.now + timedelta(days=9)
    for limit, is_cut in ((2, True), (3, True), (4, False)):
        rows, told = await life.world.run(
            partial(preview.foreseen_reminders, rules=life.world.rules, until=until, limit=limit)
        )
        assert (len(rows), told) == (min(limit, 3), is_cut)


async def test_a_list_whose_first_debt_ends_before_it_left_goes_for_the_others(
    life: Life,
) -> None:
    for concept in ("Enero", "Febrero"):
        await life.create(concept=concept, route=("sms",))
    await life.work()
    life.world.clock.advance(days=1)
    item = await life.world.claim_one("sms")
    [other] = cast("list[str]", item.payload["with"])
    await life.world.settle(item, RetryLater("not now"))
    first = str(item.payment and item.payment.id)
    await life.world.run(lambda tx: payment_handler.cancel_payment(tx, first, by="ana"))
    assert (
        "reminder taken back: it surely never left, and its date is free again"
        in await life.world.decisions(first)
    )
    assert await as_foreseen(life) == ["01-06 sms", "01-08 sms", "01-13 sms"]
    assert {went.payment_id for went in life.went} == {other}


async def test_a_reminder_that_is_refused_everywhere_counts_for_nothing(life: Life) -> None:
    made = await life.create(route=("sms",))
    await life.work()
    life.world.clock.advance(days=1)
    item = await life.world.claim_one("sms")
    await life.world.settle(item, Refused("no such number"))
    assert await life.world.select("select * from reminder_slot") == []
    assert any(
        line.startswith("reminder taken back") for line in await life.world.decisions(made.id)
    )
