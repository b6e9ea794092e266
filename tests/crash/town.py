"""A merchant's little town for a simulation: Migo, couriers, phones and people, all by one chance.

Everything outside of the service lives here. Nothing in it is shared with what it tests but the
types of the ports.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from bot.migo import CreateLink, LinkCreated, NotCreatedError, UnknownOutcomeError
from bot.migo.errors import CustomerBlockedError
from bot.store.inbox import Received, Source
from channels.base import (
    Accepted,
    Address,
    ChannelName,
    DeliveryReport,
    DeliveryState,
    InboundEvent,
    InboundMessage,
    Limits,
    OutboundMessage,
    Refusal,
    SharedContact,
)
from channels.errors import NotSentError, RejectedError, UncertainError

START = datetime(2026, 3, 2, 13, tzinfo=UTC)
PHONES = tuple(f"+5025555{number:04}" for number in range(1, 31))
CHATS = {phone: f"90{phone[-4:]}" for phone in PHONES[:12]}
"""Who has Telegram, and the chat there once they pressed start."""
_URL = re.compile(r"https://pay\.example/(u[0-9]+)")
_SAID = (
    *("hola", "saldo", "ya pagué", "el viernes", "mañana", "recibo", "PAGAR"),
    *("ALTO", "STOP", "NO RECONOZCO", "persona", "START"),
)
_SOURCES = {
    ChannelName.WHATSAPP: Source.TWILIO_INBOUND,
    ChannelName.SMS: Source.TWILIO_INBOUND,
    ChannelName.TELEGRAM: Source.TELEGRAM,
}
_READERS = {*PHONES, *CHATS.values()}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that a provider took: when, over what, whose row it is, and the links in it."""

    at: datetime
    channel: ChannelName
    to: str
    key: str
    provider_id: str
    text: str
    uids: tuple[str, ...]

    @property
    def purpose(self) -> str:
        return self.key.partition(":")[0]


