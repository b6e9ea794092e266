"""The ends of talking to a provider.

ChannelError
├── NotSentError        safe to try again
├── RejectedError       pointless to try again
├── UncertainError      may have happened
├── UnsupportedError    our mistake: message and channel do not fit
├── BadSignatureError   not from the provider
└── MalformedError      from the provider, but not what it documents
"""

from channels.base import Refusal


class ChannelError(Exception):
    """A message could not be handed over."""

    def __init__(self, reason: str = "", *, code: str | None = None) -> None:
        """Keep the provider's own error code beside a reason that names no person and no secret."""
        super().__init__(reason or (type(self).__doc__ or "").strip())
        self.code = code


class NotSentError(ChannelError):
    """Certainly not sent; trying again is safe."""

    def __init__(
        self, reason: str = "", *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        """Carry the delay that the provider asked for, where it named one."""
        super().__init__(reason, code=code)
        self.retry_after_s = retry_after_s


class RejectedError(ChannelError):
    """The provider refused the message; trying again is pointless."""

    def __init__(
        self, reason: str = "", *, refusal: Refusal = Refusal.CONTENT, code: str | None = None
    ) -> None:
        """Say in `refusal` what the refusal means for the address and the route."""
        super().__init__(reason, code=code)
        self.refusal = refusal


class UncertainError(ChannelError):
    """The message may have been sent; nobody knows."""


class UnsupportedError(ChannelError):
    """This channel cannot express this message."""


class BadSignatureError(ChannelError):
    """The request does not prove that it comes from the provider."""


class MalformedError(ChannelError):
    """The provider's bytes are not what it documents."""
