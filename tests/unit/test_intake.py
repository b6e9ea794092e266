"""The loop over the inbox: what cannot be handled is set aside, and everything else flows."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.coordination.local import LocalCoordination
from bot.domain.payment import Alert
from bot.handlers import chat
from bot.intake import MAX_ATTEMPTS, Event, Intake
from bot.store import inbox
from bot.store.inbox import InboxItem, Received, Source
from bot.store.schema import metadata
from bot.telemetry.metrics import Metrics
from channels.base import Address, ChannelName, DeliveryReport, DeliveryState, InboundMessage
from channels.errors import MalformedError
from tests.contract.world import World
from tests.services import eventually

LATER_S = 600


class Letters:
    """An inbox on SQLite; a body says by its first word what its reader makes of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._numbers = itertools.count(1)

    async def come(self, *bodies: str, source: Source = Source.TWILIO_INBOUND) -> None:
        received = [
            Received(source, f"event {next(self._numbers)}", "/", {}, body.encode())
            for body in bodies
        ]
        await self.world.run(lambda tx: inbox.record(tx, received))

    async def ends(self) -> dict[str, tuple[str, int]]:
        rows = await self.world.select("select body, status, attempts from inbox")
        return {
            bytes(body).decode(): (str(status), int(str(attempts)))  # type: ignore[call-overload]
            for body, status, attempts in rows
        }

    async def until(self, body: str, status: str, attempts: int) -> None:
        async def is_so() -> bool:
            return (await self.ends())[body] == (status, attempts)

        await eventually(is_so)

    def read(self, item: InboxItem) -> Sequence[Event]:
        what, _, rest = item.body.decode().partition(" ")
        sender = Address(ChannelName.SMS, "+50255551234")
        match what:
            case "message" | "poison":
                return [InboundMessage("e", sender, what)]
            case "report":
                return [DeliveryReport("e", rest, DeliveryState.DELIVERED)]
            case "bug":
                raise IndexError("the reader has a fault")
            case _:
                raise MalformedError("not what it claims")

    @asynccontextmanager
    async def taking_in(self) -> AsyncIterator[None]:
        intake = Intake(
            self.world.store,
            self.world.rules,
            LocalCoordination(),
            readers=dict.fromkeys((Source.MIGO, Source.TWILIO_INBOUND), self.read),
            new_token=lambda: f"token{next(self._numbers)}",
            clock=self.world.clock,
            metrics=Metrics(),
        )
        task = asyncio.create_task(intake.run())
        try:
            yield
        finally:
            intake.stop()
            async with asyncio.timeout(10):
                await task


@pytest.fixture
async def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Letters]:
    monkeypatch.setattr("bot.intake._POLL_S", 0.02)
    world = World(f"sqlite:///{tmp_path}/paybot.db")
    world.store.open()
    metadata.create_all(world.store.engine)
    yield Letters(world)
    await world.store.close()


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handling a message that says poison fails, whenever it is tried."""
    on_message = chat.on_message

    def failing(tx: object, rules: object, message: InboundMessage, **rest: object) -> None:
        on_message(tx, rules, message, **rest)  # type: ignore[arg-type]
        if message.text == "poison":
            raise ZeroDivisionError("a bug in a handler")

    monkeypatch.setattr(chat, "on_message", failing)


@pytest.mark.parametrize("bad", ["poison", "bug"])
async def test_what_always_fails_is_set_aside_and_the_rest_flows(
    letters: Letters, poisoned: None, bad: str
) -> None:
    await letters.come(bad, "message 1")
    async with letters.taking_in():
        await letters.until("message 1", "done", 1)
        for attempt in range(1, MAX_ATTEMPTS):
            await letters.until(bad, "new", attempt)
            await letters.come(f"message after {attempt}")
            await letters.until(f"message after {attempt}", "done", 1)
            letters.world.clock.advance(seconds=LATER_S)
        await letters.until(bad, "dead", MAX_ATTEMPTS)
    assert (await letters.world.alerts()).count(Alert.UNREADABLE) == 1


async def test_what_failed_leaves_nothing_behind(letters: Letters, poisoned: None) -> None:
    await letters.come("poison")
    async with letters.taking_in():
        await letters.until("poison", "new", 1)
    assert await letters.world.select("select key from outbox where purpose = 'reply'") == []


async def test_a_report_that_is_too_early_is_looked_at_again(letters: Letters) -> None:
    world = letters.world
    await letters.come("report SM1")
    async with letters.taking_in():
        await letters.until("report SM1", "new", 1)
        payment = await world.create(("sms",))
        await world.make_link("u1")
        await world.accept("sms", "SM1")
        world.clock.advance(seconds=LATER_S)
        await letters.until("report SM1", "done", 2)
    [message] = await world.outbox(payment.id, "link")
    assert message.delivery == "delivered"


async def test_a_report_on_what_nobody_sent_is_let_go_without_an_alert(letters: Letters) -> None:
    await letters.come("report SM-unknown")
    async with letters.taking_in():
        for attempt in range(1, 5):
            await letters.until("report SM-unknown", "new", attempt)
            letters.world.clock.advance(seconds=LATER_S)
        await letters.until("report SM-unknown", "done", 5)
    assert await letters.world.alerts() == []


@pytest.mark.parametrize(
    ("source", "alerts"), [(Source.MIGO, ["unreadable"]), (Source.TWILIO_INBOUND, [])]
)
async def test_what_cannot_be_read_is_held_and_money_is_told(
    letters: Letters, source: Source, alerts: list[str]
) -> None:
    await letters.come("garbage", source=source)
    async with letters.taking_in():
        await letters.until("garbage", "held", 1)
    assert [kind.value for kind in await letters.world.alerts()] == alerts


async def test_what_is_for_a_channel_that_is_off_is_held(letters: Letters) -> None:
    await letters.come("message", source=Source.TELEGRAM)
    async with letters.taking_in():
        await letters.until("message", "held", 1)


async def test_a_database_that_fails_for_a_moment_stops_nothing(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failures = inbox.claim, itertools.count(3, -1)

    def failing(*args: object, **options: object) -> list[InboxItem]:
        if next(failures) > 0:
            raise OSError("away")
        return claim(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "claim", failing)
    await letters.come("message")
    async with letters.taking_in():
        await letters.until("message", "done", 1)
