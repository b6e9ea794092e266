"""The customer's side of WhatsApp and SMS: writing, tapping, reading, blocking, opting out."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from bot.sandbox.config import TwilioConfig
from bot.sandbox.journal import Journal
from bot.sandbox.people import People
from bot.sandbox.twilio.content import Button
from bot.sandbox.twilio.messages import Message, MessageLog
from bot.sandbox.twilio.segments import count_segments
from bot.sandbox.twilio.signature import sign
from bot.sandbox.webhooks import Posted, Postman, Webhook

WINDOW: Final = timedelta(hours=24)
"""Free text is allowed this long after the customer wrote. Source: Twilio error 63016."""

_STOP_WORDS: Final = frozenset(
    ("STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL")
)
_MEDIA_KEPT: Final = 20
_START_WORDS: Final = frozenset(("START", "UNSTOP", "YES"))

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """A file that a person sent."""

    name: str
    content_type: str
    content: bytes


class Handsets:
    """Everything phones do; addresses are as on the wire.

    `broken` addresses cannot be reached, `blocked` people let messages end at `sent`,
    `landlines` take no SMS, `opted_out` numbers answered STOP to the SMS sender.
    """

    def __init__(
        self,
        config: TwilioConfig,
        messages: MessageLog,
        postman: Postman,
        people: People,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._messages = messages
        self._postman = postman
        self._people = people
        self._journal = journal
        self._now = now
        self._last_inbound: dict[str, datetime] = {}
        self.media: OrderedDict[str, Media] = OrderedDict()
        self.broken: set[str] = set()
        self.blocked: set[str] = set()
        self.landlines: set[str] = set()
        self.opted_out: set[str] = set()

    def is_window_open(self, address: str) -> bool:
        """Whether the person at a WhatsApp address wrote within the last 24 hours."""
        at = self._last_inbound.get(address)
        return at is not None and self._now() - at < WINDOW

    def set_window(self, address: str, *, is_open: bool) -> None:
        """Open or close the reply window without a message."""
        self._last_inbound.pop(address, None)
        if is_open:
            self._last_inbound[address] = self._now()
        self._journal.touch()

    def received_by(self, address: str) -> list[Message]:
        """List what was sent to an address, oldest first."""
        return [one for one in self._messages.with_address(address) if one.to == address]

    async def write(self, address: str, text: str, **fields: str) -> Posted | None:
        """Let a person write to us; `fields` add to or replace webhook parameters."""
        return await self._inbound(address, text, fields)

    async def send_document(
        self, address: str, name: str, content_type: str, content: bytes
    ) -> Posted | None:
        """Let a person send a file over WhatsApp, its name as the caption."""
        media_id = f"ME{secrets.token_hex(16)}"
        self.media[media_id] = Media(name, content_type, content)
        if len(self.media) > _MEDIA_KEPT:
            self.media.popitem(last=False)
        return await self._inbound(
            address,
            name,
            {
                "NumMedia": "1",
                "MediaUrl0": media_id,
                "MediaContentType0": content_type,
                "MessageType": "document",
            },
        )

    async def tap(self, address: str, sid: str, title: str) -> Posted | None:
        """Let a person tap a quick-reply button of a WhatsApp message.

        Raises:
            LookupError: no such message, or it has no such button.
        """
        button = self.button(sid, title)
        fields = {
            "MessageType": "interactive",
            "ButtonText": button.title,
            "ButtonPayload": button.payload,
            "OriginalRepliedMessageSid": sid,
            "OriginalRepliedMessageSender": f"whatsapp:{self._config.whatsapp_from}",
        }
        return await self._inbound(address, title, fields)

    def button(self, sid: str, title: str) -> Button:
        """Find a button of a message by its title.

        Raises:
            LookupError: no such message, or it has no such button.
        """
        message = self._messages.get(sid)
        for button in message.buttons if message is not None else ():
            if button.title == title:
                return button
        raise LookupError(f"no button {title!r} on {sid}")

    async def _inbound(self, address: str, text: str, extra: Fields) -> Posted | None:
        is_whatsapp = address.startswith("whatsapp:")
        ours = f"whatsapp:{self._config.whatsapp_from}" if is_whatsapp else self._config.sms_from
        message = Message(
            sid=self._messages.new_sid(),
            to=ours,
            sender=address,
            body=text,
            direction="inbound",
            status="received",
            created_at=self._now(),
        )
        self._messages.add(message)
        if is_whatsapp:
            self._last_inbound[address] = self._now()
        fields = self._fields(message, is_whatsapp) | self._opt_out(message) | extra
        if "MediaUrl0" in extra:
            # Twilio's own host, whatever host we are reached at.
            account = f"https://api.twilio.com/2010-04-01/Accounts/{self._config.account_sid}"
            fields["MediaUrl0"] = f"{account}/Messages/{message.sid}/Media/{extra['MediaUrl0']}"
        return await self._postman.send(
            self.webhook("inbound", f"{self._postman.public_url}/webhooks/twilio/inbound", fields)
        )

    def _fields(self, message: Message, is_whatsapp: bool) -> Fields:
        """List the parameters of an inbound webhook. Source: Twilio docs "Incoming messages"."""
        fields = {
            "SmsMessageSid": message.sid,
            "NumMedia": "0",
            "SmsSid": message.sid,
            "SmsStatus": "received",
            "Body": message.body,
            "To": message.to,
            "NumSegments": str(count_segments(message.body)),
            "MessageSid": message.sid,
            "AccountSid": self._config.account_sid,
            "From": message.sender,
            "ApiVersion": "2010-04-01",
        }
        if not is_whatsapp:
            return fields
        bare = message.sender.removeprefix("whatsapp:")
        fields |= {"ProfileName": self._people.by_phone(bare).name, "MessageType": "text"}
        return fields | ({"WaId": bare.lstrip("+")} if bare.startswith("+") else {})

    def _opt_out(self, message: Message) -> Fields:
        """Act on STOP and START like a long code does; WhatsApp has no built-in words."""
        word = message.body.strip().upper()
        if message.sender.startswith("whatsapp:") or word not in _STOP_WORDS | _START_WORDS:
            return {}
        if word in _STOP_WORDS:
            self.opted_out.add(message.sender)
            reply, kind = "You have successfully been unsubscribed.", "STOP"
        else:
            self.opted_out.discard(message.sender)
            reply, kind = "You have successfully been re-subscribed.", "START"
        # Twilio answers by itself and asks nobody.
        self._auto_reply(message, reply)
        return {"OptOutType": kind} if self._config.advanced_opt_out else {}

    def _auto_reply(self, message: Message, text: str) -> None:
        self._messages.add(
            Message(
                sid=self._messages.new_sid(),
                to=message.sender,
                sender=message.to,
                body=text,
                direction="outbound-reply",
                status="delivered",
                created_at=self._now(),
            )
        )

    def webhook(self, operation: str, url: str, fields: Fields) -> Webhook:
        """Sign a form for `url`, the address Twilio was told."""
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": sign(self._config.auth_token, url, fields.items()),
            # Stable over repeats of one webhook.
            "i-twilio-idempotency-token": fields["MessageSid"] + fields.get("MessageStatus", ""),
            "user-agent": "TwilioProxy/1.1",
        }
        channel = "WhatsApp" if "whatsapp:" in fields["From"] else "SMS"
        label = f"{channel} {fields.get('MessageStatus', 'written by the customer')}"
        body = urlencode(fields).encode()
        return Webhook("twilio", operation, url.partition("#")[0], body, headers, label)
