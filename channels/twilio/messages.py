"""Twilio's Message resource over one httpx client: create, find, fetch.

One call is one HTTP exchange, never repeated: creating a message is not idempotent.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from twilio.http.response import Response
from twilio.rest import Client

from channels.base import Accepted, DeliveryReport, OutboundMessage
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError
from channels.outcome import (
    HttpClient,
    error_for,
    exchange,
    form_request,
    new_client,
    read_capped,
    retry_after_s,
)
from channels.twilio.account import TwilioAccount
from channels.twilio.codes import FAILURES, STATES, error_of
from channels.twilio.media import fetch_media
from channels.twilio.webhooks import report

MAX_BODY_CHARS: Final = 1600
"""Source: Twilio docs, error 21617."""

DEADLINE_S: Final = 30.0
"""Longest time for one exchange, from the first byte to the last."""

_LOOK_AT: Final = 50
_SID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
)
"""What the SDK raises over a 2xx that is not as documented."""

_build_sdk: Callable[..., Any] = Client


class _Message(Protocol):
    """What is used of the SDK's message; an answer may hold anything there."""

    sid: object
    status: object
    body: object
    error_code: object
    date_created: object


class _Messages(Protocol):
    """What is used of the SDK's message list."""

    async def create_async(self, to: str, **fields: str) -> _Message: ...

    async def page_async(self, *, to: str, page_size: int) -> Iterable[_Message]: ...


class TwilioHttp:
    """The HTTP client that the SDK is given.

    The SDK's own one ignores its time-out, repeats a POST when told to retry, and logs URLs. Errors
    are told apart here, where the answer's headers are still at hand.
    """

    is_async = True

    def __init__(self, client: HttpClient, account: TwilioAccount) -> None:
        self._client = client
        self._authorization = account.authorization

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Response:
        """Do one exchange.

        Raises:
            NotSentError, RejectedError, UncertainError: for anything but a 2xx.
        """
        headers = {**(headers or {}), "Authorization": self._authorization}
        if method == "POST" and data is not None and not params:
            request = form_request(self._client, uri, data, headers)
        else:
            request = self._client.build_request(
                method, uri, params=params or None, data=data, headers=headers
            )
        try:
            async with asyncio.timeout(DEADLINE_S):
                with exchange():
                    response = await self._client.send(request, stream=True)
                    try:
                        text = (await read_capped(response)).decode("utf-8", "replace")
                    finally:
                        await response.aclose()
        except TimeoutError:
            raise UncertainError("Twilio did not finish its answer") from None
        error = _error(response.status_code, response.headers, text)
        if error is not None:
            raise error
        return Response(response.status_code, text)


def _error(status: int, headers: Mapping[str, str], text: str) -> ChannelError | None:
    """The end of an answer, by Twilio's code unless the status alone decides.

    Source: Twilio docs, "Twilio's Response": `{"code", "message", "more_info", "status"}`, or a
    problem document (RFC 9457) with the same `code`; errors 20429 and 20500 for 429 and 5xx.
    """
    code = None if 200 <= status < 300 else _code(text)
    by_status = error_for(status, headers, code=code)
    if not isinstance(by_status, RejectedError):
        return by_status
    # The texts that come with a code may hold the number; ours do not.
    error = error_of(code) or by_status
    if isinstance(error, NotSentError):
        error.retry_after_s = retry_after_s(headers)
    return error


def _code(text: str) -> str | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    code = answer.get("code") if isinstance(answer, dict) else None
    return str(code) if isinstance(code, int | str) else None


