"""The SMTP listener. Faults: `rcpt` and `data` refuse, throttle, delay or drop the connection."""

import asyncio
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.journal import Journal
from bot.sandbox.mail.mailbox import Mailbox
from bot.sandbox.people import People

_NO_SUCH_USER: Final = "550 5.1.1 no such user"
_IDENT: Final = "sandbox mail relay"


class _Handler:
    """What aiosmtpd asks at each command; its names are aiosmtpd's."""

    def __init__(self, relay: "MailRelay") -> None:
        self._relay = relay

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        fault = self._relay.faults.take("smtp", "rcpt")
        if fault is not None and (reply := await self._suffer(server, fault)):
            return reply
        if address.lower() in self._relay.mailbox.broken:
            return _NO_SUCH_USER
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take or refuse a mail; it is already here when a fault hides the answer."""
        # Asked before the mail is kept: a refused mail must not be found in the mailbox.
        fault = self._relay.faults.take("smtp", "data")
        if fault is not None and fault.kind in (FaultKind.REFUSE, FaultKind.THROTTLE):
            return _reply(fault)
        # Kept before the answer: a sender that loses the answer has delivered all the same.
        for address in envelope.rcpt_tos:
            self._relay.take(envelope, address)
        if fault is not None and (reply := await self._suffer(server, fault)):
            return reply
        return "250 2.0.0 OK: queued"

    async def _suffer(self, server: SMTP, fault: Fault) -> str | None:
        match fault.kind:
            case FaultKind.DELAY:
                await asyncio.sleep(fault.number("seconds", 2.0))
                return None
            case FaultKind.DROP_ANSWER:
                _abort(server)
                return "421 4.3.2 closing"
            case _:
                return _reply(fault)


def _abort(smtp: SMTP) -> None:
    if isinstance(smtp.transport, asyncio.WriteTransport):
        smtp.transport.abort()


def _reply(fault: Fault) -> str:
    """Word a refusal: `body` as it is, else a usual line for the kind and `status`."""
    if "body" in fault.details:
        return fault.text("body")
    if fault.kind is FaultKind.THROTTLE:
        return "454 4.7.0 Throttling failure: maximum sending rate exceeded"
    if fault.kind is FaultKind.SERVER_ERROR:
        return "451 4.3.0 temporary failure"
    if fault.kind is FaultKind.GARBAGE:
        return "250-what?\r\n999 nonsense"
    status = int(fault.number("status", 550))
    return _NO_SUCH_USER if status == 550 else f"{status} refused"


class MailRelay:
    """Listens for mail inside the caller's event loop."""

    def __init__(self, mailbox: Mailbox, faults: Faults, journal: Journal, people: People) -> None:
        self.mailbox = mailbox
        self.faults = faults
        self._journal = journal
        self._people = people
        self._server: asyncio.Server | None = None
        self._open: set[SMTP] = set()

    def take(self, envelope: Envelope, address: str) -> None:
        """Put a received mail into a mailbox."""
        content = envelope.original_content or b""
        mail = self.mailbox.put(content, envelope.mail_from or "", address)
        self._people.by_email(address)
        self._journal.note("smtp", f"mail to {address}: {mail.subject}")

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses when `port` is 0.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            smtp = SMTP(
                _Handler(self), hostname="sandbox", ident=_IDENT, enable_SMTPUTF8=True, loop=loop
            )
            self._open.add(smtp)
            return smtp

        self._server = await loop.create_server(session, host, port)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Stop listening and close open connections."""
        if self._server is None:
            return
        self._server.close()
        # aiosmtpd waits for QUIT for minutes; a kept connection must not outlive the listener.
        for smtp in self._open:
            _abort(smtp)
        await self._server.wait_closed()
        self._open.clear()
        self._server = None
