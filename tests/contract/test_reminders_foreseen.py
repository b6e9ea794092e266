"""What a preview says is what then goes out, message for message, whatever came in between."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bot.domain.calendars import Reminding, hours_of, read_packs
from bot.domain.delivery import Refused
from bot.domain.payment import FactStatus, Payment
from bot.handlers import disputes, preview, series
from bot.handlers import payment as payment_handler
from bot.store import conversations, people
from bot.store.engine import Tx
from bot.store.outbox import MIGO_LANE
from bot.store.schema import metadata
from channels.base import Address, ChannelName, DeliveryState
from tests.contract.databases import copy_of
from tests.contract.reminders import MORNING, Life
from tests.contract.schedules import ASK, add, fire
from tests.contract.world import World

PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))
REMINDING = Reminding(packs=PACKS, hours=hours_of("mon-sat 09:00-18:00"))
PHONES = ("+50255551234", "+573001234567", "+56961234567")
ROUTES = (("whatsapp", "sms"), ("sms", "email"), ("email",))
PLANS = ("default", ["created+2", "created+5 last"], ["due-4", "due", "due+3 last"], "off")
MONTH = timedelta(days=31)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """A payment of the month."""

    who: int
    route: int
    plan: int
    due_in: int | None
    send_in: int | None = None


@dataclass(frozen=True)
class Happens:
    """Something that comes in between, to whom or which payment, at which hour of the month."""

    what: str
    which: int
    hour: int


asked = st.builds(
    Asked,
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 3),
    st.none() | st.integers(1, 20),
    st.none() | st.integers(1, 15),
)
HAPPENS = (
    *("paid", "stop", "down", "pause", "promise", "cancel", "resend"),
    *("closed", "reopened", "undelivered", "refused", "dispute", "person", "replaced"),
)
happens = st.builds(
    Happens,
    st.sampled_from(HAPPENS),
    st.integers(0, 5),
    st.integers(1, 30 * 24),
)


@settings(
    # The same months each time: a change is judged by what it changes.
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(asked, min_size=1, max_size=6), st.lists(happens, max_size=6))
async def test_a_month_goes_as_foreseen(
    sqlite_template: Path, payments: list[Asked], events: list[Happens]
) -> None:
    async with fresh_world(sqlite_template) as world:
        await a_month(Life(world), payments, sorted(events, key=lambda each: each.hour))


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(asked, min_size=1, max_size=4), st.lists(happens, max_size=4))
async def test_any_month_goes_as_foreseen_on_either_engine(
    world: World, payments: list[Asked], events: list[Happens]
) -> None:
    await world.run(forget_all)
    set_out(world)
    await a_month(Life(world), payments, sorted(events, key=lambda each: each.hour))


@asynccontextmanager
async def fresh_world(template: Path) -> AsyncIterator[World]:
    """A world for one example, which a fixture would share among all of them."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(copy_of(template, Path(folder) / "paybot.db"))
        set_out(world)
        world.store.open()
        try:
            yield world
        finally:
            await world.store.close()


def forget_all(tx: Tx) -> None:
    for table in reversed(metadata.sorted_tables):
        tx.run(table.delete())


def set_out(world: World) -> None:
    world.set_rules(
        reminding=REMINDING,
        time_zone="America/Guatemala",
        staff=None,
        link_ttl=timedelta(days=40),
    )
    world.clock.now = MORNING


async def a_month(life: Life, payments: list[Asked], events: list[Happens]) -> None:
    made = [await ask(life, each) for each in payments]
    await life.work()
    for each in events:
        await as_foreseen(life, MORNING + timedelta(hours=each.hour))
        await come(life, made[each.which % len(made)], each)
    await as_foreseen(life, MORNING + MONTH)
    event("no reminder" if not life.went else "reminders")


async def ask(life: Life, asked: Asked) -> Payment:
    return await life.create(
        phone=PHONES[asked.who],
        route=ROUTES[asked.route],
        reminders=PLANS[asked.plan],
        due_at=None if asked.due_in is None else MORNING + timedelta(days=asked.due_in),
        send_at=None if asked.send_in is None else MORNING + timedelta(days=asked.send_in),
    )


async def as_foreseen(life: Life, until: datetime) -> None:
    """Live until then and compare with what was foreseen before."""
    await life.work()
    before = len(life.went)
    rows = await life.world.run(
        lambda tx: preview.foreseen_reminders(tx, life.world.rules, until=until, limit=1000)[0]
    )
    await life.until(until - timedelta(microseconds=1))
    went = [
        (each.at, payment_id, each.channel)
        for each in life.went[before:]
        for payment_id in each.payment_ids
    ]
    assert sorted(went) == [(row.at, row.payment_id, row.channel) for row in rows]
    life.world.clock.now = max(until, life.world.clock.now)


async def come(life: Life, payment: Payment, each: Happens) -> None:
    world, now = life.world, life.world.clock.now
    match each.what:
        case "paid":
            found = await world.select("select uid from link where payment_id = :id", id=payment.id)
            for (uid,) in found[-1:]:
                await world.callback(str(uid), FactStatus.APPROVED)
        case "stop":
            await world.run(
                lambda tx: people.set_wishes(tx, payment.customer_id, wants_reminders=False)
            )
        case "down":
            world.clock.advance(days=each.which + 1)
        case "pause":
            until = now + timedelta(days=2)
            await world.run(lambda tx: people.pause_reminders(tx, payment.customer_id, until=until))
        case "promise":
            day: date = (now + timedelta(days=each.which + 1)).date()
            await world.run(lambda tx: series.remind_on(tx, world.rules, payment.id, day))
        case "cancel":
            await try_to(life, lambda tx: payment_handler.cancel_payment(tx, payment.id, by="ana"))
        case "resend":
            await try_to(
                life,
                lambda tx: payment_handler.resend(tx, world.rules, payment.id, by="ana"),
            )
        case _:
            await BOTHERS[each.what](life, payment)
    await life.work()


