"""WhatsApp over Twilio: free text within the reply window, approved templates outside it.

Takes one message, cleans what Meta would refuse for its form, and hands it to Twilio. Buttons and
pictures live in templates only, since free text carries none.
"""

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from channels.base import Accepted, ChannelName, Limits, OutboundMessage, Template
from channels.errors import UnsupportedError
from channels.twilio import MAX_BODY_CHARS, TwilioChannel

REPLY_WINDOW_S: Final = 24 * 3600 - 600
"""Meta's 24 hours after a person wrote, less ten minutes for clocks and queues.

Source: Twilio docs, error 63016.
"""

MAX_VARIABLE_CHARS: Final = 1600
"""Source: Twilio docs, "Using Variables with Content API"."""

_PREFIX: Final = "whatsapp:"
_ADDRESS: Final = re.compile(r"whatsapp:(\+[0-9]{6,15}|[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128})")
_CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")
_SPACES: Final = re.compile(r"[\n\t\r]+| {4,}")
_TELLING_CHARS: Final = 4


class WhatsApp(TwilioChannel):
    """Hands messages to WhatsApp through Twilio, and reads what comes back."""

    name = ChannelName.WHATSAPP
    address_prefix = _PREFIX
    limits = Limits(text_chars=MAX_BODY_CHARS, reports_delivery=True, reply_window_s=REPLY_WINDOW_S)

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """See `Channel.send`; Twilio honours no key, so that it stays here."""
        to, message = _checked(message)
        return await self._messages.create(message, to=to, body=message.text)

    async def find_sent(self, message: OutboundMessage, *, since: datetime) -> list[str]:
        """Look for an earlier try of this message.

        A template is known by its values: all but one occur in the text, for the one of a URL
        button does not.

        Returns:
            Twilio's ids of those that look alike, latest first.

        Raises:
            UnsupportedError, NotSentError, RejectedError, UncertainError: as `send`.
        """
        to, message = _checked(message)
        template, text = message.template, message.text
        return await self._messages.find(
            to=to,
            since=since,
            is_same=lambda body: body == text if template is None else _fits(template, body),
        )

    async def fetch_file(self, file_id: str) -> bytes:
        """The content of a file that a person sent. Safe to repeat.

        Raises:
            NotSentError, UncertainError: not now.
            RejectedError: there is no such file any more, or it is over 5 MiB.
        """
        return await self._messages.fetch_file(file_id)


def _checked(message: OutboundMessage) -> tuple[str, OutboundMessage]:
    """The address as Twilio writes it, and the message with its template's values cleaned."""
    value = message.to.value
    to = value if value.startswith(_PREFIX) else _PREFIX + value
    if message.to.channel is not ChannelName.WHATSAPP or not _ADDRESS.fullmatch(to):
        raise UnsupportedError("this is no WhatsApp address")
    if message.buttons or message.image or message.file or message.replaces:
        raise UnsupportedError("free WhatsApp text has no buttons and no image and is not edited")
    if message.template is not None:
        return to, replace(message, template=_clean(message.template))
    if not 0 < len(message.text) <= MAX_BODY_CHARS or not _is_sendable(message.text):
        raise UnsupportedError(f"a WhatsApp text has 1 to {MAX_BODY_CHARS} characters")
    return to, message


def _clean(template: Template) -> Template:
    """The template without what Meta refuses in values.

    Source: Twilio docs, error 63013; a value that is missing is filled with the sample's silently.
    """
    values = {name: _SPACES.sub(" ", value).strip() for name, value in template.variables.items()}
    if not _CONTENT_SID.fullmatch(template.content_sid):
        raise UnsupportedError("a template is named by its ContentSid, HX and 32 hex digits")
    if not all(0 < len(value) <= MAX_VARIABLE_CHARS for value in values.values()):
        raise UnsupportedError(f"a template's value has 1 to {MAX_VARIABLE_CHARS} characters")
    if not all(map(_is_sendable, values.values())):
        raise UnsupportedError("a template's value is no text")
    return replace(template, variables=values)


def _is_sendable(text: str) -> bool:
    """Whether it is text at all: a lone surrogate cannot be written, a NUL is cut off."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _fits(template: Template, body: str) -> bool:
    """Whether `body` may be this template filled in; short values occur in any text."""
    shown = [
        value
        for name, value in template.variables.items()
        if name not in template.in_button and len(value) >= _TELLING_CHARS
    ]
    return bool(shown) and all(value in body for value in shown)
