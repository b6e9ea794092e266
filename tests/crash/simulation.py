"""Days of the whole service in seconds: real intake, relay, sweeps, handlers in a town of chance.

Two workers on one database, which the town's providers, people, kills and outages trouble at times
drawn from one seed; then the troubles stop, and what was owed must be there. A seed tells the same
story each time: the run tells the first day of its first one twice and compares.
"""

import asyncio
import hashlib
import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot import holding, relay
from bot.coordination.local import LocalCoordination
from bot.dispatcher import Composer, Dispatcher, Sending
from bot.domain.calendars import Reminding
from bot.domain.delivery import ASKING, MANNERS, Purpose
from bot.domain.hours import hours_of
from bot.domain.money import Money
from bot.domain.recurring_words import read_rule
from bot.domain.schedule import Ask
from bot.handlers import schedules
from bot.handlers.payment import PaymentRequest, RequestError, cancel_payment, resend
from bot.handlers.payment import create_payment as create
from bot.handlers.replacement import replace_link
from bot.handlers.rules import Dispatches, Rules
from bot.handlers.schedules import ScheduleRequest
from bot.intake import Intake, Reader
from bot.migo import AmountUnit
from bot.relay import Relay
from bot.scheduler import Scheduler
from bot.store import inbox
from bot.store.engine import Store, StoreError, Tx, make_engine
from bot.store.inbox import Received, Source
from bot.store.schedules import PAYMENT_PREFIX
from bot.store.schema import (
    address,
    customer,
    fact,
    metadata,
    outbox,
    payment,
    schedule,
    schedule_run,
)
from bot.store.schema import inbox as inbox_table
from bot.store.schema import link as link_table
from bot.telemetry.metrics import Metrics
from bot.texts import Texts
from bot.texts.phrases import Phrases
from bot.wiring import read_report
from channels.base import ChannelName
from channels.email.channel import Email
from channels.sms import Sms
from channels.telegram import Telegram
from channels.whatsapp import WhatsApp
from tests.contract.books_invariants import MONEY, check_books
from tests.contract.world import rules_of
from tests.crash.progress import shown
from tests.crash.report import Report
from tests.crash.town import CHATS, PHONES, START, Courier, FindingCourier, Letter, Town
from tests.crash.virtual import Process, VirtualLoop

DAYS, CALM = 3, timedelta(hours=8)
ZONE = ZoneInfo("America/Guatemala")
ROUTES = [
    *(("whatsapp", "sms", "email"), ("sms", "email"), ("whatsapp",), ("sms",), ("email", "sms")),
    *(("telegram", "sms"), ("telegram", "email")),
]
_RULES = ("daily 09:00", "weekly mon,wed,sat 10:30", "daily 17:59", "monthly 31 09:00")

_DAY_S = 86_400.0
_NOTICED = timedelta(minutes=2)
"""From a decision on, a message that was claimed before may still be on its way for so long."""
_AT_REST = timedelta(hours=1)
_POLL_S = 1800.0
_SWEEPS_S = 900.0
_LAPSED_S = 20.0
_DOOR_RETRY_S = 20.0
_BURIALS = 5
_EVERY = 25
_SUNDAY = 6
_SCHEDULER = "scheduler"
_HELD = (
    "select exists (select 1 from outbox where status = 'sending')"
    " or exists (select 1 from inbox where status = 'claimed')"
)
_Result = TypeVar("_Result")


class BrokenError(AssertionError):
    """A promise that was not kept, and when."""


class Books(Store):
    """The town's one database, as one process has it: each transaction takes a moment."""

    def __init__(self, story: "Story", process: Process) -> None:
        super().__init__("sqlite://", clock=story.town.now)
        self._story, self._process = story, process

    async def transact(self, work: Callable[[Tx], _Result], *, is_single: bool = False) -> _Result:
        story, chance = self._story, self._story.town.chance
        await asyncio.sleep(chance.uniform(0.0005, 0.02))
        await self._process.live()
        if story.is_away:
            raise StoreError("the database is away")
        wakes: set[str] = set()
        result = story.commit(work, wakes)
        # The process may die now, with its work done and nobody told.
        await asyncio.sleep(chance.uniform(0.0005, 0.02))
        await self._process.live()
        story.wake(wakes)
        return result


