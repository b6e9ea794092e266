"""Performs one outbox item: makes a link, or words a message and hands it to its channel.

What comes back is an `Outcome`, a value. It never touches the database, so it cannot half-write it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bot.dispatcher.compose import Composer
from bot.dispatcher.picture import with_chart
from bot.domain.bulk import BulkRow, FileError
from bot.domain.delivery import (
    Asked,
    Done,
    FileFetched,
    Found,
    LinkMade,
    MenuSet,
    Outcome,
    Refused,
    RetryLater,
    Sent,
    Uncertain,
    Unfound,
)
from bot.migo import CreateLink, LinkCreated, NotCreatedError, RefusedError, UnknownOutcomeError
from bot.store import claims, outbox
from bot.store.claims import OutboxItem
from channels.base import (
    Address,
    Channel,
    ChannelName,
    DeliveryReport,
    OutboundMessage,
    Refusal,
)
from channels.errors import (
    ChannelError,
    NotSentError,
    RejectedError,
    UncertainError,
    UnsupportedError,
)

_CLOCKS_DIFFER = timedelta(minutes=1)
"""How far a provider's clock may be behind ours."""


class CreatesLinks(Protocol):
    """What the dispatcher needs of the Migo client."""

    async def create_link(self, wanted: CreateLink) -> LinkCreated:
        """Make one link, once."""


@runtime_checkable
class HasMenu(Protocol):
    """A channel whose app shows a menu of commands."""

    async def set_commands(
        self,
        commands: Mapping[str, str],
        *,
        language_code: str | None = None,
        chat_id: str | None = None,
    ) -> None:
        """Set the menu for everybody, for a language, or for one chat."""


@runtime_checkable
class FindsSent(Protocol):
    """A channel whose provider can be asked whether a message left."""

    async def find_sent(self, message: OutboundMessage, *, since: datetime) -> Sequence[str]:
        """The provider's ids of such messages sent since then, latest first."""


@runtime_checkable
class FetchesReports(Protocol):
    """A channel whose provider can be asked for its last word on a message."""

    async def fetch_report(self, provider_id: str) -> DeliveryReport | None:
        """What it says now; None for a status that is not known."""


@runtime_checkable
class HasFiles(Protocol):
    """A channel where people can send files."""

    async def fetch_file(self, file_id: str) -> bytes:
        """The content of one, bounded in size."""


@runtime_checkable
class HasStartLink(Protocol):
    """A channel that is opened by a link which carries a token."""

    async def start_link(self, payload: str) -> str:
        """The page that opens it."""


CheckFile = Callable[[bytes], Sequence[BulkRow] | FileError]
"""Reads and checks the bytes of a bulk file; slow, hence called in a thread."""


class SendMode(StrEnum):
    """What becomes of messages."""

    LIVE = "live"
    """They go where they should."""
    DRY = "dry"
    """They are worded and then go nowhere."""
    REDIRECT = "redirect"
    """They all go to one number."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How messages leave: mode, where redirected ones go, and where providers report."""

    public_url: str
    mode: SendMode = SendMode.LIVE
    redirect_to: str | None = None