@dataclass(slots=True)
class Town:
    """The world around the service; `put` hands what it says to the service's door."""

    chance: Random
    loop: asyncio.AbstractEventLoop
    put: Callable[[Received], None]
    migo_writes: bool
    """Whether Migo itself messages the customer."""
    start: datetime = START
    is_calm: bool = False
    letters: list[Letter] = field(default_factory=list)
    links: dict[str, CreateLink] = field(default_factory=dict)
    events: dict[str, InboundEvent] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    """Of each payment the links that somebody has in hand."""
    faults: dict[str, int] = field(default_factory=dict)
    watch: Callable[["Letter"], None] = lambda letter: None
    _number: int = 0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.loop.time())

    def next(self) -> int:
        self._number += 1
        return self._number

    def is_so(self, share: float) -> bool:
        return self.chance.random() < share

    def fault(self, *weighted: tuple[str, float]) -> str | None:
        """One of these faults by its share, or none; never one in calm times."""
        drawn = self.chance.random()
        for name, share in weighted:
            drawn -= share
            if drawn < 0:
                if self.is_calm:
                    return None
                self.faults[name] = self.faults.get(name, 0) + 1
                return name
        return None

    async def take_time(self) -> None:
        """A call on its way: mostly quick, seldom very slow."""
        await asyncio.sleep(self.chance.expovariate(2) + (40 if self.is_so(0.01) else 0))

    def later(self, mean_s: float, act: Callable[[], None]) -> None:
        self.loop.call_later(self.chance.expovariate(1 / mean_s), act)

    # Migo

    async def create_link(self, wanted: CreateLink) -> LinkCreated:
        """Make a link, or not, and say so, or not."""
        await self.take_time()
        fault = self.fault(
            ("migo refused", 0.01), ("migo not made", 0.05), ("migo lost before", 0.03),
            ("migo lost after", 0.04),
        )  # fmt: skip
        if fault == "migo refused":
            raise CustomerBlockedError
        if fault == "migo not made":
            raise NotCreatedError(http_status=503)
        if fault == "migo lost before":
            raise UnknownOutcomeError
        uid = f"u{self.next()}"
        self.links[uid] = wanted
        if self.migo_writes:
            self.later(600, lambda: self._see(uid))
        await self.take_time()
        if fault == "migo lost after":
            raise UnknownOutcomeError
        return LinkCreated(uid, f"ref{uid}", f"https://pay.example/{uid}")

    def _see(self, uid: str) -> None:
        """Somebody looks at a link, and perhaps pays, now or much later."""
        self.seen.setdefault(self.payment_of(uid), set()).add(uid)
        if self.is_calm or not self.is_so(0.35):
            return
        self.later(self.chance.choice((60, 3600, 40_000)), lambda: self._pay(uid))

    def payment_of(self, uid: str) -> str:
        return self.links[uid].external_id.rpartition(".")[0]

    def _pay(self, uid: str) -> None:
        wanted = self.links[uid]
        amount = wanted.money.minor / 100
        if self.is_so(0.2):
            self._report(uid, "denied", amount)
            if self.is_so(0.3):
                return
        self._report(uid, "approved", amount if self.is_so(0.95) else amount - 1)
        if self.is_so(0.05):
            back = self.chance.choice(("refunded", "reversed"))
            self.later(30_000, lambda: self._report(uid, back, amount))

    def _report(self, uid: str, status: str, amount: float) -> None:
        """Tell of a payment, once or more often, soon or late, with our name in it or not."""
        told: dict[str, object] = {
            "uid": uid,
            "status": status,
            "amount": f"{amount:.2f}",
            "currency": "GTQ",
        }
        if self.is_so(0.7):
            told["customKeys"] = {"externalId": self.links[uid].external_id}
        received = Received(Source.MIGO, None, "/", {}, json.dumps(told).encode())
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            self.later(self.chance.choice((1, 5, 300)), lambda: self.put(received))

    # Couriers and phones

    def take(self, channel: ChannelName, message: OutboundMessage, key: str) -> str:
        """A provider takes a message; some time later it arrives, or does not."""
        uids = tuple(dict.fromkeys(_URL.findall(message.text)))
        provider_id = f"m{self.next()}"
        letter = Letter(self.now(), channel, message.to.value, key, provider_id, message.text, uids)
        self.letters.append(letter)
        self.watch(letter)
        self.later(20, lambda: self._arrive(letter))
        return provider_id

    def _arrive(self, letter: Letter) -> None:
        fault = self.fault(("undelivered", 0.06), ("no report", 0.06))
        reports = letter.channel in (ChannelName.WHATSAPP, ChannelName.SMS)
        if fault == "undelivered":
            if reports:
                refusal = self.chance.choice((Refusal.ADDRESS, Refusal.TEMPORARY))
                self._report_of(letter, DeliveryState.UNDELIVERED, refusal)
            return
        if reports and fault is None:
            self._report_of(letter, DeliveryState.DELIVERED, None)
        for uid in letter.uids:
            self._see(uid)
        if not self.is_calm and self.is_so(0.12) and letter.to in _READERS:
            words = self.chance.choice(_SAID)
            self.later(600, lambda: self.write(letter.channel, letter.to, words))

    def _report_of(self, letter: Letter, state: DeliveryState, refusal: Refusal | None) -> None:
        for _ in range(self.chance.choice((1, 1, 2))):
            name = f"{letter.provider_id}.{state.value}"
            self.hear(
                Source.TWILIO_STATUS,
                DeliveryReport(name, letter.provider_id, state, self.now(), refusal=refusal),
            )

    def write(
        self, channel: ChannelName, who: str, words: str, contact: SharedContact | None = None
    ) -> None:
        """A customer writes to the merchant, or shares a contact."""
        source = _SOURCES.get(channel)
        if source is not None:
            event = InboundMessage(
                f"in{self.next()}", Address(channel, who), words, at=self.now(), contact=contact
            )
            self.hear(source, event)

    def join_telegram(self, phone: str) -> None:
        """A customer presses start and tells their number."""
        contact = SharedContact(phone, is_own=True)
        self.write(ChannelName.TELEGRAM, CHATS[phone], "", contact)

    def hear(self, source: Source, event: InboundEvent) -> None:
        self.events[event.event_id] = event
        self.put(Received(source, event.event_id, "/", {}, event.event_id.encode()))


class Courier:
    """One channel's provider, which fails in every way that its port knows."""

    def __init__(self, town: Town, name: ChannelName, limits: Limits) -> None:
        self._town, self.name, self.limits = town, name, limits

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        town = self._town
        await town.take_time()
        fault = town.fault(
            ("not sent", 0.05), ("asked to wait", 0.02), ("rejected", 0.02),
            ("lost before", 0.02), ("lost after", 0.03),
        )  # fmt: skip
        match fault:
            case "not sent":
                raise NotSentError("no connection")
            case "asked to wait":
                raise NotSentError("429", retry_after_s=30.0)
            case "rejected":
                refusal = town.chance.choice((Refusal.ADDRESS, Refusal.CONTENT, Refusal.OPTED_OUT))
                raise RejectedError("no", refusal=refusal, code="1")
            case "lost before":
                raise UncertainError("reset")
        provider_id = town.take(self.name, message, idempotency_key)
        await town.take_time()
        if fault == "lost after":
            raise UncertainError("reset")
        return Accepted(provider_id, town.now())

    async def aclose(self) -> None:
        """Nothing is open."""


class FindingCourier(Courier):
    """A provider that can be asked what it took."""

    async def find_sent(self, message: OutboundMessage, *, since: datetime) -> Sequence[str]:
        await self._town.take_time()
        if self._town.fault(("cannot look", 0.1)):
            raise NotSentError("no connection")
        return list(self._found(message, since))

    def _found(self, message: OutboundMessage, since: datetime) -> Iterator[str]:
        for letter in reversed(self._town.letters):
            is_same = (letter.channel, letter.to) == (self.name, message.to.value)
            if is_same and letter.text == message.text and letter.at >= since:
                yield letter.provider_id
