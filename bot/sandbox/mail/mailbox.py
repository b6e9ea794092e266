"""Mail as people see it: parsed parts, inline pictures, and the HTML ready to be shown."""

import base64
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Final

_CID: Final = re.compile(r"""cid:([^"'\s)>]+)""")


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline picture, found by its content id."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One delivered mail; `pictures` by content id without angle brackets."""

    id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    pictures: Mapping[str, Picture]
    headers: Mapping[str, str]
    at: datetime
    raw: bytes

    @property
    def message_id(self) -> str:
        """The Message-ID header, empty when there is none."""
        return self.headers.get("message-id", "")

    def shown_html(self) -> str:
        """Give the HTML with pictures put in as data, so that showing it asks nobody."""

        def put(match: re.Match[str]) -> str:
            picture = self.pictures.get(match[1])
            # A picture that is not there shows as broken, as it would in a mail program.
            if picture is None:
                return match[0]
            return (
                f"data:{picture.content_type};base64,{base64.b64encode(picture.content).decode()}"
            )

        return _CID.sub(put, self.html)


def parse_mail(raw: bytes, sender: str, to: str, at: datetime) -> Mail:
    """Read one message as it came over SMTP."""
    message = message_from_bytes(raw, policy=default)
    # The default policy makes EmailMessage, which the stubs of the parser do not say.
    assert isinstance(message, EmailMessage)  # noqa: S101
    return Mail(
        id=secrets.token_hex(8),
        sender=sender,
        to=to,
        subject=str(message.get("subject", "")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        pictures=_pictures(message),
        headers={name.lower(): str(value) for name, value in message.items()},
        at=at,
        raw=raw,
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    content: object = part.get_content() if part is not None else ""
    return content if isinstance(content, str) else ""


def _pictures(message: EmailMessage) -> dict[str, Picture]:
    pictures = {}
    for part in message.walk():
        payload = part.get_payload(decode=True)
        content_id = str(part.get("content-id", "")).strip("<> ")
        if content_id and isinstance(payload, bytes):
            pictures[content_id] = Picture(part.get_content_type(), payload)
    return pictures


class Mailbox:
    """The latest mails, oldest first; `broken` addresses do not exist."""

    def __init__(self, now: Callable[[], datetime], keep: int) -> None:
        self._now = now
        self.mails: deque[Mail] = deque(maxlen=keep)
        self.broken: set[str] = set()

    def put(self, raw: bytes, sender: str, to: str) -> Mail:
        """Deliver a mail."""
        mail = parse_mail(raw, sender, to, self._now())
        self.mails.append(mail)
        return mail

    def read_by(self, address: str) -> list[Mail]:
        """List what an address received, oldest first; case does not matter."""
        return [mail for mail in self.mails if mail.to.lower() == address.lower()]

    def find(self, mail_id: str) -> Mail | None:
        """Find one mail."""
        return next((mail for mail in self.mails if mail.id == mail_id), None)