class Dispatcher:
    """Performs outbox items."""

    def __init__(
        self,
        *,
        channels: Mapping[ChannelName, Channel],
        migo: CreatesLinks,
        composer: Composer,
        sending: Sending,
        clock: Callable[[], datetime],
        locale: str,
        check_file: CheckFile | None = None,
    ) -> None:
        """Take what it needs.

        Args:
            channels: the couriers that are on.
            migo: makes links.
            composer: words messages.
            sending: mode and URLs.
            clock: the present time.
            locale: the language of reasons that staff read.
            check_file: checks the files that staff send; without it none is fetched.
        """
        self._channels = channels
        self._migo = migo
        self._composer = composer
        self._sending = sending
        self._clock = clock
        self._locale = locale
        self._check_file = check_file

    async def perform(self, item: OutboxItem) -> Outcome:
        """Do one thing, once, without retrying."""
        if item.kind == outbox.CREATE_LINK:
            return await self._create_link(item)
        if item.kind == outbox.SET_COMMANDS:
            return await self._set_commands(item)
        if item.kind == outbox.ASK:
            return await self._ask(item)
        if item.kind == outbox.FETCH_FILE:
            return await self._fetch_file(item)
        token = item.payload.get("start_token")
        return await (self._invite(item, token) if isinstance(token, str) else self._send(item))

    async def _invite(self, item: OutboxItem, token: str) -> Outcome:
        """Send a message with the link that its token makes."""
        telegram: object = self._channels.get(ChannelName.TELEGRAM)
        if not isinstance(telegram, HasStartLink):
            return Refused("Telegram is off", code="off", refusal=Refusal.CONFIG)
        try:
            url = await telegram.start_link(token)
        except (NotSentError, UncertainError) as error:
            return RetryLater(f"the bot's name is not known: {error}", code=error.code)
        except ChannelError as error:
            return _outcome_of(error)
        return await self._send(item._replace(payload={**item.payload, "values": {"url": url}}))

    async def _set_commands(self, item: OutboxItem) -> Outcome:
        channel: object = None if item.channel is None else self._channels.get(item.channel)
        if not isinstance(channel, HasMenu):
            return Refused("this channel has no menu", code="off", refusal=Refusal.CONFIG)
        if self._sending.mode is not SendMode.LIVE:
            return Done(MenuSet())
        language = item.payload.get("language")
        try:
            await channel.set_commands(
                self._composer.menu(item),
                language_code=language if isinstance(language, str) else None,
                chat_id=item.address,
            )
        except ChannelError as error:
            return _outcome_of(error)
        return Done(MenuSet())

    async def _fetch_file(self, item: OutboxItem) -> Outcome:
        channel: object = None if item.channel is None else self._channels.get(item.channel)
        if not isinstance(channel, HasFiles) or self._check_file is None:
            return Refused("this channel has no files", code="off", refusal=Refusal.CONFIG)
        try:
            content = await channel.fetch_file(str(item.payload["file_id"]))
        except ChannelError as error:
            return _outcome_of(error)
        return Done(FileFetched(await asyncio.to_thread(self._check_file, content)))

    async def _create_link(self, item: OutboxItem) -> Outcome:
        payment, customer, attempt = item.payment, item.customer, item.attempt
        if payment is None or customer is None or attempt is None:
            return Refused("this item belongs to no payment", code="broken")
        external_id = f"{payment.id}.{attempt.attempt_no}"
        wanted = CreateLink(
            money=payment.money,
            phone=customer.phone,
            migo_channel=attempt.migo_channel,
            external_id=external_id,
            created_by=payment.created_by,
            custom_keys={} if payment.external_id is None else {"reference": payment.external_id},
            customer_id=str(customer.id),
        )
        try:
            made = await self._migo.create_link(wanted)
        except RefusedError as error:
            refusal = Refusal.CONFIG if error.opens_breaker else None
            return Refused(error.explain(self._locale), code=error.key, refusal=refusal)
        except NotCreatedError as error:
            reason = error.explain(self._locale)
            return RetryLater(reason, code=error.key, after_s=error.retry_after_s)
        except UnknownOutcomeError as error:
            return Uncertain(error.explain(self._locale), code=error.key, uid=error.uid)
        return Done(LinkMade(made.uid, made.reference, made.url))

    async def _send(self, item: OutboxItem) -> Outcome:
        to = claims.resolve(item)
        channel = None if to is None else self._channels.get(to.channel)
        if to is None or channel is None or item.purpose is None:
            return Refused("this channel is off", code="off", refusal=Refusal.CONFIG)
        if self._sending.mode is SendMode.REDIRECT:
            channel, to = self._redirected(channel, to)
        is_open = _window_is_open(channel, item, self._clock())
        try:
            message = self._composer.compose(item, to, channel.limits, is_window_open=is_open)
        except (ValueError, KeyError) as error:
            reason = f"it cannot be worded for {to.channel}: {type(error).__name__}"
            return Refused(reason, code="wording", refusal=Refusal.CONTENT)
        if message is None:
            reason = f"outside the 24-hour window and no approved template for {item.purpose.value}"
            return Refused(reason, code="no_template", refusal=Refusal.TEMPLATE)
        say = self._composer.sayer(item)
        message = await with_chart(item, message, channel.limits, say)
        if channel.limits.reports_delivery:
            message = replace(message, status_url=self._status_url(item))
        if self._sending.mode is SendMode.DRY:
            return Done(Sent(f"dry:{item.id}:{item.tries}", self._clock()))
        if item.looks_left and isinstance(channel, FindsSent):
            found = await self._find_sent(channel, message, item)
            if found is not None:
                return found
        return await _hand_over(channel, message, key=f"{item.key}:{to.channel.value}")

    async def _find_sent(
        self, channel: FindsSent, message: OutboundMessage, item: OutboxItem
    ) -> Outcome | None:
        """Look for an earlier try of this message before sending it again."""
        try:
            found = await channel.find_sent(message, since=item.created_at - _CLOCKS_DIFFER)
        except (NotSentError, RejectedError, UncertainError) as error:
            return RetryLater(f"cannot look for an earlier try: {error}", code=error.code)
        if found:
            hides = message.template is not None and bool(message.template.in_button)
            return Found(found, self._clock(), hides=hides)
        return Unfound() if item.looks_left > 1 else None

    async def _ask(self, item: OutboxItem) -> Outcome:
        """Ask for the last word on a message of which nothing final was heard."""
        channel: object = None if item.channel is None else self._channels.get(item.channel)
        if not isinstance(channel, FetchesReports):
            return Refused("this channel cannot be asked", code="off", refusal=Refusal.CONFIG)
        if self._sending.mode is SendMode.DRY:
            return Done(Asked(None))
        try:
            return Done(Asked(await channel.fetch_report(str(item.payload["provider_id"]))))
        except ChannelError as error:
            return _outcome_of(error)

    def _redirected(self, channel: Channel, to: Address) -> tuple[Channel, Address]:
        number = self._sending.redirect_to or ""
        if to.channel in (ChannelName.WHATSAPP, ChannelName.SMS):
            return channel, Address(to.channel, number)
        stand_in = self._channels.get(ChannelName.SMS, channel)
        return stand_in, Address(stand_in.name, number)

    def _status_url(self, item: OutboxItem) -> str:
        return f"{self._sending.public_url}/webhooks/twilio/status?m={item.id}.{item.tries}"


def _window_is_open(channel: Channel, item: OutboxItem, now: datetime) -> bool:
    """Whether free text may go: always, but where the channel has a reply window."""
    window_s = channel.limits.reply_window_s
    if window_s is None:
        return True
    last = item.last_inbound_at
    return last is not None and now - last < timedelta(seconds=window_s)


async def _hand_over(channel: Channel, message: OutboundMessage, *, key: str) -> Outcome:
    try:
        accepted = await channel.send(message, idempotency_key=key)
    except ChannelError as error:
        return _outcome_of(error)
    return Done(Sent(accepted.provider_id, accepted.at))


def _outcome_of(error: ChannelError) -> Outcome:
    """What one end of a call means for the item."""
    match error:
        case NotSentError():
            return RetryLater(str(error), code=error.code, after_s=error.retry_after_s)
        case RejectedError() if error.refusal is Refusal.TEMPORARY:
            return RetryLater(str(error), code=error.code)
        case RejectedError():
            return Refused(str(error), code=error.code, refusal=error.refusal)
        case UncertainError():
            return Uncertain(str(error), code=error.code)
        case UnsupportedError():
            return Refused(str(error), code="unsupported", refusal=Refusal.CONTENT)
        case _:
            raise error
