"""What is heard from providers, and who reads it: the inbound channels and a reader a source."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from bot.handlers.facts import Report
from bot.intake import Reader
from bot.migo import AmountUnit, CallbackError, parse_callback
from bot.settings import Settings
from bot.store.inbox import InboxItem, Source
from channels.base import Channel, ChannelName, InboundChannel, InboundEvent, RawRequest
from channels.errors import MalformedError


@runtime_checkable
class TelegramSource(Protocol):
    """What the app needs of the Telegram channel beside sending."""

    async def poll(self, store: Callable[[Sequence[RawRequest]], Awaitable[None]]) -> None:
        """Fetch updates for ever; confirm them only after `store` returned."""

    async def set_webhook(self, url: str) -> None:
        """Have updates sent to `url`."""

    def cover(self, request: RawRequest, hide: Callable[[str], str]) -> bytes:
        """See `InboundChannel.cover`."""


def twilio_channel(channels: Mapping[ChannelName, Channel]) -> InboundChannel | None:
    """Either Twilio channel: both prove and read the same requests."""
    for name in (ChannelName.WHATSAPP, ChannelName.SMS):
        channel = channels.get(name)
        if isinstance(channel, InboundChannel):
            return channel
    return None


def telegram_webhook(
    settings: Settings, channels: Mapping[ChannelName, Channel]
) -> InboundChannel | None:
    """The Telegram channel, if Telegram calls us rather than being polled."""
    channel = channels.get(ChannelName.TELEGRAM)
    if settings.telegram.webhook_secret is None or not isinstance(channel, InboundChannel):
        return None
    return channel


def update_id(raw: RawRequest) -> str:
    """Telegram's own id of a polled update."""
    return str(json.loads(raw.body)["update_id"])


def readers(settings: Settings, channels: Mapping[ChannelName, Channel]) -> Mapping[Source, Reader]:
    """How each source's bytes are read."""
    unit, client = AmountUnit(settings.migo.amount_unit), settings.migo.client
    found: dict[Source, Reader] = {Source.MIGO: lambda item: [read_report(item, unit, client)]}
    twilio = twilio_channel(channels)
    if twilio is not None:
        found[Source.TWILIO_STATUS] = _reader(twilio)
        found[Source.TWILIO_INBOUND] = _reader(twilio)
    telegram = channels.get(ChannelName.TELEGRAM)
    if isinstance(telegram, InboundChannel):
        found[Source.TELEGRAM] = _reader(telegram)
    return found


def _reader(channel: InboundChannel) -> Callable[[InboxItem], Sequence[InboundEvent]]:
    return lambda item: channel.parse(RawRequest(item.url, item.headers, item.body))


def read_report(item: InboxItem, unit: AmountUnit, client: str | None = None) -> Report:
    """Read a payment callback.

    Raises:
        MalformedError: its bytes cannot be read, or it names another merchant than `client`.
    """
    try:
        callback = parse_callback(item.body, unit=unit)
    except CallbackError as error:
        raise MalformedError(str(error)) from error
    # Migo promises no such field: only where it is there can it be another's.
    named = callback.client
    if named is not None and client is not None and named.casefold() != client.casefold():
        raise MalformedError("it is for another merchant than MIGO_CLIENT")
    return Report(
        uid=callback.uid,
        status=callback.status,
        raw_status=callback.status_text,
        money=callback.money,
        external_id=None if callback.external_id is None else str(callback.external_id),
        reference=callback.reference,
        body_hash=callback.body_hash,
        inbox_id=item.id,
        received_at=item.received_at,
    )
