"""A channel without a provider: it keeps what it was asked to send.

For tests and trials of what stands above the channels.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from channels.base import Accepted, ChannelName, Limits, OutboundMessage
from channels.errors import NotSentError, UnsupportedError

LIMITS: Final = Limits(
    text_chars=1600,
    has_subject=True,
    has_html=True,
    has_url_button=True,
    has_reply_button=True,
    has_contact_button=True,
    has_image=True,
    can_replace=True,
    dedupes_sends=True,
)


class Memory:
    """Keeps messages in the order of their first sending; a key that was seen is not sent again."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        name: ChannelName = ChannelName.WHATSAPP,
        limits: Limits = LIMITS,
    ) -> None:
        """Pose as a channel.

        Args:
            clock: gives the aware present time.
            name: which one.
            limits: what it can carry.
        """
        self._name = name
        self._limits = limits
        self._clock = clock
        self._accepted: dict[str, Accepted] = {}
        self._is_closed = False
        self.sent: dict[str, OutboundMessage] = {}
        """Key to message, oldest first."""

    @property
    def name(self) -> ChannelName:
        """See `Channel.name`."""
        return self._name

    @property
    def limits(self) -> Limits:
        """See `Channel.limits`."""
        return self._limits

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """See `Channel.send`."""
        if message.to.channel is not self._name:
            raise UnsupportedError("this address is another channel's")
        if not 0 < len(message.text) <= self._limits.text_chars:
            raise UnsupportedError(f"a text has 1 to {self._limits.text_chars} characters")
        if self._is_closed:
            raise NotSentError("the channel is closed")
        if idempotency_key not in self._accepted:
            self.sent[idempotency_key] = message
            number = f"memory:{len(self.sent)}"
            self._accepted[idempotency_key] = Accepted(number, self._clock())
        return self._accepted[idempotency_key]

    async def aclose(self) -> None:
        """See `Channel.aclose`."""
        self._is_closed = True
