"""Hands mails to one SMTP relay over a few kept connections, each mail once.

Source: RFC 5321 (4.2 reply codes, 4.5.3.2 time-outs), RFC 3463 (enhanced codes).
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
)

from channels.base import Refusal
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError

CONNECTIONS: Final = 4
"""Mails that are handed over side by side."""

PLACE_TIMEOUT_S: Final = 60.0
"""Longest wait for one of them; nothing is sent meanwhile."""

COMMAND_TIMEOUT_S: Final = 30.0

DATA_TIMEOUT_S: Final = 600.0
"""To give up earlier on the answer to the final dot sends the mail twice (RFC 5321, 4.5.3.2.6)."""

_STALE_TIMEOUT_S: Final = 10.0
_QUIT_TIMEOUT_S: Final = 2.0
_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_LOGIN_WANTED: Final = frozenset({530, 534, 535, 538})
_NO_MAILBOX: Final = frozenset({550, 551, 553})


class Relay:
    """One relay, and the connections to it."""

    def __init__(self, url: str, *, local_hostname: str) -> None:
        """Read where the relay is; nothing is connected yet.

        Args:
            url: as `Email` takes it.
            local_hostname: what we call ourselves in EHLO.

        Raises:
            ValueError: the URL is not of that form.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        is_plain = query == {"tls": ["off"]}
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or (query and not is_plain):
            raise ValueError(
                "an SMTP URL is smtp[s]://user:password@host:port, with ?tls=off or not"
            )
        self._host = parts.hostname
        self._is_implicit = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._is_implicit else 587)
        self._starts_tls = not self._is_implicit and not is_plain
        self._tls = None if is_plain else ssl.create_default_context()
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._local_hostname = local_hostname
        self._kept: list[SMTP] = []
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._is_closed = False

    async def submit(self, content: bytes, *, sender: str, recipient: str) -> None:
        """Hand over one mail. Not safe to repeat after `UncertainError`.

        Raises:
            NotSentError: no connection, none that is free, or a 4xx reply at any point.
            RejectedError: a 5xx reply at any point.
            UncertainError: no reply, or none that can be read, after the mail's text.
        """
        async with self._place():
            connection = await self._begun(sender)
            is_usable = False
            try:
                await _address(connection, recipient)
                await _hand_over(connection, content)
                is_usable = True
            except (NotSentError, RejectedError):
                is_usable = await _is_reset(connection)
                raise
            finally:
                self._give_back(connection, is_usable=is_usable)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the connections, if one is free in time: a slow relay is not waited for twice."""
        try:
            async with asyncio.timeout(PLACE_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError:
            raise NotSentError("every connection to the mail relay is busy") from None
        try:
            yield
        finally:
            self._slots.release()

    async def _begun(self, sender: str) -> SMTP:
        """A connection that has taken MAIL FROM: a kept one, or a fresh one if that went stale.

        Up to there nothing can have been sent, so that a dead connection is no news to anybody.
        """
        while self._kept:
            connection = self._kept.pop()
            with suppress(NotSentError):
                return await _begin(connection, sender, _STALE_TIMEOUT_S)
        return await _begin(await self._connected(), sender, COMMAND_TIMEOUT_S)

    async def _connected(self) -> SMTP:
        connection = SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._is_implicit,
            start_tls=self._starts_tls,
            tls_context=self._tls,
            # Otherwise asked of the DNS, which would stop the event loop meanwhile.
            local_hostname=self._local_hostname,
            timeout=COMMAND_TIMEOUT_S,
        )
        try:
            await connection.connect()
            if self._user:
                await connection.login(self._user, self._password)
        except BaseException as error:
            connection.close()
            end = _connect_error(error)
            if end is None:
                raise
            raise end from None
        return connection

    def _give_back(self, connection: SMTP, *, is_usable: bool) -> None:
        if is_usable and not self._is_closed:
            self._kept.append(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        """Say goodbye on the kept connections; those in use are closed after their mail."""
        self._is_closed = True
        while self._kept:
            connection = self._kept.pop()
            with suppress(SMTPException, OSError):
                await connection.quit(timeout=_QUIT_TIMEOUT_S)
            connection.close()


async def _begin(connection: SMTP, sender: str, timeout_s: float) -> SMTP:
    """Open a mail transaction, or close the connection.

    Raises:
        NotSentError: it is dead, or the relay takes no more on it.
        RejectedError: the relay takes no mail from this sender.
    """
    try:
        await connection.mail(sender, timeout=timeout_s)
    except SMTPResponseException as error:
        connection.close()
        raise _refusal(error, otherwise=Refusal.CONFIG) from None
    except (SMTPException, OSError) as error:
        connection.close()
        raise NotSentError(f"the mail relay went away ({type(error).__name__})") from None
    except BaseException:
        connection.close()
        raise
    return connection


async def _address(connection: SMTP, recipient: str) -> None:
    try:
        await connection.rcpt(recipient, timeout=COMMAND_TIMEOUT_S)
    except SMTPResponseException as error:
        is_mailbox = error.code in _NO_MAILBOX
        otherwise = Refusal.ADDRESS if is_mailbox else Refusal.CONTENT
        raise _refusal(error, otherwise=otherwise) from None
    except (SMTPException, OSError) as error:
        raise NotSentError(f"the mail relay went away ({type(error).__name__})") from None


async def _hand_over(connection: SMTP, content: bytes) -> None:
    try:
        await connection.data(content, timeout=DATA_TIMEOUT_S)
    except SMTPResponseException as error:
        if not 400 <= error.code < 600:
            raise UncertainError("the mail relay's reply to the mail cannot be read") from None
        raise _refusal(error, otherwise=Refusal.CONTENT) from None
    except (SMTPException, OSError) as error:
        reason = f"the mail relay did not say whether it took the mail ({type(error).__name__})"
        raise UncertainError(reason) from None


async def _is_reset(connection: SMTP) -> bool:
    """Whether the connection can take another mail."""
    try:
        await connection.rset(timeout=COMMAND_TIMEOUT_S)
    except (SMTPException, OSError):
        return False
    return True


def _connect_error(error: BaseException) -> ChannelError | None:
    """What a failed connection or login means; None for what is no failure of these."""
    if isinstance(error, SMTPAuthenticationError) and error.code >= 500:
        reason = "the mail relay refuses our login"
        return RejectedError(reason, refusal=Refusal.CONFIG, code=str(error.code))
    if isinstance(error, SMTPResponseException | SMTPConnectError | OSError):
        code = str(error.code) if isinstance(error, SMTPResponseException) else None
        return NotSentError(f"no mail relay ({type(error).__name__})", code=code)
    if isinstance(error, SMTPException):
        # What is left is a relay without STARTTLS or without login, where we want them.
        reason = f"the mail relay offers no TLS or no login ({type(error).__name__})"
        return RejectedError(reason, refusal=Refusal.CONFIG)
    return None


def _refusal(error: SMTPResponseException, *, otherwise: Refusal) -> NotSentError | RejectedError:
    """The end that a reply means; its words may name a person and are left out."""
    enhanced = _ENHANCED.match(error.message)
    status = "" if enhanced is None else enhanced[0]
    code = f"{error.code} {status}".strip()
    reason = f"the mail relay answered {code}"
    if not 500 <= error.code < 600:
        return NotSentError(reason, code=code)
    if error.code in _LOGIN_WANTED or "relay" in error.message.lower():
        refusal = Refusal.CONFIG
    elif status.startswith(("5.1.", "5.2.")) and otherwise is not Refusal.CONFIG:
        refusal = Refusal.ADDRESS
    elif status.startswith("5.7.") and otherwise is not Refusal.CONFIG:
        refusal = Refusal.CONTENT
    else:
        refusal = otherwise
    return RejectedError(reason, refusal=refusal, code=code)
