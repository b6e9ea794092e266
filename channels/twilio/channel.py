"""What the channels over Twilio have in common: both ask it for news and hear its webhooks."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from channels.base import DeliveryReport, InboundEvent, RawRequest
from channels.outcome import HttpClient
from channels.twilio.account import TwilioAccount
from channels.twilio.messages import TwilioMessages
from channels.twilio.webhooks import TwilioWebhooks


class TwilioChannel:
    """A channel but for what a message of its own is; that is for who builds on it."""

    address_prefix: ClassVar[str] = ""
    """What Twilio wants before a number to know the channel by it."""

    def __init__(
        self,
        account: TwilioAccount,
        *,
        sender: str | None,
        messaging_service_sid: str | None,
        client: HttpClient | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Send from a number, a messaging service, or both.

        Args:
            account: ours at Twilio.
            sender: our number, E.164.
            messaging_service_sid: the pool that picks a sender, or that ours is in.
            client: from `channels.outcome.new_client`, closed by its owner; None for an own one.
            clock: gives the aware present time.
        """
        self._messages = TwilioMessages(
            account,
            sender=sender and self.address_prefix + sender,
            messaging_service_sid=messaging_service_sid,
            client=client,
            clock=clock,
        )
        self._webhooks = TwilioWebhooks(account)

    async def fetch_report(self, provider_id: str) -> DeliveryReport | None:
        """Ask for Twilio's last word on a message; None for a status that is not known.

        Raises:
            NotSentError, RejectedError, UncertainError: it could not be read.
        """
        return await self._messages.fetch(provider_id)

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """See `InboundChannel.check_headers`."""
        self._webhooks.check_headers(headers)

    def verify(self, request: RawRequest) -> str | None:
        """See `InboundChannel.verify`."""
        return self._webhooks.verify(request)

    def cover(self, request: RawRequest, hide: Callable[[str], str]) -> bytes:
        """See `InboundChannel.cover`."""
        return self._webhooks.cover(request, hide)

    def parse(self, request: RawRequest) -> Sequence[InboundEvent]:
        """See `InboundChannel.parse`; requests about the other channel are read as well."""
        return self._webhooks.parse(request)

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        await self._messages.aclose()
