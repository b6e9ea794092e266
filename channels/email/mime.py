"""Writes a message as a mail. Pure.

Source: RFC 5322 (Message-ID), RFC 2392 (cid), RFC 3834 (Auto-Submitted).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from email_validator import EmailNotValidError, validate_email

from channels.base import Address, ChannelName, Image, OutboundMessage
from channels.errors import UnsupportedError

TEXT_CHARS: Final = 100_000
SUBJECT_CHARS: Final = 200

IMAGE_CID: Final = "qr"
"""What the HTML calls the picture: `<img src="cid:qr">`."""

# Seven bits, for not every server on the way takes eight.
_POLICY: Final = SMTP.clone(cte_type="7bit")


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
        mail = EmailMessage(policy=_POLICY)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        try:
            mail["From"] = self._from
            mail["To"] = to
            mail["Reply-To"] = self._from.addr_spec
            mail["Subject"] = message.subject or message.text.split("\n")[0][:SUBJECT_CHARS]
            mail["Date"] = format_datetime(at)
            mail["Message-ID"] = f"<{digest}@{self.domain}>"
            mail["Auto-Submitted"] = "auto-generated"
            _fill(mail, message)
            content = mail.as_bytes()
        except (ValueError, UnicodeError):
            # Line breaks in headers and lone surrogates; their values are not repeated here.
            raise UnsupportedError("a header or the text cannot be written in a mail") from None
        return Mail(str(mail["Message-ID"]), self._from.addr_spec, to.addr_spec, content)


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


def _fill(mail: EmailMessage, message: OutboundMessage) -> None:
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    if message.image is not None:
        _add_image(mail, message.image)
    if message.file is not None:
        mail.add_attachment(
            message.file.content, "application", "octet-stream", filename=message.file.filename
        )


def _add_image(mail: EmailMessage, image: Image) -> None:
    """Put the picture beside the HTML that shows it; without HTML it is attached."""
    html = mail.get_body(("html",))
    if isinstance(html, MIMEPart):
        html.add_related(
            image.png,
            "image",
            "png",
            cid=f"<{IMAGE_CID}>",
            disposition="inline",
            filename=image.filename,
        )
    else:
        mail.add_attachment(image.png, "image", "png", filename=image.filename)
