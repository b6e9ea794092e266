"""Outbox rows and fakes for the dispatcher."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.dispatcher import Composer, Dispatcher, Sending
from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import Customer, Link, LinkStatus, Payment, PaymentId, PaymentStatus
from bot.migo import CreateLink, LinkCreated
from bot.store.attempts import Attempt
from bot.store.claims import OutboxItem
from bot.store.outbox import CREATE_LINK, MIGO_LANE, SEND
from bot.texts import Texts
from channels.base import Accepted, Channel, ChannelName, Limits, OutboundMessage

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PHONE = "+50255551234"
URL = "https://pay.example/?orderId=u1"
PUBLIC = "https://bot.example"
ROOMY = Limits(text_chars=4000, reports_delivery=True)

_TEXTS = Texts(merchant="Tienda", overrides=None, default_locale="es")
_PAYMENT_ID = PaymentId("pay_1")
_PAYMENT = Payment(
    id=_PAYMENT_ID,
    customer_id=1,
    money=Money(15000, "GTQ"),
    status=PaymentStatus.LINKED,
    route=("sms",),
    concept="Mensualidad",
    external_id="INV-1",
    created_by="api",
    created_at=NOW,
    version=1,
)
_MESSAGE = OutboxItem(
    id=7,
    kind=SEND,
    lane="sms",
    key="link:1",
    purpose=Purpose.LINK,
    channel=ChannelName.SMS,
    address=PHONE,
    route_left=(),
    payload={},
    attempts=1,
    tries=1,
    uncertain_count=0,
    looks_left=0,
    token="t",
    created_at=NOW - timedelta(minutes=1),
    not_before=NOW,
    give_up_at=NOW + timedelta(hours=24),
    payment=_PAYMENT,
    customer=Customer(1, PHONE, name="Ana", email="ana@example.com", locale="es"),
    link=Link(1, _PAYMENT_ID, 1, "u1", "REF1", URL, "sms", LinkStatus.OPEN),
    attempt=None,
    last_inbound_at=None,
    reach="ok",
    is_opted_out=False,
)


def message_item(channel: ChannelName = ChannelName.SMS, **changes: object) -> OutboxItem:
    """A link message, claimed for its first try."""
    fields: dict[str, Any] = {"channel": channel, "lane": channel.value, **changes}
    return _MESSAGE._replace(**fields)


def create_item(**changes: object) -> OutboxItem:
    """A link to be made."""
    fields: dict[str, Any] = {
        "kind": CREATE_LINK,
        "lane": MIGO_LANE,
        "key": "create:pay_1:2",
        "purpose": None,
        "channel": None,
        "address": None,
        "link": None,
        "attempt": Attempt(2, _PAYMENT_ID, 2, "sms", "sms", "sending"),
        **changes,
    }
    return _MESSAGE._replace(**fields)


class FakeChannel:
    """Accepts, or raises what it was told to; remembers each call."""

    def __init__(
        self,
        name: ChannelName = ChannelName.SMS,
        limits: Limits = ROOMY,
        end: Exception | None = None,
    ) -> None:
        self.name = name
        self.limits = limits
        self.end = end
        self.sent: list[tuple[OutboundMessage, str]] = []

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        self.sent.append((message, idempotency_key))
        if self.end is not None:
            raise self.end
        return Accepted(f"id{len(self.sent)}", NOW)

    async def aclose(self) -> None:
        """Hold nothing."""


class AskableChannel(FakeChannel):
    """One that can also be asked what it sent."""

    found: Sequence[str] | Exception = ()

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[datetime] = []

    async def find_sent(self, message: OutboundMessage, *, since: datetime) -> Sequence[str]:
        self.asked.append(since)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class FakeMigo:
    """Makes a link, or raises what it was told to."""

    def __init__(self, end: Exception | None = None) -> None:
        self.end = end
        self.wanted: list[CreateLink] = []

    async def create_link(self, wanted: CreateLink) -> LinkCreated:
        self.wanted.append(wanted)
        if self.end is not None:
            raise self.end
        return LinkCreated("u9", "REF9", "https://pay.example/?orderId=u9")


def dispatcher_of(
    *channels: Channel, migo: FakeMigo | None = None, sending: Sending | None = None
) -> Dispatcher:
    """A dispatcher over these, without approved templates."""
    return Dispatcher(
        channels={channel.name: channel for channel in channels},
        migo=migo or FakeMigo(),
        composer=Composer(_TEXTS, None, locale="es", time_zone="UTC"),
        sending=sending or Sending(public_url=PUBLIC),
        clock=lambda: NOW,
        locale="es",
    )


def texts_of(channel: FakeChannel) -> Sequence[str]:
    return [message.text for message, _ in channel.sent]
