"""The emulated Twilio's message log: the resource, its JSON shape, finding and listing.

Source: Twilio docs "Messages resource".
"""

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from bot.sandbox.twilio.content import Button
from bot.sandbox.twilio.segments import count_segments


@dataclass(slots=True)
class Message:
    """One message; addresses are as on the wire (`whatsapp:+…` or `+…`)."""

    sid: str
    to: str
    sender: str
    body: str
    direction: str
    status: str
    created_at: datetime
    buttons: tuple[Button, ...] = ()
    content_sid: str = ""
    status_callback: str = ""
    service_sid: str | None = None
    error_code: int | None = None
    sent_at: datetime | None = None
    updated_at: datetime | None = None
    late_error: int = 0

    @property
    def is_whatsapp(self) -> bool:
        """Whether it goes over WhatsApp."""
        return self.to.startswith("whatsapp:")

    @property
    def is_inbound(self) -> bool:
        """Whether the customer wrote it."""
        return self.direction == "inbound"


def _rfc2822(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at)


def resource(message: Message, account_sid: str) -> dict[str, object]:
    """Write a message the way the API returns it; counts are strings, prices come later."""
    path = f"/2010-04-01/Accounts/{account_sid}/Messages/{message.sid}"
    # A Messaging Service has not chosen its sender yet, so nothing is counted.
    counted = "0" if message.service_sid else str(count_segments(message.body))
    return {
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": _rfc2822(message.created_at),
        "date_sent": _rfc2822(message.sent_at),
        "date_updated": _rfc2822(message.updated_at or message.created_at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": None,
        "from": message.sender or None,
        "messaging_service_sid": message.service_sid,
        "num_media": "0",
        "num_segments": counted,
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": message.to,
        "uri": f"{path}.json",
    }


class MessageLog:
    """The latest messages; older ones are forgotten."""

    def __init__(self, keep: int, now: Callable[[], datetime]) -> None:
        self._keep = keep
        self._now = now
        self._by_sid: OrderedDict[str, Message] = OrderedDict()
        self._by_address: dict[str, deque[Message]] = {}

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._by_sid.values()))

    def __len__(self) -> int:
        return len(self._by_sid)

    def new_sid(self, *, is_media: bool = False) -> str:
        """Make a message sid: SM or MM and 32 hex digits."""
        return ("MM" if is_media else "SM") + secrets.token_hex(16)

    def add(self, message: Message) -> Message:
        """Keep a message under its sid."""
        self._by_sid[message.sid] = message
        for address in {message.to, message.sender}:
            self._by_address.setdefault(address, deque(maxlen=1000)).append(message)
        if len(self._by_sid) > self._keep:
            self._forget(self._by_sid.popitem(last=False)[1])
        return message

    def _forget(self, message: Message) -> None:
        for address in {message.to, message.sender}:
            chat = self._by_address.get(address)
            if chat and chat[0] is message:
                chat.popleft()
            if not chat:
                self._by_address.pop(address, None)

    def get(self, sid: str) -> Message | None:
        """Find a message."""
        return self._by_sid.get(sid)

    def with_address(self, address: str) -> list[Message]:
        """List what was sent to or came from an address, oldest first."""
        return list(self._by_address.get(address, ()))

    def search(self, query: Mapping[str, str]) -> list[Message]:
        """List newest first what fits `To`, `From`, `DateSent`, `DateSent>`, `DateSent<`."""
        to, sender = query.get("To"), query.get("From")
        some = self.with_address(to or sender or "") if to or sender else list(self)
        return [
            message
            for message in reversed(some)
            if to in (None, message.to)
            and sender in (None, message.sender)
            and _fits_date(message, query)
        ]


def _fits_date(message: Message, query: Mapping[str, str]) -> bool:
    """Compare by the given precision: a bare date means the whole UTC day."""
    # A message still queued must be found too: a lost answer is looked up at once.
    at = (message.sent_at or message.created_at).strftime("%Y-%m-%dT%H:%M:%SZ")
    after, before, on = query.get("DateSent>"), query.get("DateSent<"), query.get("DateSent")
    return (
        (after is None or at[: len(after)] >= after)
        and (before is None or at[: len(before)] <= before)
        and (on is None or at[:10] == on[:10])
    )
