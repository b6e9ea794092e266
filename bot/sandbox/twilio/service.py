"""The emulated Twilio as the other parts see it: creating messages and its HTTP routes."""

import asyncio
import base64
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.sandbox.config import TwilioConfig
from bot.sandbox.faults import Faults
from bot.sandbox.journal import Journal
from bot.sandbox.people import People
from bot.sandbox.twilio.content import Button, load_contents, read_variables
from bot.sandbox.twilio.delivery import Delivery
from bot.sandbox.twilio.handset import Handsets
from bot.sandbox.twilio.messages import Message, MessageLog, resource
from bot.sandbox.twilio.refusals import TwilioRefusalError, error_response, refusal
from bot.sandbox.webhooks import Postman
from bot.sandbox.wire import json_response, urlencoded, with_faults

_BODY_CHARS: Final = 1600
_E164: Final = re.compile(r"^\+[1-9]\d{6,14}$")
_WHATSAPP: Final = re.compile(r"^whatsapp:(\+\d{6,15}|[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128})$")


class Twilio:
    """One Twilio account; `messages` iterates oldest first."""

    def __init__(
        self,
        config: TwilioConfig,
        *,
        faults: Faults,
        postman: Postman,
        journal: Journal,
        people: People,
        now: Callable[[], datetime],
        base_url: Callable[[], str],
        keep: int,
    ) -> None:
        self.config = config
        self.messages = MessageLog(keep, now)
        self.handsets = Handsets(config, self.messages, postman, people, journal, now)
        self.delivery = Delivery(config, self.handsets, faults, postman, journal, now)
        self.contents = load_contents()
        self._faults = faults
        self._postman = postman
        self._journal = journal
        self._people = people
        self._now = now
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """List the API routes, to be mounted under `/twilio`."""
        base = "/2010-04-01/Accounts/{account}"
        create = with_faults(self._faults, "twilio", "create", self._create, refusal)
        listing = with_faults(self._faults, "twilio", "list", self._list, refusal)
        fetch = with_faults(self._faults, "twilio", "fetch", self._fetch, refusal)
        return [
            Route(f"{base}/Messages.json", create, methods=["POST"]),
            Route(f"{base}/Messages.json", listing, methods=["GET"]),
            Route(f"{base}/Messages/{{sid}}.json", fetch, methods=["GET"]),
            Route(f"{base}.json", self._account, methods=["GET"]),
            Route(f"{base}/Messages/{{sid}}/Media/{{media}}", self._media, methods=["GET"]),
            Route("/kept/{media}", self._kept, methods=["GET"]),
        ]

    async def _create(self, request: Request) -> Response:
        form = dict(urlencoded(await request.body()))
        try:
            self._authenticate(request)
            message = self._accept(form)
        except TwilioRefusalError as error:
            self._journal.note("twilio", f"create refused: {error.code}", is_bad=True)
            return error_response(error.code, message=str(error))
        answer = json_response(resource(message, self.config.account_sid), 201)
        if self.config.create_latency_s:
            await asyncio.sleep(self.config.create_latency_s)
        # After the wait: with a slow create, statuses follow the answer and do not pile up before.
        self._postman.start(self.delivery.run(message))
        return answer

    def _accept(self, form: dict[str, str]) -> Message:
        """Check a create request like Twilio does before it answers, and log the message."""
        sender = self._check_addresses(form)
        body, buttons, late_error = self._content(form)
        service = form.get("MessagingServiceSid") or None
        message = Message(
            sid=self.messages.new_sid(),
            to=form["To"],
            sender=sender,
            body=body,
            direction="outbound-api",
            status="accepted" if service else "queued",
            created_at=self._now(),
            buttons=buttons,
            content_sid=form.get("ContentSid", ""),
            status_callback=form.get("StatusCallback", ""),
            service_sid=service,
            late_error=late_error,
        )
        # So that the page shows what is sent to a number nobody told it of.
        self._people.by_phone(message.to.removeprefix("whatsapp:"))
        self._journal.touch()
        return self.messages.add(message)

    def _check_addresses(self, form: dict[str, str]) -> str:
        to, sender = form.get("To", ""), form.get("From", "")
        is_whatsapp = to.startswith("whatsapp:")
        if not to:
            raise TwilioRefusalError(21604)
        if not sender and not form.get("MessagingServiceSid"):
            raise TwilioRefusalError(21603)
        # A WhatsApp address may be a business-scoped id and no phone number.
        if not (_WHATSAPP if is_whatsapp else _E164).match(to):
            raise TwilioRefusalError(21211)
        if sender and sender.startswith("whatsapp:") != is_whatsapp:
            raise TwilioRefusalError(21910)
        ours = self._sender(is_whatsapp)
        if sender not in ("", ours):
            raise TwilioRefusalError(63007 if is_whatsapp else 21606)
        if form.get("MessagingServiceSid", "") not in ("", self.config.messaging_service_sid):
            raise TwilioRefusalError(21703)
        if not is_whatsapp:
            self._check_sms(to)
        callback = form.get("StatusCallback", "")
        if callback and urlsplit(callback).scheme not in ("http", "https"):
            raise TwilioRefusalError(21609)
        return sender or ours

    def _check_sms(self, to: str) -> None:
        if to in self.handsets.landlines:
            raise TwilioRefusalError(21614)
        if to in self.handsets.opted_out:
            raise TwilioRefusalError(21610)

    def _sender(self, is_whatsapp: bool) -> str:
        return f"whatsapp:{self.config.whatsapp_from}" if is_whatsapp else self.config.sms_from

    def _content(self, form: dict[str, str]) -> tuple[str, tuple[Button, ...], int]:
        """Word the message; gives body, buttons and the code delivery will end with."""
        content_sid, body = form.get("ContentSid", ""), form.get("Body", "")
        variables = form.get("ContentVariables", "")
        if content_sid:
            if content_sid not in self.contents:
                raise TwilioRefusalError(21655)
            given = read_variables(variables) if variables else {}
            card = self.contents[content_sid].fill(given, self._base_url())
            return card.body, card.buttons, card.error
        if variables:
            raise TwilioRefusalError(21654)
        if not body and "MediaUrl" not in form:
            raise TwilioRefusalError(21619)
        if len(body) > _BODY_CHARS:
            raise TwilioRefusalError(21617)
        return body, (), 0

    def _authenticate(self, request: Request) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        expected = f"{self.config.account_sid}:{self.config.auth_token}".encode()
        try:
            given = base64.b64decode(encoded) if scheme.lower() == "basic" else b""
        except ValueError:
            given = b""
        if not hmac.compare_digest(given, expected):
            raise TwilioRefusalError(20003)
        if request.path_params["account"] != self.config.account_sid:
            raise TwilioRefusalError(20404)

    async def _list(self, request: Request) -> Response:
        try:
            self._authenticate(request)
        except TwilioRefusalError as error:
            return error_response(error.code)
        query = dict(request.query_params)
        size = _bounded(query.get("PageSize"), default=50, most=1000)
        page = _bounded(query.get("Page"), default=0, most=10_000)
        found = self.messages.search(query)
        start = page * size
        some = found[start : start + size]
        here = f"/2010-04-01/Accounts/{self.config.account_sid}/Messages.json?PageSize={size}"
        has_more = len(found) > start + size
        return json_response(
            {
                "messages": [resource(message, self.config.account_sid) for message in some],
                "page": page,
                "page_size": size,
                "start": start,
                "end": max(start, start + len(some) - 1),
                "uri": f"{here}&Page={page}",
                "first_page_uri": f"{here}&Page=0",
                "next_page_uri": f"{here}&Page={page + 1}" if has_more else None,
                "previous_page_uri": f"{here}&Page={page - 1}" if page else None,
            }
        )

    async def _fetch(self, request: Request) -> Response:
        try:
            self._authenticate(request)
        except TwilioRefusalError as error:
            return error_response(error.code)
        message = self.messages.get(request.path_params["sid"])
        if message is None:
            return error_response(20404)
        return json_response(resource(message, self.config.account_sid))

    async def _media(self, request: Request) -> Response:
        """Send whoever proves themselves to where files are kept.

        Source: Twilio docs, "Media resource": a file is had by a redirect to a short-lived URL.
        """
        try:
            self._authenticate(request)
        except TwilioRefusalError as error:
            return error_response(error.code)
        media = request.path_params["media"]
        if media not in self.handsets.media:
            return error_response(20404)
        return RedirectResponse(f"{self._base_url()}/twilio/kept/{media}", 307)

    async def _kept(self, request: Request) -> Response:
        """Give a file to whoever knows its place; one who shows credentials here leaks them."""
        file = self.handsets.media.get(request.path_params["media"])
        if file is None or "authorization" in request.headers:
            return Response(status_code=403)
        return Response(file.content, media_type=file.content_type)

    async def _account(self, request: Request) -> Response:
        """Answer a credentials check."""
        try:
            self._authenticate(request)
        except TwilioRefusalError as error:
            return error_response(error.code)
        return json_response({"sid": self.config.account_sid, "status": "active", "type": "Full"})


def _bounded(text: str | None, *, default: int, most: int) -> int:
    return min(int(text), most) if text is not None and text.isdecimal() else default
