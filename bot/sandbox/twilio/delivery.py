"""What becomes of an accepted message: its statuses in order, told by signed callbacks."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from bot.sandbox.config import TwilioConfig
from bot.sandbox.faults import FaultKind, Faults
from bot.sandbox.journal import Journal
from bot.sandbox.twilio.handset import Handsets
from bot.sandbox.twilio.messages import Message
from bot.sandbox.webhooks import Postman

_NOT_WHATSAPP: Final = 63024
_UNREACHABLE: Final = 30003
_OUTSIDE_WINDOW: Final = 63016


class Delivery:
    """Walks messages from queued to delivered, read or failed."""

    def __init__(
        self,
        config: TwilioConfig,
        handsets: Handsets,
        faults: Faults,
        postman: Postman,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._handsets = handsets
        self._faults = faults
        self._postman = postman
        self._journal = journal
        self._now = now

    async def run(self, message: Message) -> None:
        """Take one message as far as it gets; each step posts its callback before the next."""
        # Judged at acceptance: a customer who writes later does not rescue a refused text.
        error = self._error(message)
        # The status a message was created with gets no callback of its own.
        if message.status == "accepted":
            await self._step(message, "queued")
        if error:
            # The WhatsApp codes mean it never left Twilio; the others come from the carrier.
            status = "failed" if error >= 63000 else "undelivered"
            await self._step(message, status, error)
            return
        await self._step(message, "sent")
        # WhatsApp does not tell a sender of a block: the last word is sent.
        if message.to not in self._handsets.blocked:
            await self._step(message, "delivered")

    def _error(self, message: Message) -> int:
        fault = self._faults.take("twilio", "deliver")
        if fault is not None and fault.kind is FaultKind.REFUSE:
            return int(fault.number("code", _UNREACHABLE))
        if message.to in self._handsets.broken:
            return _NOT_WHATSAPP if message.is_whatsapp else _UNREACHABLE
        needs_window = message.is_whatsapp and not message.content_sid
        if needs_window and not self._handsets.is_window_open(message.to):
            return _OUTSIDE_WINDOW
        return message.late_error

    async def mark_read(self, address: str) -> int:
        """Let the person at a WhatsApp address look at the chat; gives how many became read."""
        unread = [
            message
            for message in self._handsets.received_by(address)
            if message.is_whatsapp and message.status == "delivered"
        ]
        # All are marked before any is told, so that looking twice tells only once.
        for message in unread:
            self._mark(message, "read", 0)
        for message in unread:
            await self._tell(message)
        return len(unread)

    async def _step(self, message: Message, status: str, error: int = 0) -> None:
        await asyncio.sleep(self._config.step_s)
        self._mark(message, status, error)
        await self._tell(message)

    def _mark(self, message: Message, status: str, error: int) -> None:
        message.status = status
        message.error_code = error or None
        message.updated_at = self._now()
        if status == "sent":
            message.sent_at = message.updated_at
        self._journal.touch()

    async def _tell(self, message: Message) -> None:
        if message.status_callback:
            await self._postman.send(
                self._handsets.webhook("status", message.status_callback, self._fields(message))
            )

    def _fields(self, message: Message) -> dict[str, str]:
        """List the parameters of a status callback. Source: Twilio docs "Outbound status"."""
        fields = {
            "SmsSid": message.sid,
            "SmsStatus": message.status,
            "MessageStatus": message.status,
            "To": message.to,
            "MessageSid": message.sid,
            "AccountSid": self._config.account_sid,
            "From": message.sender,
            "ApiVersion": "2010-04-01",
        }
        if message.service_sid:
            fields["MessagingServiceSid"] = message.service_sid
        if message.error_code:
            fields["ErrorCode"] = str(message.error_code)
        if message.is_whatsapp:
            fields |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": f"{message.to[9:16]}XXXX"}
            if message.status in ("delivered", "read"):
                fields["EventType"] = message.status.upper()
        return fields
