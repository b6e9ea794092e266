"""Time passing for the books: everything due is claimed and taken, and what went out is kept."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.domain.delivery import Done, LinkMade, Outcome, Purpose, Sent
from bot.domain.payment import Payment
from bot.store import outbox
from bot.store.claims import OutboxItem
from bot.store.outbox import MIGO_LANE
from channels.base import ChannelName, DeliveryState
from tests.contract.world import World

MORNING = datetime(2026, 1, 5, 16, tzinfo=UTC)
"""A Monday, ten in the morning in Guatemala."""


@dataclass(slots=True)
class Went:
    """A reminder that a provider took."""

    at: datetime
    payment_ids: tuple[str, ...]
    channel: str
    tone: str
    to: str

    @property
    def payment_id(self) -> str:
        return self.payment_ids[0]


@dataclass(slots=True)
class Life:
    """Days in the life of the books."""

    world: World
    went: list[Went] = field(default_factory=list)
    lanes: tuple[str, ...] = (MIGO_LANE, *(channel.value for channel in ChannelName))

    async def create(self, **details: object) -> Payment:
        return await self.world.create(**{"reminders": "default", **details})  # type: ignore[arg-type]

    async def settle(self, item: OutboxItem) -> None:
        await self.world.settle(item, self._end(item))
        if item.channel is not None and item.channel in self.world.rules.reports:
            await self.world.provider_says(f"out {item.id}:{item.tries}", DeliveryState.DELIVERED)

    def _end(self, item: OutboxItem) -> Outcome:
        if item.purpose is None:
            name = f"u{item.id}"
            return Done(LinkMade(name, None, f"https://pay.example/{name}"))
        return Done(Sent(f"out {item.id}:{item.tries}", self.world.clock.now))

    async def work(self) -> datetime | None:
        """Do all that is due now; tell when the next is."""
        while True:
            items = await self.world.claim_all(*self.lanes, limit=100)
            for item in items:
                self._note(item)
                await self.settle(item)
            if items:
                continue
            at = await self.next_due()
            if at is None or at > self.world.clock.now:
                return at

    def _note(self, item: OutboxItem) -> None:
        if item.purpose is not Purpose.REMINDER or item.payment is None:
            return
        along = item.payload.get("with", [])
        assert isinstance(along, list)
        self.went.append(
            Went(
                self.world.clock.now,
                (item.payment.id, *map(str, along)),
                str(item.channel),
                str(item.payload["tone"]),
                str(item.address),
            )
        )

    async def next_due(self) -> datetime | None:
        found = await self.world.run(lambda tx: [outbox.next_due(tx, lane) for lane in self.lanes])
        return min((at for at in found if at is not None), default=None)

    async def until(self, end: datetime) -> None:
        """Live on until then, waking only when something is due."""
        at = await self.work()
        while at is not None and at <= end:
            self.world.clock.now = max(at, self.world.clock.now)
            at = await self.work()
        self.world.clock.now = max(end, self.world.clock.now)

    async def days(self, number: float) -> None:
        await self.until(self.world.clock.now + timedelta(days=number))

    def local_dates(self, zone: ZoneInfo) -> list[str]:
        return [went.at.astimezone(zone).date().isoformat() for went in self.went]
