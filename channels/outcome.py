"""Turns one HTTP exchange into an end: a value, or exactly one error of `errors.py`.

Also makes the clients that such exchanges run over, and reads answers no further than they matter.
It never repeats a request.
"""

import logging
import ssl
from collections.abc import AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache, partial
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from channels.base import Refusal
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError

MAX_BODY_BYTES = 256 * 1024
"""Longest answer that is read; providers' answers have a few KiB."""

MAX_RETRY_AFTER_S = 3600.0
"""Longest delay that is believed, in seconds."""

MAX_CONNECTIONS = 256
"""Connections of one client, open at once."""

CONNECT_TIMEOUT_S = 10.0
"""Longest wait for a free connection and for a new one; until then nothing has left."""

_KEEP_ALIVE_S = 30.0

HttpClient = httpx.AsyncClient
"""What exchanges run over."""

# httpx writes each URL at INFO; a URL may hold an address, an account or a bot's token.
logging.getLogger("httpx").setLevel(logging.WARNING)


@contextmanager
def exchange() -> Iterator[None]:
    """Map what may go wrong on the wire within the block.

    Raises:
        NotSentError: no connection came about, so that no byte of the request left.
        UncertainError: anything later: the request may have been read and done.
    """
    try:
        yield
    except (httpx.RequestError, aiohttp.ClientError) as error:
        # The original says the URL, hence perhaps a token: only its class is told.
        reason = type(_cause(error)).__name__
        if _never_left(error):
            raise NotSentError(f"no connection to the provider ({reason})") from None
        raise UncertainError(f"the provider's answer was lost ({reason})") from None


def _cause(error: Exception) -> BaseException:
    return error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error


def _never_left(error: Exception) -> bool:
    """Whether `error` came before any byte of the request.

    httpx-aiohttp 0.2 turns a connection lost *after* the request into `ConnectTimeout`, so that
    aiohttp's own error decides where there is one.
    """
    cause = _cause(error)
    if isinstance(cause, aiohttp.ClientError):
        return isinstance(
            cause,
            aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL,
        )
    return isinstance(
        error,
        httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol,
    )


def error_for(
    status: int, headers: Mapping[str, str], *, code: str | None = None
) -> ChannelError | None:
    """The end that an HTTP status means; None for 2xx.

    Args:
        status: as answered.
        headers: with lower-case names, or matching them in any case.
        code: the provider's own error code, kept in the error.

    Source: RFC 9110, 15; 408, 425 and 429 are answered before a request is worked on.
    """
    if 200 <= status < 300:
        return None
    if status in (408, 425, 429):
        return NotSentError(
            f"the provider asks to wait (HTTP {status})",
            code=code or str(status),
            retry_after_s=retry_after_s(headers),
        )
    if status >= 500:
        return UncertainError(f"the provider failed (HTTP {status})", code=code or str(status))
    # What is no 4xx either is a redirect, which is not followed: the base URL is wrong.
    is_ours = status < 400 or status in (401, 403, 404, 405, 407)
    return RejectedError(
        f"the provider refused it (HTTP {status})",
        refusal=Refusal.CONFIG if is_ours else Refusal.CONTENT,
        code=code or str(status),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The delay that a provider asks for, in seconds from 0 to `MAX_RETRY_AFTER_S`.

    Args:
        headers: of the response, with lower-case names or matching them in any case.

    Returns:
        None where there is none or it cannot be read. A date is measured against the response's
        own `Date`, so that neither clock matters.

    Source: RFC 9110, 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    until, now = _http_date(text), _http_date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def form_request(
    client: httpx.AsyncClient, url: str, form: Mapping[str, str], headers: Mapping[str, str]
) -> httpx.Request:
    """A POST of a form, as the client would build it, at a fifth of the work.

    The address is the same for every message, the client has no cookies, parameters or base address
    of its own to merge, and the host and the length are written by aiohttp below.
    """
    request = httpx.Request(
        "POST",
        _parsed(url),
        stream=httpx.ByteStream(urlencode(form).encode()),
        headers={
            "accept-encoding": "identity",
            "content-type": "application/x-www-form-urlencoded",
            **{name.lower(): value for name, value in headers.items()},
        },
        extensions={"timeout": client.timeout.as_dict()},
    )
    request.read()
    return request


@lru_cache(maxsize=32)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


async def read_capped(response: httpx.Response, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Read a streamed answer, but not past `max_bytes`: a longer one comes back cut, unreadable.

    Raises:
        httpx.RequestError: the connection broke; to be called within `exchange`.
    """
    chunks: AsyncIterable[bytes] = response.aiter_bytes()
    if "content-encoding" not in response.headers:
        # As it came: three generators fewer for each message.
        chunks = cast(httpx.AsyncByteStream, response.stream)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])


class _PlainClient(httpx.AsyncClient):
    """A client whose every `send` is one exchange of its transport, with nothing around it.

    httpx's own looks after redirects, cookies, authentication and hooks, of which none is used here
    and which cost a message a tenth of its whole work.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, **settings: Any) -> None:
        super().__init__(transport=transport, **settings)
        self._plain = transport

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **_: object
    ) -> httpx.Response:
        """See httpx; a redirect is given back as it came."""
        if self.is_closed:
            raise RuntimeError("the client is closed")
        response = await self._plain.handle_async_request(request)
        response.request = request
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response


def new_client(*, timeout_s: float, keep_alive: bool, base_url: str = "") -> httpx.AsyncClient:
    """Make a client that follows no redirect, repeats nothing, keeps no cookie and checks TLS.

    Args:
        timeout_s: longest silence while writing and reading; connecting has its own, shorter one.
        keep_alive: whether connections are used again; False makes a fresh one each request, so
            that none can turn out stale.
        base_url: put before relative URLs.

    Proxies and certificates named in the environment are ignored. Connections are opened in the
    event loop of the first request; close the client there.
    """
    transport = AiohttpTransport(
        verify=_tls_context(), trust_env=False, client=partial(_new_session, keep_alive)
    )
    connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
    return _PlainClient(
        transport,
        base_url=base_url,
        timeout=httpx.Timeout(timeout_s, connect=connect_s, pool=connect_s),
        trust_env=False,
        # Nothing to unpack, hence no small answer that unpacks to gigabytes.
        headers={"accept-encoding": "identity"},
    )


@cache
def _tls_context() -> ssl.SSLContext:
    """One for all clients: each costs some 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


def _new_session(keep_alive: bool) -> aiohttp.ClientSession:
    """The connections below a client; built in its event loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS,
            ssl=_tls_context(),
            force_close=not keep_alive,
            keepalive_timeout=_KEEP_ALIVE_S if keep_alive else None,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("user-agent",),
        auto_decompress=False,
    )
