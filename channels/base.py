"""The port every courier implements, and the values that cross it.

An adapter takes one finished message and hands it to one provider, once. It never retries,
never words, never rate-limits and never logs what a message says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class ChannelName(StrEnum):
    """A way to reach a person."""

    WHATSAPP = "whatsapp"
    """WhatsApp over Twilio; free text only within the reply window."""
    SMS = "sms"
    """SMS over Twilio; one-way in much of Central America."""
    EMAIL = "email"
    """SMTP submission; outbound only."""
    TELEGRAM = "telegram"
    """A Telegram bot; reaches only people who wrote to it first."""


class DeliveryState(StrEnum):
    """What a provider says became of a message, lowest rank first."""

    QUEUED = "queued"
    """With the provider; anything may follow."""
    SENDING = "sending"
    """Leaving the provider; anything but queued may follow."""
    SENT = "sent"
    """Handed to the carrier; may be the last word ever heard."""
    FAILED = "failed"
    """Refused, or never left the provider; a later delivered still wins."""
    UNDELIVERED = "undelivered"
    """Refused downstream; a later delivered still wins."""
    DELIVERED = "delivered"
    """On the handset; only read may follow."""
    READ = "read"
    """Seen by a person; nothing follows."""


class Refusal(StrEnum):
    """Why a provider will not take a message, in the terms a route decides by."""

    ADDRESS = "address"
    """Nobody can be reached at this address over this channel; use another channel."""
    OPTED_OUT = "opted_out"
    """The person blocked us there; write no more until they come back."""
    TEMPLATE = "template"
    """Only an approved template may be sent now."""
    CONTENT = "content"
    """This text or picture is refused; the same one must not be tried again."""
    CONFIG = "config"
    """Our account, sender or credentials are wrong; staff must act."""
    TEMPORARY = "temporary"
    """The provider gave up for now; the same message may be tried once more later."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person is on one channel: E.164, e-mail address, chat id or `whatsapp:` id."""

    channel: ChannelName
    value: str


@dataclass(frozen=True, slots=True)
class UrlButton:
    """Opens a page."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class ReplyButton:
    """Answers with `payload` (1 to 64 bytes) when tapped."""

    text: str
    payload: str


@dataclass(frozen=True, slots=True)
class ContactButton:
    """Asks a person to share their own contact card."""

    text: str


Button = UrlButton | ReplyButton | ContactButton


@dataclass(frozen=True, slots=True)
class Template:
    """A pre-approved text at the provider and every variable it wants, by its number.

    Those `in_button` stand in no text, so that a message is not told from another by them.
    """

    content_sid: str
    variables: Mapping[str, str]
    in_button: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG to show with the text, as the QR code of a link."""

    png: bytes
    filename: str


@dataclass(frozen=True, slots=True)
class File:
    """A document to send with the text, as a list of wrong rows."""

    content: bytes
    filename: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One finished message to one address.

    `text` is plain and complete on its own: it carries the link too, for where a button, an
    image or HTML cannot be shown. `replaces` is the provider's id of an earlier message to edit.
    `answers` is the provider's id of a button tap that this message answers.
    """

    to: Address
    text: str
    subject: str | None = None
    html: str | None = None
    buttons: tuple[Button, ...] = ()
    template: Template | None = None
    image: Image | None = None
    file: File | None = None
    replaces: str | None = None
    answers: str | None = None
    status_url: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message under this id; it says nothing about delivery."""

    provider_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A provider's request: URL as the provider saw it, lower-case headers, untouched body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SharedContact:
    """A contact card sent in a chat; `is_own` only if the card is the sender's own."""

    phone: str
    is_own: bool


ATTACHMENTS = frozenset({"photo", "document", "video", "recording", "sticker"})
"""What a person may send beside words."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A person wrote, tapped a button or shared a contact.

    `payload` is what a tapped `ReplyButton` carried. `recipient` is our own address that was
    written to. `tap_id` is to be given back as `OutboundMessage.answers`. `replied_to` is the
    provider's id of the message answered. `opt_out` is the provider's own stop or start word
    where it acted on one ("STOP", "START", "HELP"). `at` is None where the provider names no time.
    `extra` has "attachment" where a file came with it, which says of what `ATTACHMENTS` it is.
    """

    event_id: str
    sender: Address
    text: str
    at: datetime | None = None
    recipient: str | None = None
    payload: str | None = None
    tap_id: str | None = None
    replied_to: str | None = None
    sender_name: str | None = None
    contact: SharedContact | None = None
    opt_out: str | None = None
    user_id: str | None = None
    aliases: tuple[Address, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A provider's later word on a message it accepted."""

    event_id: str
    provider_id: str
    state: DeliveryState
    at: datetime | None = None
    code: str | None = None
    refusal: Refusal | None = None
    message_ref: str | None = None


@dataclass(frozen=True, slots=True)
class ReachChange:
    """A person blocked us on this channel, or came back."""

    event_id: str
    sender: Address
    is_reachable: bool
    at: datetime | None = None


InboundEvent = InboundMessage | DeliveryReport | ReachChange


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider would cut, split or mangle in silence, or cannot do at all.

    `text_chars` is the most a text may count, in the channel's own way of counting.
    `image_text_chars` is the most a text beside an image or a file may count; None is no limit.
    `reply_window_s` is for how long after a person wrote free text is allowed; None is for ever.
    """

    text_chars: int
    has_subject: bool = False
    has_html: bool = False
    has_url_button: bool = False
    has_reply_button: bool = False
    has_contact_button: bool = False
    has_image: bool = False
    has_file: bool = False
    image_text_chars: int | None = None
    can_replace: bool = False
    reports_delivery: bool = False
    dedupes_sends: bool = False
    reply_window_s: int | None = None


class Channel(Protocol):
    """Hands messages to one provider."""

    @property
    def name(self) -> ChannelName:
        """Which channel this is."""

    @property
    def limits(self) -> Limits:
        """What it can carry; constant for the life of the object."""

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """Hand one finished message to the provider, once, without retrying.

        Args:
            message: already worded and within `limits`.
            idempotency_key: stable for one outbox item across attempts; reaches the wire only
                where the provider honours one (`limits.dedupes_sends`).

        Raises:
            UnsupportedError: cannot be expressed on this channel; raised before any call.
            NotSentError: certainly not sent; `retry_after_s` when the provider named a delay.
            RejectedError: the provider refused it for good; `refusal` says why.
            UncertainError: it may have been sent; the caller decides.
            asyncio.CancelledError: passed through; treat as uncertain.
        """

    async def aclose(self) -> None:
        """Release connections; calling it again does nothing."""


@runtime_checkable
class InboundChannel(Channel, Protocol):
    """A channel whose provider also calls us."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Turn away what its lower-case headers alone give away, before a body is read.

        Raises:
            BadSignatureError: missing or wrong proof, so that `verify` would refuse any body.
        """

    def verify(self, request: RawRequest) -> str | None:
        """Check authenticity; return the provider's own id of this event, None if it gives none.

        Raises:
            BadSignatureError: missing, wrong or stale proof.
        """

    def cover(self, request: RawRequest, hide: Callable[[str], str]) -> bytes:
        """The body of a verified request with all that a person wrote as `hide` gives it back.

        The very bytes where that changes nothing, or where they cannot be read. No I/O.
        """

    def parse(self, request: RawRequest) -> Sequence[InboundEvent]:
        """Read a verified request; unknown kinds give an empty sequence. No I/O.

        Raises:
            MalformedError: the bytes are not what this provider documents.
        """
