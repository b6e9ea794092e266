"""Writes a message as a mail. Pure.

Source: RFC 5322 (Message-ID), RFC 2392 (cid), RFC 3834 (Auto-Submitted).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from email.charset import QP, Charset
from email.header import Header
from email.headerregistry import Address as MailAddress
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final

from email_validator import EmailNotValidError, validate_email

from channels.base import Address, ChannelName, Image, OutboundMessage
from channels.errors import UnsupportedError

TEXT_CHARS: Final = 100_000
SUBJECT_CHARS: Final = 200

IMAGE_CID: Final = "qr"
"""What the HTML calls the picture: `<img src="cid:qr">`."""

# The newer API reads each header that it writes, several times, which takes four times as long.
_POLICY: Final = compat32.clone(linesep="\r\n")

# Seven bits, for not every server on the way takes eight.
_QUOTED: Final = Charset("utf-8")
_QUOTED.body_encoding = QP


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail and its envelope."""

    message_id: str
    sender: str
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)


class Writer:
    """Writes mails from one sender."""

    def __init__(self, sender: str) -> None:
        """Take `pay@example.com` or `Shop <pay@example.com>`.

        Raises:
            ValueError: it is neither.
        """
        name, address = parseaddr(sender)
        self._from = _mail_address(address, name)
        self.domain = self._from.domain

    def write(self, message: OutboundMessage, *, key: str, at: datetime) -> Mail:
        """Write one mail.

        Args:
            message: its picture is shown where the HTML says `cid:qr`.
            key: the same key gives the same Message-ID.
            at: the aware time it bears.

        Raises:
            UnsupportedError: no mail can say this.
        """
        to = _recipient(message.to)
        _check(message)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        message_id = f"<{digest}@{self.domain}>"
        try:
            mail = _body(message, f"=_{digest}")
            mail["From"] = formataddr((self._from.display_name, self._from.addr_spec))
            mail["To"] = to.addr_spec
            mail["Reply-To"] = self._from.addr_spec
            mail["Subject"] = _subject(message)
            mail["Date"] = format_datetime(at)
            mail["Message-ID"] = message_id
            mail["Auto-Submitted"] = "auto-generated"
            content = mail.as_bytes()
        except (ValueError, UnicodeError):
            # Line breaks in headers and lone surrogates; their values are not repeated here.
            raise UnsupportedError("a header or the text cannot be written in a mail") from None
        return Mail(message_id, self._from.addr_spec, to.addr_spec, content)


def _mail_address(text: str, name: str = "") -> MailAddress:
    """An address that any server takes: ASCII, with its domain as it is in the DNS.

    Raises:
        ValueError: it is none.
    """
    try:
        checked = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise ValueError("this is no e-mail address") from None
    if checked.ascii_email is None:
        raise ValueError("only servers with SMTPUTF8 take this e-mail address")
    user, _, domain = checked.ascii_email.rpartition("@")
    return MailAddress(name, user, domain)


def _recipient(to: Address) -> MailAddress:
    if to.channel is not ChannelName.EMAIL:
        raise UnsupportedError("this is no e-mail address")
    try:
        return _mail_address(to.value)
    except ValueError as error:
        raise UnsupportedError(str(error)) from None


def _check(message: OutboundMessage) -> None:
    if not message.text.strip() or len(message.text) > TEXT_CHARS:
        raise UnsupportedError(f"a mail has 1 to {TEXT_CHARS} characters")
    if message.subject is not None and len(message.subject) > SUBJECT_CHARS:
        raise UnsupportedError(f"a subject has 1 to {SUBJECT_CHARS} characters")
    if message.buttons or message.template or message.replaces:
        raise UnsupportedError("a mail has no buttons and no template and is not edited")


def _subject(message: OutboundMessage) -> str:
    subject = message.subject or message.text.split("\n")[0][:SUBJECT_CHARS]
    if len(subject.splitlines()) > 1:
        raise ValueError("a subject is one line")
    is_plain = subject.isascii() and subject.isprintable() and "=?" not in subject
    return subject if is_plain else Header(subject, "utf-8", header_name="Subject").encode()


def _body(message: OutboundMessage, boundary: str) -> Message:
    """All parts; the boundary is in none of them, for "=_" is neither quoted text nor base64."""
    attached: list[Message] = []
    body = _text(message.text, "plain")
    if message.html is not None:
        shown = _text(message.html, "html")
        if message.image is not None:
            picture = _picture(message.image, "inline")
            picture["Content-ID"] = f"<{IMAGE_CID}>"
            shown = _together("related", boundary, shown, picture)
        body = _together("alternative", boundary, body, shown)
    elif message.image is not None:
        attached.append(_picture(message.image, "attachment"))
    if message.file is not None:
        file = MIMEApplication(message.file.content, policy=_POLICY)
        file.add_header("Content-Disposition", "attachment", filename=message.file.filename)
        attached.append(file)
    return _together("mixed", boundary, body, *attached) if attached else body


def _text(text: str, kind: str) -> Message:
    text.encode()  # else half a surrogate pair would pass as a byte
    part = MIMEText("", kind, policy=_POLICY)
    del part["Content-Transfer-Encoding"]
    part.set_payload(text, _QUOTED)
    return part


def _picture(image: Image, shown: str) -> Message:
    part = MIMEImage(image.png, "png", policy=_POLICY)
    part.add_header("Content-Disposition", shown, filename=image.filename)
    return part


def _together(kind: str, boundary: str, *parts: Message) -> Message:
    return MIMEMultipart(kind, f"{boundary}_{kind}", parts, policy=_POLICY)
