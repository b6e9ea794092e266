"""How asking Migo for a link can end, other than with a link.

MigoError
├── RefusedError                 no link, and the same request will not get one
│   ├── CurrencyNotEnabledError      before any call
│   ├── ChannelNotMappedError        before any call
│   ├── AmountRejectedError          409 / 2003
│   ├── CustomerBlockedError         400 / 2004
│   ├── CustomerSuspendedError       400 / 2005
│   ├── CustomerExcludedError        400 / 2006
│   ├── InvalidRequestError          409 / 5000
│   ├── UnknownClientError           409 / 5004
│   ├── KeyPairRejectedError         401 / 2007, /transactions-hook
│   ├── TokenRejectedError           401 without ownCode, /transactions
│   └── OtherRefusalError            any other 4xx
├── NotCreatedError              surely no link; asking again is safe
│   ├── UnreachableError             no byte of the request left
│   └── ThrottledError               429
└── UnknownOutcomeError          a link may exist; asking again may make a second one
    ├── CreationFailedError          400 / 2002, or 400 without a readable ownCode
    ├── ServerFailedError            5xx, or a redirect
    ├── AnswerLostError              broken off after the first byte
    ├── AnswerUnreadableError        2xx that is not what Migo documents
    └── LinkNotAllowedError          2xx with a link that may not be sent

Source: Migo docs, "Create a Payment Link", section Errors; what each answer proves is ours.
"""

from typing import ClassVar

from bot.migo.words import WORDS


class MigoError(Exception):
    """Migo gave no link."""

    key: ClassVar[str] = "migo.error"
    """Stable name for texts, metrics and filters."""
    own_code: int | None = None
    """Migo's code: on the class as documented, on an object as answered."""
    http_status: int | None = None
    """Migo's status: on the class as documented, on an object as answered."""
    is_retryable: ClassVar[bool] = False
    """Whether the same request can succeed later; whether repeating is *safe* is the branch."""

    def __init__(self, *, http_status: int | None = None, own_code: int | None = None) -> None:
        """Keep what Migo answered; both are None where no answer was read."""
        super().__init__(_summary(type(self).__doc__, http_status, own_code))
        self.http_status = http_status
        self.own_code = own_code

    def explain(self, locale: str) -> str:
        """Tell a merchant what happened and what to do next.

        Args:
            locale: a language tag as "es-GT"; Spanish for "es", English for anything else.
        """
        spanish, english = WORDS[self.key]
        return spanish if locale.lower().startswith("es") else english


class RefusedError(MigoError):
    """Migo will not make this link."""

    key = "migo.refused"
    opens_breaker: ClassVar[bool] = False
    """Whether every other request would fail in the same way, so that staff must act first."""