class Quiet(LocalCoordination):
    """Wake-ups without rates, which go by a clock of their own."""

    async def take(self, key: str, rate_per_s: float, wanted: int) -> int:
        return wanted


class Story:
    """One town from its first morning to its last calm evening."""

    def __init__(self, seed: int) -> None:
        self.loop, self.chance = VirtualLoop(), Random(seed)
        self.is_away = False
        dispatches = self.chance.choice(list(Dispatches))
        self.town = Town(
            self.chance,
            self.loop,
            put=self.put,
            migo_writes=dispatches is Dispatches.YES,
            watch=self.watch,
            start=START + timedelta(days=self.chance.randrange(7)),
        )
        self.engine = make_engine("sqlite://")
        metadata.create_all(self.engine)
        self.sqlite: Any = self.engine.raw_connection().driver_connection
        self.rules: Rules = replace(
            rules_of(dispatches),
            couriers=frozenset(ChannelName),
            finds=frozenset({ChannelName.WHATSAPP, ChannelName.SMS}),
            random=self.chance.random,
            staff=f"whatsapp:{PHONES[-1]}",
            time_zone=ZONE.key,
            reminding=Reminding(hours=hours_of("mon-sat 09:00-18:00")),
        )
        self.composer = Composer(
            Texts(merchant="Tienda", overrides=None, default_locale="es"),
            None,
            phrases=Phrases(merchant="Tienda", default_locale="es"),
            locale="es",
            time_zone=ZONE.key,
        )
        self.tokens = (f"token{number}" for number in itertools.count())
        self.workers: dict[str, tuple[Process, Quiet]] = {}
        self.kills = self.outages = self.transactions = 0
        self.acknowledged: list[Received] = []
        self.ever_paid: set[str] = set()
        self.settled_since: dict[str, datetime] = {}
        self.silent_since: dict[tuple[str, str], datetime] = {}
        self.reminded: dict[tuple[str, date], set[str]] = {}
        self._changes = -1
        self._looks = 0
        self.broken: list[BaseException] = []
        self.first_day = ""
        """What had happened by the second morning, as one number."""

    # The database

    def commit(self, work: Callable[[Tx], _Result], wakes: set[str]) -> _Result:
        self.transactions += 1
        with self.engine.begin() as conn:
            result = work(Tx(conn, self.town.now(), True, wakes))
        try:
            self._look()
        except AssertionError as error:
            self.end(error)
        return result

    def end(self, error: BaseException) -> None:
        """Stop at a broken promise; the service would log it and go on."""
        self.broken.append(error)
        self.loop.stop()

    def _look(self) -> None:
        """After what changed something the books must be right; they are read now and then."""
        if self.sqlite.total_changes == self._changes:
            return
        self._changes = self.sqlite.total_changes
        with self.engine.begin() as conn:
            tx, now = Tx(conn, self.town.now(), True), self.town.now()
            paid = sa.select(link_table.c.uid).where(link_table.c.status == "paid")
            self.ever_paid |= set(tx.run(paid).scalars())
            self._looks += 1
            if self._looks % _EVERY == 0:
                check_books(tx, self.ever_paid)
            settled = sa.select(payment.c.id).where(
                payment.c.status.in_([*MONEY, "cancelled", "expired"])
            )
            self._since(self.settled_since, set(tx.run(settled).scalars()), now)
            stopped = sa.select(address.c.channel, address.c.value).where(
                address.c.reach == "opted_out"
            )
            silent = {(row.channel, row.value) for row in tx.run(stopped)}
            deaf = tx.run(sa.select(customer.c.phone).where(customer.c.is_opted_out)).scalars()
            for phone in deaf:
                silent |= {(channel.value, phone) for channel in self.rules.couriers}
                silent |= {(ChannelName.TELEGRAM.value, CHATS.get(phone, ""))}
            self._since(self.silent_since, silent, now)

    @staticmethod
    def _since(known: dict[_Result, datetime], holds: set[_Result], now: datetime) -> None:
        for gone in known.keys() - holds:
            del known[gone]
        for each in holds - known.keys():
            known[each] = now

    def wake(self, topics: set[str]) -> None:
        """Wake every process, but lose a wake-up now and then, as Redis may."""
        for topic in sorted(topics):
            for _, coordination in self.workers.values():
                if not self.town.fault(("wake-up lost", 0.1)):
                    coordination.wake(topic)

    # The doors

    def put(self, received: Received) -> None:
        """Store what a provider tells; it tells it again until it hears that we have it."""
        wakes: set[str] = set()
        if self.is_away:
            self.loop.call_later(_DOOR_RETRY_S, self.put, received)
            return
        self.commit(lambda tx: inbox.record(tx, [received]), wakes)
        if self.town.fault(("door died before its answer", 0.02)):
            self.loop.call_later(_DOOR_RETRY_S, self.put, received)
            return
        self.acknowledged.append(received)
        self.loop.call_soon(self.wake, wakes)

    # The processes

    def start_worker(self, name: str) -> None:
        process, coordination = Process(), Quiet(self.loop.time)
        self.workers[name] = process, coordination
        store, town = Books(self, process), self.town
        metrics = Metrics()
        readers: dict[Source, Reader] = {
            Source.MIGO: lambda item: [read_report(item, AmountUnit.MAJOR)],
            Source.TWILIO_STATUS: lambda item: [town.events[item.body.decode()]],
            Source.TWILIO_INBOUND: lambda item: [town.events[item.body.decode()]],
            Source.TELEGRAM: lambda item: [town.events[item.body.decode()]],
        }
        intake = Intake(
            store,
            self.rules,
            coordination,
            readers=readers,
            new_token=self.tokens.__next__,
            clock=town.now,
            metrics=metrics,
            poll_s=_POLL_S,
        )
        channels = {
            ChannelName.WHATSAPP: FindingCourier(town, ChannelName.WHATSAPP, WhatsApp.limits),
            ChannelName.SMS: FindingCourier(town, ChannelName.SMS, Sms.limits),
            ChannelName.EMAIL: Courier(town, ChannelName.EMAIL, Email.limits),
            ChannelName.TELEGRAM: Courier(town, ChannelName.TELEGRAM, Telegram.limits),
        }
        dispatcher = Dispatcher(
            channels=channels,
            migo=town,
            composer=self.composer,
            sending=Sending("https://paybot.example"),
            clock=town.now,
            locale="es",
        )
        outgoing = Relay(
            store,
            self.rules,
            dispatcher,
            coordination,
            rates={},
            worker=name,
            new_token=self.tokens.__next__,
            clock=town.now,
            metrics=metrics,
            width=4,
            poll_s=_POLL_S,
        )
        process.begin(intake.run)
        process.begin(outgoing.run)

    def start_scheduler(self) -> None:
        process = Process()
        self.workers[_SCHEDULER] = process, Quiet(self.loop.time)
        store = Books(self, process)
        scheduler = Scheduler(store, self.rules, uptime_s=self.loop.time)
        process.begin(lambda: self._sweep(store, scheduler))

    async def _sweep(self, store: Store, scheduler: Scheduler) -> None:
        """The sweeps, less often than in real life: most of a day nothing happens."""
        others = [sweep for name, (_, sweep) in scheduler.sweeps.items() if name != "lapsed claims"]
        for number in itertools.count():
            await asyncio.sleep(_LAPSED_S)
            with suppress(StoreError):
                if self._is_held():
                    await store.transact(scheduler.release_lapsed)
                if number % (_SWEEPS_S // _LAPSED_S) == 0:
                    for sweep in others:
                        await store.transact(sweep)

    def _is_held(self) -> bool:
        """Whether any claim could lapse; asked in one quick statement, for all those idle hours."""
        return bool(self.sqlite.execute(_HELD).fetchone()[0])

    # The people and the troubles

    async def live(self, *, is_one_day: bool = False) -> None:
        """Go through the days of trouble and the calm after them, or to the second morning only."""
        self.start_worker("w1")
        self.start_worker("w2")
        self.start_scheduler()
        for phone in CHATS:
            self.town.later(40_000, partial(self.town.join_telegram, phone))
        troubles = [
            asyncio.create_task(each())
            for each in (self._sell, self._meddle, self._schedule, self._kill, self._take_away)
        ]
        await asyncio.sleep(_DAY_S)
        self.first_day = self._digest()
        if not is_one_day:
            await asyncio.sleep((DAYS - 1) * _DAY_S)
            for each in troubles:
                each.cancel()
            self.is_away, self.town.is_calm = False, True
            await asyncio.sleep(CALM.total_seconds())
        for process, _ in self.workers.values():
            process.kill()

    async def _pause(self, mean_s: float) -> None:
        await asyncio.sleep(self.chance.expovariate(1 / mean_s))

    async def _sell(self) -> None:
        """Staff and shops ask for money."""
        while True:
            await self._pause(1_800)
            number, now = self.town.next(), self.town.now()
            request = PaymentRequest(
                phone=self.chance.choice(PHONES[:-1]),
                money=Money(self.chance.choice((15000, 999, 250050)), "GTQ"),
                route=self.chance.choice(ROUTES),
                created_by="api",
                request_hash=f"h{number}",
                email="ana@example.com",
                reminders=self.chance.choice(("default", "default", "off")),
                due_at=self.chance.choice((None, now + timedelta(days=1), now)),
                expires_at=self.chance.choice((None, None, now + timedelta(days=2))),
                send_at=self.chance.choice((None, None, now + timedelta(hours=7))),
            )
            self._ask(partial(create, rules=self.rules, request=request))

    async def _meddle(self) -> None:
        """Staff send again, cancel and replace."""
        while True:
            await self._pause(4_000)
            with self.engine.begin() as conn:
                known = list(conn.execute(sa.select(payment.c.id).order_by(payment.c.id)).scalars())
            if not known:
                continue
            chosen, what = self.chance.choice(known), self.chance.random()
            if what < 0.5:
                channel = self.chance.choice((None, "sms", "whatsapp"))
                risks = self.town.is_so(0.3)
                again = partial(resend, by="ana", channel=channel, accepts_risk=risks)
                self._ask(partial(again, rules=self.rules, payment_id=chosen))
            elif what < 0.8:
                other = partial(replace_link, by="Olga", accepts_risk=True)
                self._ask(partial(other, rules=self.rules, payment_id=chosen))
            else:
                self._ask(partial(cancel_payment, payment_id=chosen, by="ana"))

    async def _schedule(self) -> None:
        """Staff ask for money by a rule, leave a period out, pause, go on, and end it."""
        while True:
            await self._pause(12_000)
            with self.engine.begin() as conn:
                known = list(
                    conn.execute(sa.select(schedule.c.id).order_by(schedule.c.id)).scalars()
                )
            if not known or self.town.is_so(0.4):
                request = ScheduleRequest(
                    ask=Ask(
                        self.chance.choice(PHONES[:-1]),
                        Money(self.chance.choice((15000, 999)), "GTQ"),
                        self.chance.choice(ROUTES),
                        email="ana@example.com",
                    ),
                    rule=read_rule(self.chance.choice(_RULES)),
                    created_by="api",
                    request_hash=f"h{self.town.next()}",
                )
                self._ask(partial(schedules.add, rules=self.rules, request=request))
                continue
            told = {"schedule_id": self.chance.choice(known), "by": "ana"}
            work: Callable[..., object] = self.chance.choice(
                (
                    *(partial(schedules.skip, rules=self.rules), schedules.pause),
                    *(partial(schedules.resume, rules=self.rules), schedules.remove),
                )
            )
            self._ask(partial(work, **told))

    def _ask(self, work: Callable[[Tx], object]) -> None:
        wakes: set[str] = set()
        if not self.is_away:
            with suppress(RequestError):
                self.commit(work, wakes)
            self.wake(wakes)

    async def _kill(self) -> None:
        while True:
            await self._pause(5_000)
            name = self.chance.choice(("w1", "w1", "w2", "w2", _SCHEDULER))
            self.kills += 1
            self.workers[name][0].kill()
            await self._pause(30)
            if name == _SCHEDULER:
                self.start_scheduler()
            else:
                self.start_worker(name)

    async def _take_away(self) -> None:
        while True:
            await self._pause(20_000)
            self.outages += 1
            self.is_away = True
            await self._pause(45)
            self.is_away = False

    # The promises

    def watch(self, letter: Letter) -> None:
        """What a provider was handed must have been allowed a moment ago."""
        now, purpose = self.town.now(), letter.purpose
        if purpose == "receipt":
            uid = letter.key.split(":")[1]
            self._must(uid in self.ever_paid, f"a receipt without money: {letter.key}", now)
        known = {each.value: each for each in Purpose}.get(purpose)
        if known is None or MANNERS[known].is_exempt:
            return
        since = self.silent_since.get((letter.channel.value, letter.to))
        is_late = since is not None and now - since > _NOTICED
        self._must(not is_late, f"written to after a stop: {letter.key}", now)
        if known not in ASKING:
            return
        for uid in letter.uids:
            settled = self.settled_since.get(self.town.payment_of(uid))
            is_late = settled is not None and now - settled > _NOTICED
            self._must(not is_late, f"asked for what is settled: {letter.key}", now)
        if known is Purpose.REMINDER:
            local = now.astimezone(ZONE)
            is_open = any(
                each.weekday() != _SUNDAY and 9 <= each.hour < 18
                for each in (local, local - _NOTICED)
            )
            self._must(is_open, f"reminded on {local:%A %H:%M}", now)
            whose = self.town.links[letter.uids[0]].phone
            rows = self.reminded.setdefault((whose, local.date()), set())
            rows.add(letter.key.rpartition(":")[0])
            self._must(len(rows) <= 1, f"reminded twice on a day: {sorted(rows)}", now)

    def _must(self, holds: bool, what: str, at: datetime) -> None:
        if not holds:
            self.end(BrokenError(f"{what} at {at:%d %H:%M:%S}"))

    def check_end(self) -> None:
        """In calm times everything owed is done, and nothing that was acknowledged is missing."""
        now = self.town.now()
        with self.engine.begin() as conn:
            check_books(Tx(conn, now, True), self.ever_paid)
            self._check_inbox(conn)
            self._check_schedules(conn)
            late = outbox.c.not_before < now - _AT_REST
            left = conn.execute(
                sa.select(outbox.c.key, outbox.c.status).where(
                    (outbox.c.status == "sending") | ((outbox.c.status == "pending") & late)
                )
            ).all()
            self._must(not left, f"not at rest: {left[:5]}", now)
            paid = conn.execute(
                sa.select(link_table.c.uid).where(link_table.c.status == "paid")
            ).scalars()
            had = {
                each.key.split(":")[1] for each in self.town.letters if each.purpose == "receipt"
            }
            told = {
                row.key.split(":")[1]
                for row in conn.execute(
                    sa.select(outbox.c.key).where(
                        outbox.c.purpose == "receipt", outbox.c.status.in_(["dead", "uncertain"])
                    )
                )
            }
            missing = [uid for uid in paid if uid not in had | told]
            self._must(not missing, f"no receipt and nobody told: {missing}", now)
            decided = set(
                conn.execute(sa.select(payment.c.id).where(payment.c.is_multi_link)).scalars()
            )
            two = {
                each: uids for each, uids in self.town.seen.items()
                if len(uids) > 1 and each not in decided
            }  # fmt: skip
            self._must(not two, f"two links in hand for one debt: {two}", now)

    def _check_schedules(self, conn: sa.Connection) -> None:
        """Each period that came has its payment or a reason, and no payment is of no period."""
        now = self.town.now()
        runs = conn.execute(sa.select(schedule_run)).all()
        made = [row.payment_id for row in runs if row.state == "made"]
        known = set(conn.execute(sa.select(payment.c.id)).scalars())
        lost = [each for each in made if each not in known]
        self._must(
            not lost and len(set(made)) == len(made), f"periods without payment: {lost}", now
        )
        by_rule = payment.c.created_by.startswith(PAYMENT_PREFIX)
        of_rules = set(conn.execute(sa.select(payment.c.id).where(by_rule)).scalars())
        self._must(of_rules == set(made), f"of no period: {sorted(of_rules ^ set(made))}", now)
        forgotten = conn.execute(
            sa.select(schedule.c.id).where(
                schedule.c.status == "active", schedule.c.next_at < now - _AT_REST
            )
        ).all()
        self._must(not forgotten, f"schedules that stand still: {forgotten}", now)

    def _check_inbox(self, conn: sa.Connection) -> None:
        now = self.town.now()
        rows = conn.execute(sa.select(inbox_table.c.body, inbox_table.c.status)).all()
        open_ones = [row for row in rows if row.status not in ("done", "held")]
        self._must(not open_ones, f"not handled: {open_ones[:3]}", now)
        bodies = {row.body for row in rows}
        lost = [each.body for each in self.acknowledged if each.body not in bodies]
        self._must(not lost, f"acknowledged and lost: {lost[:3]}", now)
        booked = set(conn.execute(sa.select(fact.c.uid)).scalars())
        reported = {
            uid for uid in self.town.links for each in self.acknowledged
            if each.source is Source.MIGO and f'"{uid}"'.encode() in each.body
        }  # fmt: skip
        self._must(reported <= booked, f"no fact of {sorted(reported - booked)[:5]}", now)

    @property
    def fired(self) -> int:
        """How many payments schedules have made."""
        is_made = schedule_run.c.state == "made"
        with self.engine.begin() as conn:
            statement = sa.select(sa.func.count()).select_from(schedule_run).where(is_made)
            return int(conn.execute(statement).scalar_one())

    def _digest(self) -> str:
        """All that happened, as one number."""
        told = hashlib.sha256()
        for letter in self.town.letters:
            told.update(repr(letter).encode())
        with self.engine.begin() as conn:
            for table in metadata.sorted_tables:
                rows = conn.execute(table.select().order_by(*table.primary_key))
                told.update(repr([tuple(row) for row in rows]).encode())
        return told.hexdigest()[:12]


@contextmanager
def _on_its_clock(loop: VirtualLoop, tokens: Iterator[str]) -> Iterator[None]:
    clock = SimpleNamespace(monotonic=loop.time)
    with (
        mock.patch.object(secrets, "token_urlsafe", side_effect=lambda size: next(tokens)),
        mock.patch.object(relay, "time", clock),
        mock.patch.object(holding, "time", clock),
        mock.patch.object(relay, "_BEAT_S", _POLL_S),
    ):
        yield


def tell(seed: int, *, is_one_day: bool = False) -> Story:
    """Live one story to its end, or its first day.

    Raises:
        AssertionError: a promise was broken, as told.
    """
    story = Story(seed)

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            story.end(error)

    story.loop.set_exception_handler(note)
    asyncio.set_event_loop(story.loop)
    try:
        with _on_its_clock(story.loop, story.tokens):
            try:
                story.loop.run_until_complete(story.live(is_one_day=is_one_day))
                if not is_one_day:
                    story.check_end()
            except RuntimeError:
                if not story.broken:
                    raise
            if story.broken:
                raise story.broken[0]
    finally:
        _bury(story.loop)
    return story


def _bury(loop: VirtualLoop) -> None:
    """End what the dead left waiting; what ends may wait for something again."""
    loop.set_exception_handler(lambda *_: None)
    for _ in range(_BURIALS):
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with suppress(asyncio.CancelledError, RuntimeError):
            loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    asyncio.set_event_loop(None)


async def simulate(*, stories: int, first_seed: int, is_replayed: bool = True) -> Report:
    """Tell so many stories, and the first day of the first one once more."""
    # In a thread of its own, for there the virtual loop is the only one.
    return await asyncio.to_thread(_simulate, stories, first_seed, is_replayed)


def _simulate(stories: int, first_seed: int, is_replayed: bool) -> Report:
    report = Report("virtual", {"seed": first_seed})
    first_days: list[str] = []
    figures: Counter[str] = Counter()
    broken: list[str] = []
    for seed in shown(range(first_seed, first_seed + stories), "stories"):
        try:
            story = tell(seed)
        except Exception as error:  # noqa: BLE001 - the others are told all the same
            broken.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
            continue
        first_days.append(story.first_day)
        figures.update(
            days=DAYS, transactions=story.transactions, messages=len(story.town.letters),
            telegrams=sum(each.channel is ChannelName.TELEGRAM for each in story.town.letters),
            links=len(story.town.links), paid=len(story.ever_paid), kills=story.kills,
            outages=story.outages, fired=story.fired, faults=sum(story.town.faults.values()),
        )  # fmt: skip
    report.figures |= {"stories": stories, **figures}
    report.none_of("broken", broken)
    for name in ("messages", "telegrams", "paid", "fired", "kills", "outages", "faults"):
        report.must_bite(figures[name], f"no {name}")
    if is_replayed and not broken:
        again = tell(first_seed, is_one_day=True).first_day
        report.must(again == first_days[0], "the same seed told two stories")
        report.figures["digest"] = again
    return report
