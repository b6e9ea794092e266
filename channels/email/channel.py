"""The email channel: writes a mail and has the relay take it."""

from collections.abc import Callable
from datetime import datetime

from channels.base import Accepted, ChannelName, Limits, OutboundMessage
from channels.email.mime import TEXT_CHARS, Writer
from channels.email.relay import Relay
from channels.errors import NotSentError


class Email:
    """Hands messages to one mail relay."""

    name = ChannelName.EMAIL
    # The key shows in the Message-ID, by which some mailboxes drop a twin; no relay promises it.
    limits = Limits(
        text_chars=TEXT_CHARS, has_subject=True, has_html=True, has_image=True, has_file=True
    )

    def __init__(self, url: str, sender: str, *, clock: Callable[[], datetime]) -> None:
        """Send through a relay.

        Args:
            url: `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host:465`, or
                `smtp://host:25?tls=off`; user and password percent-encoded.
            sender: `pay@example.com` or `Shop <pay@example.com>`.
            clock: gives the aware present time, for the mails' dates.

        Raises:
            ValueError: the URL or the sender is none of these.
        """
        self._writer = Writer(sender)
        self._relay = Relay(url, local_hostname=self._writer.domain)
        self._clock = clock
        self._is_closed = False

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """See `Channel.send`.

        The provider's id is the Message-ID, made from the key: every try of one message bears the
        same, so that twins can be told.
        """
        now = self._clock()
        mail = self._writer.write(message, key=idempotency_key, at=now)
        if self._is_closed:
            raise NotSentError("the channel is closed")
        await self._relay.submit(mail.content, sender=mail.sender, recipient=mail.recipient)
        return Accepted(mail.message_id, now)

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        self._is_closed = True
        await self._relay.aclose()
