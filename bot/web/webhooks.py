"""The doors for providers.

Each checks where a request comes from, stores its bytes with one INSERT that it shares with other
requests, and answers. Nothing is read into the body here; that is intake's work.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bot.domain.cards import hide_cards
from bot.store.inbox import Received, Source
from bot.web.callers import Refusals
from channels.base import InboundChannel, RawRequest
from channels.errors import BadSignatureError

CALLBACK_MAX_BYTES = 64 * 1024
TWILIO_MAX_BYTES = 64 * 1024
TELEGRAM_MAX_BYTES = 1024 * 1024
EVENT_ID_MAX_CHARS = 200

_KEPT_HEADERS = ("content-type", "user-agent", "i-twilio-idempotency-token")
"""Headers worth keeping; the ones that carry secrets and signatures are not stored."""
_HEADER_CHARS = 500

_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

Put = Callable[[Received], Awaitable[None]]
LARGE_KEPT_BYTES = 4 * 1024
"""How much is kept of a callback that is too large."""
Suspect = Callable[[bytes], Awaitable[None]]
"""Looks at the body of a callback that came without the right key, or is too large."""
Endpoint = Callable[[Request], Awaitable[Response]]


class TooLargeError(Exception):
    """The body is larger than this door takes; `start` is what was read of it."""

    def __init__(self, start: bytes = b"") -> None:
        """Keep what was read."""
        super().__init__()
        self.start = start


@dataclass(frozen=True, slots=True)
class Doors:
    """The four doors and what they need: where to put requests, and who proves their origin.

    `put_callback` has a refuge for when the database is away; the other providers repeat.
    """

    put: Put
    put_callback: Put
    is_from_migo: Callable[[dict[str, str]], bool]
    public_url: str
    twilio: InboundChannel | None
    telegram: InboundChannel | None
    refusals: Refusals
    suspect: Suspect | None = None
    note_large: Suspect | None = None

    async def migo(self, request: Request) -> Response:
        """Take a payment callback: 200 once its bytes are durable."""
        headers = _headers_of(request)
        if not self.is_from_migo(headers):
            return await self._refuse_callback(request, headers)
        if not _is_json(headers.get("content-type", "")):
            return self.refusals.refuse_proven("migo", 415)
        try:
            body = await read_body(request, CALLBACK_MAX_BYTES, is_start_wanted=True)
        except TooLargeError as error:
            return await self._refuse_large(error.start)
        # Migo names no event; byte-identical bodies are the same news about the same uid. Half of
        # the hash tells them apart, and the index over it, written all over, has half the pages.
        event_id = hashlib.sha256(body).hexdigest()[:32]
        await self.put_callback(self._received(request, Source.MIGO, event_id, headers, body))
        return Response(b"{}", media_type="application/json")

    async def _refuse_large(self, start: bytes) -> Response:
        """Refuse what has the right key, but not unseen: it is news of money all the same."""
        if self.note_large is not None and start:
            await self.note_large(start[:LARGE_KEPT_BYTES])
        return self.refusals.refuse_proven("migo", 413)

    async def _refuse_callback(self, request: Request, headers: dict[str, str]) -> Response:
        """Refuse a callback without the right key, but not unseen: it may be Migo's after all."""
        refusal = self.refusals.refuse(request.scope, "migo", 401)
        if self.suspect is not None and refusal.status_code == 401:
            with suppress(TooLargeError):
                await self.suspect(await read_body(request, CALLBACK_MAX_BYTES))
        return refusal

    async def twilio_status(self, request: Request) -> Response:
        """Take a delivery report: 204."""
        refusal = await self._take(
            request, Source.TWILIO_STATUS, self.twilio, TWILIO_MAX_BYTES, 403
        )
        return refusal or Response(status_code=204)

    async def twilio_inbound(self, request: Request) -> Response:
        """Take what a person wrote: an empty answer, since replies go through the outbox."""
        refusal = await self._take(
            request, Source.TWILIO_INBOUND, self.twilio, TWILIO_MAX_BYTES, 403
        )
        return refusal or Response(_TWIML, media_type="text/xml")

    async def telegram_update(self, request: Request) -> Response:
        """Take an update: 200 once it is stored, for a failed one would block those behind it."""
        refusal = await self._take(request, Source.TELEGRAM, self.telegram, TELEGRAM_MAX_BYTES, 401)
        return refusal or Response(b"{}", media_type="application/json")

    async def _take(
        self,
        request: Request,
        source: Source,
        channel: InboundChannel | None,
        max_bytes: int,
        bad_proof: int,
    ) -> Response | None:
        """Verify, cover card numbers, and store; the refusal where there is one."""
        if channel is None:
            return self.refusals.refuse(request.scope, source.value, 404)
        headers = _headers_of(request)
        try:
            channel.check_headers(headers)
            body = await read_body(request, max_bytes)
            raw = RawRequest(self._url_of(request), headers, body)
            event_id = channel.verify(raw)
        except TooLargeError:
            return self.refusals.refuse(request.scope, source.value, 413)
        except BadSignatureError:
            return self.refusals.refuse(request.scope, source.value, bad_proof)
        kept = channel.cover(raw, hide_cards)
        await self.put(self._received(request, source, event_id, headers, kept))
        return None

    def _url_of(self, request: Request) -> str:
        """The URL that the provider was told, never what a Host header says."""
        raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope.get("query_string", b"")
        path = raw_path.split(b"?")[0].decode("latin-1")
        return (
            f"{self.public_url}{path}?{query.decode('latin-1')}"
            if query
            else self.public_url + path
        )

    def _received(
        self,
        request: Request,
        source: Source,
        event_id: str | None,
        headers: dict[str, str],
        body: bytes,
    ) -> Received:
        kept = {name: headers[name][:_HEADER_CHARS] for name in _KEPT_HEADERS if name in headers}
        return Received(source, _storable(event_id), self._url_of(request), kept, body)


def _storable(event_id: str | None) -> str | None:
    """The id as it is; where no database would take it, a hash that stands for it."""
    if event_id is None or (len(event_id) <= EVENT_ID_MAX_CHARS and event_id.isprintable()):
        return event_id
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()


def _headers_of(request: Request) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]
    }


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def read_body(request: Request, max_bytes: int, *, is_start_wanted: bool = False) -> bytes:
    """Read a body, counting while it streams; a length that was promised is not trusted.

    Raises:
        TooLargeError: it is longer than `max_bytes`; one that says so at once is read up to there
            only if its start is wanted.
    """
    promised = "" if is_start_wanted else request.headers.get("content-length", "")
    if promised.isdecimal() and len(promised) < 20 and int(promised) > max_bytes:
        raise TooLargeError
    chunks = bytearray()
    try:
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > max_bytes:
                raise TooLargeError(bytes(chunks))
    except ClientDisconnect:
        raise TooLargeError from None
    return bytes(chunks)