class TwilioMessages:
    """The messages of one account from one of its senders."""

    def __init__(
        self,
        account: TwilioAccount,
        *,
        sender: str | None,
        messaging_service_sid: str | None,
        client: HttpClient | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Take a sender (`+E.164` or `whatsapp:+E.164`), a messaging service, or both.

        Args:
            account: whose messages.
            sender: our own address.
            messaging_service_sid: the pool that picks a sender, where there is one.
            client: from `channels.outcome.new_client`, closed by its owner; None for an own one.
            clock: gives the aware present time.
        """
        pairs = {"from_": sender, "messaging_service_sid": messaging_service_sid}
        self._origin = {name: value for name, value in pairs.items() if value}
        if not self._origin:
            raise ValueError("Twilio needs a sender or a messaging service")
        http = client or new_client(timeout_s=DEADLINE_S, keep_alive=True)
        self._http, self._account = http, account
        self._own_client = http if client is None else None
        sdk = _build_sdk(
            account.account_sid,
            account.auth_tokens[0],
            http_client=TwilioHttp(http, account),
            # Not empty, or else it reads TWILIO_EDGE and TWILIO_REGION, which rewrite host names.
            environment={"TWILIO_EDGE": "", "TWILIO_REGION": ""},
        )
        sdk.api.base_url = account.base_url.rstrip("/")
        self._messages: _Messages = sdk.messages
        self._resource: Callable[[str], Any] = sdk.messages
        self._clock = clock
        self._is_closed = False

    async def create(self, message: OutboundMessage, *, to: str, body: str | None) -> Accepted:
        """Create one message. Not safe to repeat.

        Args:
            message: its template, if it has one, goes instead of a body; so does its `status_url`.
            to: as Twilio writes it, `+E.164` or `whatsapp:…`.
            body: the text as it shall arrive.

        Raises:
            NotSentError, RejectedError, UncertainError: as `Channel.send`; not sent after `aclose`.

        Source: Twilio docs, "Create a Message"; 201 means stored, not sent.
        """
        if self._is_closed:
            raise NotSentError("the channel is closed")
        try:
            made = await self._messages.create_async(to, **self._fields(message, body))
            sid, status, code = made.sid, made.status, made.error_code
        except _UNREADABLE:
            # Only reading a 2xx gets here: it was accepted, and its name is lost.
            raise UncertainError("Twilio's answer cannot be read") from None
        if not isinstance(sid, str) or not _SID.fullmatch(sid):
            raise UncertainError("Twilio accepted it without naming it")
        # No callback tells of the status that a message is born with.
        if STATES.get(str(status)) in FAILURES:
            raise error_of(str(code)) or RejectedError("Twilio refused it", code=str(code))
        return Accepted(sid, self._clock())

    def _fields(self, message: OutboundMessage, body: str | None) -> dict[str, str]:
        fields = dict(self._origin)
        if message.status_url is not None:
            fields["status_callback"] = message.status_url
        if message.template is not None:
            fields["content_sid"] = message.template.content_sid
            fields["content_variables"] = json.dumps(
                dict(message.template.variables), ensure_ascii=False
            )
        else:
            fields["body"] = body or ""
        return fields

    async def find(self, *, to: str, since: datetime, is_same: Callable[[str], bool]) -> list[str]:
        """Look for messages that may have been created without our hearing of it.

        Args:
            to: as it was created.
            since: nothing older counts.
            is_same: tells by its body whether it is the one.

        Returns:
            The ids of those that look alike, latest first. One that failed does not count.

        Raises:
            NotSentError, RejectedError, UncertainError: the list could not be read.

        Source: Twilio docs, "Read multiple Message resources": newest first. Not narrowed by
        `DateSent`, which a message that is still queued does not have.
        """
        try:
            page = await self._messages.page_async(to=to, page_size=_LOOK_AT)
            return [
                str(each.sid)
                for each in page
                if _is_younger(each.date_created, since)
                and _may_arrive(each)
                and isinstance(each.body, str)
                and is_same(each.body)
            ]
        except _UNREADABLE:
            raise UncertainError("Twilio's list cannot be read") from None

    async def fetch(self, provider_id: str) -> DeliveryReport | None:
        """What Twilio says now of a message; None for a status that is not known.

        Raises:
            NotSentError, RejectedError, UncertainError: it could not be read.
        """
        if not _SID.fullmatch(provider_id):
            raise RejectedError("this is no message id of Twilio's")
        try:
            found: _Message = await self._resource(provider_id).fetch_async()
        except _UNREADABLE:
            raise UncertainError("Twilio's answer cannot be read") from None
        code = "" if found.error_code is None else str(found.error_code)
        return report(provider_id, str(found.status), code)

    async def fetch_file(self, file_id: str) -> bytes:
        """See `media.fetch_media`."""
        return await fetch_media(self._http, self._account, file_id)

    async def aclose(self) -> None:
        """Send no more; calling it again does nothing."""
        self._is_closed = True
        if self._own_client is not None:
            await self._own_client.aclose()


def _is_younger(created_at: object, since: datetime) -> bool:
    """Whether it is no older; Twilio's times have whole seconds."""
    if not isinstance(created_at, datetime):
        return False
    return created_at >= since.astimezone(UTC).replace(microsecond=0)


def _may_arrive(message: _Message) -> bool:
    state = STATES.get(str(message.status))
    return state is not None and state not in FAILURES