class NotCreatedError(MigoError):
    """Certainly no link was made; asking again is safe."""

    key = "migo.not_created"
    is_retryable = True

    def __init__(
        self,
        *,
        http_status: int | None = None,
        own_code: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Carry the delay that Migo asked for, where it named one."""
        super().__init__(http_status=http_status, own_code=own_code)
        self.retry_after_s = retry_after_s


class UnknownOutcomeError(MigoError):
    """Nobody knows whether Migo made a link."""

    key = "migo.unknown"
    is_retryable = True

    def __init__(
        self,
        *,
        http_status: int | None = None,
        own_code: int | None = None,
        uid: str | None = None,
    ) -> None:
        """Keep the uid of the link that may exist, where the answer named one."""
        super().__init__(http_status=http_status, own_code=own_code)
        self.uid = uid


class CurrencyNotEnabledError(RefusedError):
    """The currency is not enabled for this client; Migo would silently charge another one."""

    key = "migo.currency_not_enabled"


class ChannelNotMappedError(RefusedError):
    """The channel has no value on Migo's side."""

    key = "migo.channel_not_mapped"


class AmountRejectedError(RefusedError):
    """The amount is outside the client's range, or a processor's amount exceeds it."""

    key = "migo.amount_rejected"
    own_code = 2003
    http_status = 409


class CustomerBlockedError(RefusedError):
    """This customer is blocked for this client."""

    key = "migo.customer_blocked"
    own_code = 2004
    http_status = 400


class CustomerSuspendedError(RefusedError):
    """This customer is suspended for this client."""

    key = "migo.customer_suspended"
    own_code = 2005
    http_status = 400


class CustomerExcludedError(RefusedError):
    """This customer is excluded for this client."""

    key = "migo.customer_excluded"
    own_code = 2006
    http_status = 400


class InvalidRequestError(RefusedError):
    """A field is missing or invalid, or the channel is not enabled for this client."""

    key = "migo.invalid_request"
    own_code = 5000
    http_status = 409


class UnknownClientError(RefusedError):
    """Migo does not know this client slug, or one of its values is not enabled."""

    key = "migo.unknown_client"
    own_code = 5004
    http_status = 409


class KeyPairRejectedError(RefusedError):
    """Migo does not accept the key pair."""

    key = "migo.key_pair_rejected"
    own_code = 2007
    http_status = 401
    opens_breaker = True


class TokenRejectedError(RefusedError):
    """Migo does not accept the token."""

    key = "migo.token_rejected"
    http_status = 401
    opens_breaker = True


class OtherRefusalError(RefusedError):
    """Migo refused in a way that its documents do not name."""

    key = "migo.other_refusal"


class UnreachableError(NotCreatedError):
    """Migo could not be reached."""

    key = "migo.unreachable"


class ThrottledError(NotCreatedError):
    """Migo asked us to slow down."""

    key = "migo.throttled"
    http_status = 429


class CreationFailedError(UnknownOutcomeError):
    """Migo reports a general failure while creating."""

    key = "migo.creation_failed"
    own_code = 2002
    http_status = 400


class ServerFailedError(UnknownOutcomeError):
    """Migo, or a gateway before it, failed."""

    key = "migo.server_failed"


class AnswerLostError(UnknownOutcomeError):
    """The connection ended before Migo's answer was read."""

    key = "migo.answer_lost"


class AnswerUnreadableError(UnknownOutcomeError):
    """Migo answered with success, but not as documented."""

    key = "migo.answer_unreadable"
    is_retryable = False


class LinkNotAllowedError(UnknownOutcomeError):
    """Migo answered with a link that may not be sent to anybody."""

    key = "migo.link_not_allowed"
    is_retryable = False


_TABLE: tuple[type[MigoError], ...] = (
    CreationFailedError,
    AmountRejectedError,
    CustomerBlockedError,
    CustomerSuspendedError,
    CustomerExcludedError,
    KeyPairRejectedError,
    InvalidRequestError,
    UnknownClientError,
)
# The HTTP status beside a code varies between Migo's pages, so the code alone decides.
_BY_OWN_CODE = {row.own_code: row for row in _TABLE}


def error_for(
    http_status: int, own_code: int | None, *, retry_after_s: float | None = None
) -> MigoError:
    """The end that an answer other than 2xx proves.

    Own codes decide first, but only among 4xx: behind a 5xx the gateway may have given up on a
    request that went through. A 400 without a readable code is taken for the general failure
    (2002), which shares its status.

    Args:
        http_status: of the answer; anything but 2xx.
        own_code: from the body, None if absent or unreadable.
        retry_after_s: the delay that a 429 asked for, in seconds.
    """
    # Managed gateways answer 504 at about 30 s while the request behind them goes on.
    if not 400 <= http_status < 500:
        return ServerFailedError(http_status=http_status, own_code=own_code)
    known = _BY_OWN_CODE.get(own_code)
    if known is not None:
        return known(http_status=http_status, own_code=own_code)
    match http_status:
        case 429:
            return ThrottledError(
                http_status=http_status, own_code=own_code, retry_after_s=retry_after_s
            )
        case 401:
            return TokenRejectedError(http_status=http_status, own_code=own_code)
        # Unknown rather than refused: "refused" invites a second link at once.
        case 400 if own_code is None:
            return CreationFailedError(http_status=http_status)
    return OtherRefusalError(http_status=http_status, own_code=own_code)


def _summary(doc: str | None, http_status: int | None, own_code: int | None) -> str:
    facts = []
    if http_status is not None:
        facts.append(f"HTTP {http_status}")
    if own_code is not None:
        facts.append(f"ownCode {own_code}")
    summary = (doc or "").strip()
    return f"{summary} ({', '.join(facts)})" if facts else summary