async def close(life: Life, payment: Payment) -> None:
    """The customer says stop on the first channel of the payment's route."""
    await reach(life, payment, "opted_out")


async def reopen(life: Life, payment: Payment) -> None:
    await reach(life, payment, "ok")


async def reach(life: Life, payment: Payment, how: str) -> None:
    customer = await life.world.run(lambda tx: people.read_customer(tx, payment.customer_id))
    channel = ChannelName(payment.route[0])
    to = customer.email if channel is ChannelName.EMAIL else customer.phone
    at = Address(channel, str(to))
    await life.world.run(lambda tx: people.set_reach(tx, at, reach=how, reason="said so"))


async def undelivered(life: Life, payment: Payment) -> None:
    """The payment's last message did not arrive, which is heard only now."""
    statement = (
        "select provider_id from outbox where payment_id = :id and status = 'done'"
        " and provider_id is not null and delivery is null order by id desc"
    )
    for (name,) in (await life.world.select(statement, id=payment.id))[:1]:
        await life.world.provider_says(str(name), DeliveryState.FAILED)


async def refused(life: Life, payment: Payment) -> None:
    """Whatever is due for the customer next is refused where it goes first."""
    due = await life.next_due()
    if due is None:
        return
    life.world.clock.now = max(due, life.world.clock.now)
    for lane in payment.route:
        for item in await life.world.claim(lane):
            await life.world.settle(item, Refused("no such number"))


async def dispute(life: Life, payment: Payment) -> None:
    world = life.world
    await world.run(lambda tx: disputes.take_dispute(tx, world.rules, payment.id, "no"))


async def person(life: Life, payment: Payment) -> None:
    at = Address(ChannelName.SMS, f"person {payment.customer_id}")

    def hand_over(tx: Tx) -> None:
        found = conversations.read(tx, at)
        conversations.save(
            tx,
            replace(
                found,
                mode="human",
                mode_since=tx.now,
                last_inbound_at=tx.now,
                customer_id=payment.customer_id,
            ),
        )

    await life.world.run(hand_over)


async def replaced(life: Life, payment: Payment) -> None:
    """Another payment's link surely reaches nobody, and is replaced."""
    customer = await life.world.run(lambda tx: people.read_customer(tx, payment.customer_id))
    await life.create(phone=customer.phone, route=("whatsapp", "sms"))
    for item in await life.world.claim(MIGO_LANE):
        await life.settle(item)
    for item in await life.world.claim("whatsapp"):
        await life.world.settle(item, Refused("outside the 24-hour window"))


BOTHERS = {
    "closed": close,
    "reopened": reopen,
    "undelivered": undelivered,
    "refused": refused,
    "dispute": dispute,
    "person": person,
    "replaced": replaced,
}


async def try_to(life: Life, work: object) -> None:
    with suppress(payment_handler.RequestError):  # it is paid or cancelled by now
        await life.world.run(work)  # type: ignore[arg-type]


RULES = ("monthly 10 09:00", "weekly mon,thu 10:00", "monthly 31 11:00", "every 2 weeks fri 16:00")


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(RULES),
            st.sampled_from(PHONES),
            st.sampled_from(ROUTES),
            st.none() | st.integers(0, 9),
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(asked, max_size=3),
)
async def test_what_schedules_will_make_is_reminded_of_as_foreseen(
    sqlite_template: Path,
    wanted: list[tuple[str, str, tuple[str, ...], int | None]],
    payments: list[Asked],
) -> None:
    async with fresh_world(sqlite_template) as world:
        life = Life(world)
        for rule, phone, route, due in wanted:
            told = replace(ASK, phone=phone, route=route, due_after_days=due)
            await add(world, rule, ask=told, starts_on=MORNING.date())
        for each in payments:
            await ask(life, each)
        await life.work()
        await a_month_of_schedules(life)


async def a_month_of_schedules(life: Life) -> None:
    world, until = life.world, MORNING + MONTH
    before = await world.select("select (select count(*) from payment), count(*) from outbox")
    rows, is_cut = await world.run(
        lambda tx: preview.foreseen_reminders(tx, world.rules, until=until, limit=1000)
    )
    assert not is_cut
    assert before == await world.select(
        "select (select count(*) from payment), count(*) from outbox"
    )
    while True:
        dues = [at for at in (await life.next_due(), await next_slot(world)) if at is not None]
        if min(dues, default=until) >= until:
            break
        world.clock.now = max(min(dues), world.clock.now)
        await fire(world)
        await life.work()
    makers = {row[0]: row[1] for row in await world.select("select id, created_by from payment")}
    went = [
        (each.at, str(makers[payment_id]), each.channel)
        for each in life.went
        for payment_id in each.payment_ids
    ]
    foreseen = [
        (row.at, f"schedule:{row.schedule_id}" if row.schedule_id else "api", row.channel)
        for row in rows
    ]
    assert sorted(went) == sorted(foreseen)
    event("of a schedule" if any(row.schedule_id for row in rows) else "of none")


async def next_slot(world: World) -> datetime | None:
    [(at,)] = await world.select("select min(next_at) from schedule where status = 'active'")
    return None if at is None else EPOCH + timedelta(microseconds=int(str(at)))
