"""The web role: every route with its auth class, in one list.

The doors store and answer; `/v1` is for the merchant's own systems; health says as little as it
can. Whatever fails here ends in a short JSON answer without a trace of how.
"""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.store.engine import StoreError
from bot.web.callers import Refusals, is_loopback
from bot.web.webhooks import Doors

_log = logging.getLogger(__name__)


class Auth(StrEnum):
    """What proves that a request may come in."""

    MIGO_HEADER = "migo header"
    """The static header agreed with Migo."""
    TWILIO_SIGNATURE = "twilio signature"
    """HMAC over URL and parameters."""
    TELEGRAM_HEADER = "telegram header"
    """The secret token given to setWebhook."""
    BEARER = "bearer"
    """A token of `API_TOKENS`."""
    NONE = "none"
    """Open to anybody; gives away nothing."""
    BEARER_OR_LOOPBACK = "bearer or loopback"
    """A token, or a caller on this machine."""


ROUTES = {
    "/webhooks/migo": Auth.MIGO_HEADER,
    "/webhooks/twilio/status": Auth.TWILIO_SIGNATURE,
    "/webhooks/twilio/inbound": Auth.TWILIO_SIGNATURE,
    "/webhooks/telegram": Auth.TELEGRAM_HEADER,
    "/v1": Auth.BEARER,
    "/healthz": Auth.NONE,
    "/readyz": Auth.NONE,
    "/metrics": Auth.BEARER_OR_LOOPBACK,
}
"""Every path that answers; a test walks the router against this list."""

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_ONLY_HTTPS = (b"strict-transport-security", b"max-age=31536000")


def security_headers(public_url: str) -> list[tuple[bytes, bytes]]:
    """What goes with every answer of a service that is called under this URL."""
    return [*_HEADERS, _ONLY_HTTPS] if public_url.startswith("https:") else list(_HEADERS)


@dataclass(frozen=True, slots=True)
class Health:
    """How the web role learns whether the service can work, and its figures."""

    is_ready: Callable[[], Awaitable[bool]]
    metrics: Callable[[], Awaitable[bytes]]


def build_web(doors: Doors, api: ASGIApp, health: Health, *, tokens: tuple[str, ...]) -> ASGIApp:
    """The whole web role as one ASGI application."""
    routes: list[BaseRoute] = [
        Route("/webhooks/migo", doors.migo, methods=["POST"]),
        Route("/webhooks/twilio/status", doors.twilio_status, methods=["POST"]),
        Route("/webhooks/twilio/inbound", doors.twilio_inbound, methods=["POST"]),
        Route("/webhooks/telegram", doors.telegram_update, methods=["POST"]),
        *_health_routes(health, doors.refusals, tokens),
        Mount("/v1", app=api),
    ]
    return _Hardened(_routed(routes, doors.refusals), security_headers(doors.public_url))


def build_health(health: Health, refusals: Refusals, *, tokens: tuple[str, ...]) -> ASGIApp:
    """Health and figures alone, for a process without the web role."""
    app = _routed(_health_routes(health, refusals, tokens), refusals)
    return _Hardened(app, security_headers(""))


def _routed(routes: Sequence[BaseRoute], refusals: Refusals) -> ASGIApp:
    async def on_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        given = refusals.status(request.scope, "nowhere", status)
        code = "not_found" if given == 404 else "refused"
        return _problem(given, code, "there is nothing here")

    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: on_http_error,
            StoreError: _on_no_database,
            Exception: _on_error,
        },
    )
    app.router.redirect_slashes = False
    return app


def _health_routes(health: Health, refusals: Refusals, tokens: tuple[str, ...]) -> list[BaseRoute]:
    token_bytes = tuple(token.encode() for token in tokens)

    def is_over(request: Request) -> bool:
        # Who looks after the service from this machine may look as often as they like.
        return not _is_loopback(request) and refusals.is_over(request.scope)

    async def healthz(request: Request) -> Response:
        if is_over(request):
            return Response(status_code=429)
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        if is_over(request):
            return Response(status_code=429)
        is_ready = await health.is_ready()
        body = {"status": "ready" if is_ready else "not ready"}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    async def metrics(request: Request) -> Response:
        if not (_is_loopback(request) or has_token(request, token_bytes)):
            return refusals.refuse(request.scope, "metrics", 401)
        return Response(await health.metrics(), media_type="text/plain; version=0.0.4")

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def has_token(request: Request, tokens: tuple[bytes, ...]) -> bool:
    """Whether the bearer token is one of ours; all are compared, in constant time."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    proof = given.strip().encode("utf-8", "surrogateescape")
    found = [hmac.compare_digest(proof, token) for token in tokens]
    return scheme.lower() == "bearer" and any(found)


def _is_loopback(request: Request) -> bool:
    """Whether the caller is on this machine and no proxy spoke for somebody else."""
    if request.client is None or "x-forwarded-for" in request.headers:
        return False
    return is_loopback(request.client.host)


def _problem(status: int, code: str, message: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message}})
    return Response(body, status_code=status, media_type="application/json")


def note_no_database(request: Request, error: Exception) -> None:
    """Keep to a line; why there is no database is in the log already."""
    _log.warning("%s is answered 503: %s", request.url.path, error)


async def _on_no_database(request: Request, error: Exception) -> Response:
    note_no_database(request, error)
    return _problem(503, "unavailable", "not stored; try again")


async def _on_error(request: Request, error: Exception) -> Response:
    """Say only that it failed; the log has the kind of error, the route and no data."""
    _log.error("%s failed with %s", request.url.path, type(error).__name__, exc_info=error)
    return _problem(503, "unavailable", "not stored; try again")


class _Hardened:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, send_hardened if scope["type"] == "http" else send)
