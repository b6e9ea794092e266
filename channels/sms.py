"""SMS over Twilio: text folded into the GSM alphabet and counted in its units.

Takes one message and hands it to Twilio as plain text; buttons, pictures and templates have no
place here.
"""

import re
import unicodedata
from datetime import datetime
from typing import Final

from channels.base import Accepted, ChannelName, Limits, OutboundMessage
from channels.errors import UnsupportedError
from channels.twilio import MAX_BODY_CHARS, TwilioChannel

SEGMENT_UNITS: Final = 160
"""Units of a message that goes as one SMS. Source: 3GPP TS 23.038."""

PART_UNITS: Final = 153
"""Units of each part of a longer one; the rest holds its number."""

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")
_ALPHABET: Final = _BASIC | _EXTENDED
"""Source: 3GPP TS 23.038, 6.2.1; a character of the extension table costs two units."""

_LOOKALIKES: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´`", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("–—―−‐‑", "-"),
        **dict.fromkeys("•·●", "-"),
        "°": "o",
        "ç": "c",
        "ł": "l",
        "Ł": "L",
        "×": "x",
        "⁄": "/",
        "\t": " ",
    }
)
_FOREIGN: Final = re.compile(f"[^{re.escape(''.join(_ALPHABET))}]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def fold(text: str) -> str:
    """Write `text` in the GSM alphabet: `é ñ ü ¿ ¡ €` stay, `á` becomes `a`, the rest `?`.

    One `á` would turn the whole message into UCS-2, which cuts a segment from 160 to 70. What has
    no shape of its own (emoji, joiners, accents without a letter) is left out.
    """
    return _FOREIGN.sub(_folded, unicodedata.normalize("NFC", text))


def _folded(foreign: re.Match[str]) -> str:
    char = foreign[0]
    alike = char.translate(_LOOKALIKES)
    if alike in _ALPHABET:
        return alike
    plain = unicodedata.normalize("NFKD", char)
    kept = "".join(part for part in plain.translate(_LOOKALIKES) if part in _ALPHABET)
    if kept:
        return kept
    has_no_shape = unicodedata.category(char) in ("Mn", "Me", "Cf", "So", "Sk", "Cc", "Cs")
    return "" if has_no_shape else "?"


def units(text: str) -> int:
    """How many 7-bit units `text` takes once folded."""
    return _units_of(fold(text))


def _units_of(folded: str) -> int:
    return len(folded) + sum(map(folded.count, _EXTENDED))


def segments(text: str) -> int:
    """How many SMS `text` is sent and charged as once folded, at least one."""
    folded = fold(text)
    if _units_of(folded) <= SEGMENT_UNITS:
        return 1
    parts, room = 1, PART_UNITS
    for char in folded:
        cost = 2 if char in _EXTENDED else 1
        # The two halves of an escaped character are not torn apart.
        if cost > room:
            parts, room = parts + 1, PART_UNITS
        room -= cost
    return parts


class Sms(TwilioChannel):
    """Hands messages to SMS through Twilio, and reads what comes back."""

    name = ChannelName.SMS
    limits = Limits(text_chars=MAX_BODY_CHARS, reports_delivery=True)

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        """See `Channel.send`; Twilio honours no key, so that it stays here."""
        to, body = _checked(message)
        return await self._messages.create(message, to=to, body=body)

    async def find_sent(self, message: OutboundMessage, *, since: datetime) -> list[str]:
        """Look for an earlier try of this message.

        Returns:
            Twilio's ids of those that look alike, latest first.

        Raises:
            UnsupportedError, NotSentError, RejectedError, UncertainError: as `send`.
        """
        to, body = _checked(message)
        return await self._messages.find(to=to, since=since, is_same=body.__eq__)


def _checked(message: OutboundMessage) -> tuple[str, str]:
    """The number and the folded text."""
    if message.to.channel is not ChannelName.SMS or not _E164.fullmatch(message.to.value):
        raise UnsupportedError("this is no number in E.164 form")
    if message.buttons or message.image or message.file or message.template or message.replaces:
        raise UnsupportedError("an SMS is text only")
    body = fold(message.text)
    if not body.strip() or _units_of(body) > MAX_BODY_CHARS:
        raise UnsupportedError(f"an SMS takes 1 to {MAX_BODY_CHARS} units")
    return message.to.value, body
