"""The doors and the route list: who comes in, with what, and what they are told."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from bot.handlers.rules import Dispatches, Rules
from bot.migo import CallbackGate
from bot.sandbox.twilio.signature import sign
from bot.store.engine import Store
from bot.store.inbox import Received, Source
from bot.telemetry.metrics import Metrics
from bot.web.api import build_api
from bot.web.app import ROUTES, Auth, Health, build_web, security_headers
from bot.web.callers import Proxies, Refusals
from bot.web.webhooks import (
    CALLBACK_MAX_BYTES,
    TELEGRAM_MAX_BYTES,
    TWILIO_MAX_BYTES,
    Doors,
    Suspect,
)
from channels.base import ChannelName, InboundChannel
from channels.outcome import new_client
from channels.registry import ChannelsConfig, build_channels

SECRET = "callback-secret-0123456789"
OLD_SECRET = "callback-secret-9876543210"
BOT_SECRET = "telegram-secret"
TOKEN = "api-token-0123456789"
SID = "AC" + "0" * 32
TWILIO_TOKEN = "twilio-token"
PUBLIC = "https://pay.example"
JSON = {"content-type": "application/json"}
RIGHT = {**JSON, "x-api-key": SECRET}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PATIENT = Refusals(Metrics(), Proxies(), per_second=1_000_000)
HARDENED = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "strict-transport-security": "max-age=31536000",
}


class Inbox:
    """Where the doors put things; may be out of order."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.is_broken = False

    async def put(self, item: Received) -> None:
        if self.is_broken:
            raise OSError("disk full at /secret/place")
        self.received.append(item)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def channels() -> AsyncIterator[dict[ChannelName, InboundChannel]]:
    config = ChannelsConfig(
        twilio_account_sid=SID,
        twilio_auth_tokens=(TWILIO_TOKEN,),
        sms_from="+15005550006",
        telegram_token="1:AA",
        telegram_webhook_secret=BOT_SECRET,
    )
    client = new_client(timeout_s=1, keep_alive=False)
    built = build_channels(config, clock=lambda: datetime.now(UTC), client=client)
    yield {name: each for name, each in built.items() if isinstance(each, InboundChannel)}
    for channel in built.values():
        await channel.aclose()
    await client.aclose()


def _rules() -> Rules:
    return Rules(
        couriers=frozenset(),
        reports=frozenset(),
        migo_channels={},
        currencies=frozenset({"GTQ"}),
        dispatches=Dispatches.UNKNOWN,
        new_id=lambda: "id",
        random=lambda: 0.5,
    )


@pytest.fixture
def api() -> Iterator[ASGIApp]:
    store = Store("sqlite://", clock=lambda: datetime.now(UTC))
    yield build_api(store, _rules(), tokens=(TOKEN,), refusals=PATIENT)
    store.engine.dispose()


@pytest.fixture
def web(inbox: Inbox, channels: dict[ChannelName, InboundChannel], api: ASGIApp) -> ASGIApp:
    return _web(inbox, api, channels[ChannelName.SMS], channels[ChannelName.TELEGRAM])


def _web(
    inbox: Inbox,
    api: ASGIApp,
    twilio: InboundChannel | None = None,
    telegram: InboundChannel | None = None,
    refusals: Refusals = PATIENT,
    suspect: Suspect | None = None,
) -> ASGIApp:
    async def is_ready() -> bool:
        return not inbox.is_broken

    async def metrics() -> bytes:
        return b"paybot_events_total 1.0\n"

    doors = Doors(
        put=inbox.put,
        put_callback=inbox.put,
        is_from_migo=CallbackGate("x-api-key", (SECRET, OLD_SECRET)).admits,
        public_url=PUBLIC,
        twilio=twilio,
        telegram=telegram,
        refusals=refusals,
        suspect=suspect,
    )
    return build_web(doors, api, Health(is_ready, metrics), tokens=(TOKEN,))


def client_of(web: ASGIApp, caller: str = "203.0.113.9") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(web, raise_app_exceptions=False, client=(caller, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://inside.example")


@pytest.fixture
async def http(web: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(web) as client:
        yield client


async def test_a_callback_is_kept_byte_for_byte_without_its_secret(
    http: httpx.AsyncClient, inbox: Inbox
) -> None:
    body = b'{ "uid":"u1",\t"status" : "approved" }\n'
    answer = await http.post("/webhooks/migo?x=1", content=body, headers=RIGHT)
    assert (answer.status_code, answer.content) == (200, b"{}")
    [item] = inbox.received
    assert (item.source, item.body, item.url) == (
        Source.MIGO,
        body,
        f"{PUBLIC}/webhooks/migo?x=1",
    )
    assert SECRET not in str(item)


async def test_either_secret_opens_while_it_is_rotated(http: httpx.AsyncClient) -> None:
    old = await http.post(
        "/webhooks/migo", content=b"{}", headers={**JSON, "x-api-key": OLD_SECRET}
    )
    assert old.status_code == 200


@pytest.mark.parametrize(
    "value", [b"", b"wrong", SECRET[:-1].encode(), f"{SECRET}x".encode(), b"\xff\xfe", "ñ".encode()]
)
async def test_a_wrong_header_is_refused_unread(
    http: httpx.AsyncClient, inbox: Inbox, value: bytes
) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-api-key", value)]
    answer = await http.post("/webhooks/migo", content=b"{}", headers=headers)
    assert (answer.status_code, answer.content) == (401, b"")
    assert not inbox.received


@pytest.mark.parametrize(
    "headers",
    [
        JSON,
        {**JSON, "authorization": f"Bearer {SECRET}"},
        {**JSON, "x-api-keys": SECRET},
        {**JSON, "x-api-key": f"Bearer {SECRET}"},
    ],
)
async def test_the_secret_counts_in_its_own_header_only(
    http: httpx.AsyncClient, inbox: Inbox, headers: dict[str, str]
) -> None:
    assert (await http.post("/webhooks/migo", content=b"{}", headers=headers)).status_code == 401
    assert not inbox.received


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.migo+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
async def test_only_json_is_a_callback(
    http: httpx.AsyncClient, inbox: Inbox, content_type: str, status: int
) -> None:
    headers = {**RIGHT, "content-type": content_type}
    assert (await http.post("/webhooks/migo", content=b"{}", headers=headers)).status_code == status
    assert len(inbox.received) == (status == 200)


def _twilio(body: bytes, path: str = "/webhooks/twilio/status") -> dict[str, str]:
    fields = [("AccountSid", SID), ("Body", body.decode().partition("Body=")[2])]
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": sign(TWILIO_TOKEN, PUBLIC + path, fields),
    }


def _form(size: int) -> bytes:
    start = f"AccountSid={SID}&Body=".encode()
    return start + b"x" * (size - len(start))


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 16 * 1024):
        yield body[start : start + 16 * 1024]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with length", "chunked"])
@pytest.mark.parametrize("over", [-1, 0, 1, 10_000_000])
@pytest.mark.parametrize("door", ["migo", "twilio", "telegram"])
async def test_a_body_has_a_size(
    http: httpx.AsyncClient, inbox: Inbox, door: str, over: int, is_chunked: bool
) -> None:
    path, size, headers = {
        "migo": ("/webhooks/migo", CALLBACK_MAX_BYTES, RIGHT),
        "twilio": ("/webhooks/twilio/status", TWILIO_MAX_BYTES, {}),
        "telegram": (
            "/webhooks/telegram",
            TELEGRAM_MAX_BYTES,
            {**JSON, "x-telegram-bot-api-secret-token": BOT_SECRET},
        ),
    }[door]
    body = _form(size + over) if door == "twilio" else b"[" * (size + over)
    headers = headers or _twilio(body)
    content: Any = _chunks(body) if is_chunked else body
    answer = await http.post(path, content=content, headers=headers)
    expected = {"migo": 200, "twilio": 204, "telegram": 200}[door] if over <= 0 else 413
    assert answer.status_code == expected
    assert [len(each.body) for each in inbox.received] == ([size + over] if over <= 0 else [])


@pytest.mark.parametrize("promised", ["5", "0", "99999999999999999999999", "-1", "many"])
async def test_a_promised_length_is_not_trusted(web: ASGIApp, inbox: Inbox, promised: str) -> None:
    """As if the server had let it through: what counts is what comes."""
    body = b"x" * (CALLBACK_MAX_BYTES + 1)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {**RIGHT, "content-length": promised}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/migo",
        "raw_path": b"/webhooks/migo",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.9", 1),
    }
    await web(scope, receive, send)
    assert sent[0]["status"] == 413
    assert not inbox.received


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webhooks/twilio/status", 403),
        ("/webhooks/twilio/inbound", 403),
        ("/webhooks/telegram", 401),
        ("/v1/payments", 401),
        ("/v1/bulk", 401),
    ],
)
async def test_without_a_proof_in_the_headers_no_body_is_read(
    web: ASGIApp, path: str, status: int
) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    wrong = (b"x-telegram-bot-api-secret-token", b"wrong"), (b"authorization", b"Bearer wrong")
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *wrong],
        "client": ("203.0.113.9", 1),
    }
    await web(scope, receive, send)
    assert sent[0]["status"] == status


async def test_a_callback_cut_off_in_the_middle_is_not_kept(web: ASGIApp, inbox: Inbox) -> None:
    messages = [
        {"type": "http.request", "body": b'{"uid":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    statuses: list[int] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    headers = [(name.encode(), value.encode()) for name, value in RIGHT.items()]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/migo", "headers": headers}
    await web({**scope, "query_string": b"", "client": None}, receive, send)
    assert 400 <= statuses[0] < 500
    assert not inbox.received


def _signed(token: str = TWILIO_TOKEN, url: str = f"{PUBLIC}/webhooks/twilio/inbound") -> str:
    return sign(token, url, [("AccountSid", SID), ("Body", "x")])


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "ñ",
        _signed("another-token"),
        _signed(url=f"{PUBLIC}/webhooks/twilio/status"),
        _signed(url="http://inside.example/webhooks/twilio/inbound"),
        _signed()[:-2],
    ],
)
async def test_what_twilio_did_not_sign_is_refused(
    http: httpx.AsyncClient, inbox: Inbox, signature: str | None
) -> None:
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    if signature is not None:
        headers.append((b"x-twilio-signature", signature.encode()))
    answer = await http.post("/webhooks/twilio/inbound", content=_form(48), headers=headers)
    assert (answer.status_code, answer.content) == (403, b"")
    assert not inbox.received


async def test_what_twilio_signed_is_answered_in_its_language(
    http: httpx.AsyncClient, inbox: Inbox
) -> None:
    body = _form(60)
    path = "/webhooks/twilio/inbound"
    # The host that the request names is the caller's word; the public address is ours.
    headers = {**_twilio(body, path), "host": "evil.example", "x-forwarded-host": "evil.example"}
    answer = await http.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/xml")
    assert answer.text.endswith("<Response/>")
    assert [each.source for each in inbox.received] == [Source.TWILIO_INBOUND]


@pytest.mark.parametrize("secret", [None, "", "wrong", f"{BOT_SECRET} ", "ñ"])
async def test_a_wrong_telegram_secret_is_refused(
    http: httpx.AsyncClient, inbox: Inbox, secret: str | None
) -> None:
    headers = [(b"content-type", b"application/json")]
    if secret is not None:
        headers.append((b"x-telegram-bot-api-secret-token", secret.encode()))
    answer = await http.post("/webhooks/telegram", content=b'{"update_id":1}', headers=headers)
    assert (answer.status_code, answer.content) == (401, b"")
    assert not inbox.received


async def test_the_door_of_a_channel_that_is_off_is_not_there(inbox: Inbox, api: ASGIApp) -> None:
    async with client_of(_web(inbox, api)) as http:
        for path in ("twilio/status", "twilio/inbound", "telegram"):
            assert (await http.post(f"/webhooks/{path}", content=b"x")).status_code == 404


async def test_what_cannot_be_stored_is_not_acknowledged(
    http: httpx.AsyncClient, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.is_broken = True
    answer = await http.post("/webhooks/migo", content=b'{"uid":"u-canary"}', headers=RIGHT)
    assert answer.status_code == 503
    assert "secret/place" not in answer.text
    assert "u-canary" not in caplog.text
    assert (await http.get("/readyz")).status_code == 503
    assert (await http.get("/healthz")).json() == {"status": "ok"}


def _routes(web: ASGIApp) -> list[str]:
    found: Any = web
    while not isinstance(found, Starlette):
        found = found._app
    return [route.path for route in found.routes if isinstance(route, Route | Mount)]


def test_the_router_and_the_list_of_routes_agree(web: ASGIApp) -> None:
    assert sorted(_routes(web)) == sorted(ROUTES)


@pytest.mark.parametrize("path", sorted(ROUTES))
async def test_nothing_opens_without_its_proof(
    http: httpx.AsyncClient, inbox: Inbox, path: str
) -> None:
    places = [path, f"{path}/", f"{path}/payments", f"{path}/openapi.json"]
    for place in places if path == "/v1" else [path]:
        for method in METHODS:
            answer = await http.request(method, place, headers=JSON)
            is_open = ROUTES[path] is Auth.NONE and method in ("GET", "HEAD")
            expected = {200} if is_open else {401, 403, 404, 405}
            assert answer.status_code in expected, f"{method} {place}"
    assert not inbox.received


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/redoc", "/webhooks", "/webhooks/migo/", "//v1", "/.env"],
)
async def test_elsewhere_there_is_nothing(http: httpx.AsyncClient, path: str, method: str) -> None:
    answer = await http.request(method, f"http://inside.example{path}", headers=RIGHT)
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize("method", [each for each in METHODS if each != "POST"])
async def test_a_door_takes_posts_only(http: httpx.AsyncClient, inbox: Inbox, method: str) -> None:
    assert (await http.request(method, "/webhooks/migo", headers=RIGHT)).status_code == 405
    assert not inbox.received


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/webhooks/migo", RIGHT),
        ("POST", "/webhooks/migo", JSON),
        ("GET", "/webhooks/migo", {}),
        ("GET", "/healthz", {}),
        ("GET", "/v1/payments", {}),
        ("GET", "/v1/openapi.json", {"authorization": f"Bearer {TOKEN}"}),
        ("GET", "/nowhere", {}),
    ],
)
async def test_every_answer_is_hardened(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await http.request(method, path, headers=headers)
    assert {name: answer.headers.get(name) for name in HARDENED} == HARDENED
    assert "server" not in answer.headers


async def test_a_failure_is_hardened_too(http: httpx.AsyncClient, inbox: Inbox) -> None:
    inbox.is_broken = True
    answer = await http.post("/webhooks/migo", content=b"{}", headers=RIGHT)
    assert {name: answer.headers.get(name) for name in HARDENED} == HARDENED


@pytest.mark.parametrize(
    ("caller", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 401),
        ("203.0.113.9", {"x-forwarded-for": "127.0.0.1"}, 401),
        ("203.0.113.9", {}, 401),
        ("203.0.113.9", {"authorization": f"Bearer {TOKEN}"}, 200),
        ("203.0.113.9", {"authorization": f"Basic {TOKEN}"}, 401),
        ("203.0.113.9", {"authorization": "Bearer "}, 401),
        ("no address", {}, 401),
    ],
)
async def test_figures_are_for_this_machine_or_for_a_token(
    web: ASGIApp, caller: str, headers: dict[str, str], status: int
) -> None:
    async with client_of(web, caller) as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status


async def test_wrong_keys_are_slowed_down_and_the_right_one_never(
    inbox: Inbox, api: ASGIApp
) -> None:
    refusals = Refusals(Metrics(), Proxies(), clock=lambda: 1.0)
    async with client_of(_web(inbox, api, refusals=refusals)) as http:
        wrong = [await http.post("/webhooks/migo", content=b"{}", headers=JSON) for _ in range(12)]
        assert [each.status_code for each in wrong] == [401] * 10 + [429] * 2
        right = [await http.post("/webhooks/migo", content=b"{}", headers=RIGHT) for _ in range(12)]
        assert [each.status_code for each in right] == [200] * 12


@pytest.mark.parametrize(
    "path", ["/nowhere", "/healthz", "/readyz", "/metrics", "/webhooks/telegram"]
)
async def test_what_needs_no_proof_is_rationed(
    inbox: Inbox, api: ASGIApp, channels: dict[ChannelName, InboundChannel], path: str
) -> None:
    refusals = Refusals(Metrics(), Proxies(), clock=lambda: 1.0)
    web = _web(inbox, api, telegram=channels[ChannelName.TELEGRAM], refusals=refusals)
    async with client_of(web) as http:
        answers = [await http.request("POST" if "hook" in path else "GET", path) for _ in range(12)]
        assert [each.status_code == 429 for each in answers] == [False] * 10 + [True] * 2


async def test_this_machine_may_look_as_often_as_it_likes(inbox: Inbox, api: ASGIApp) -> None:
    refusals = Refusals(Metrics(), Proxies(), clock=lambda: 1.0)
    async with client_of(_web(inbox, api, refusals=refusals), "127.0.0.1") as http:
        assert {(await http.get("/healthz")).status_code for _ in range(30)} == {200}


async def test_a_wrong_token_is_slowed_down_and_the_right_one_never(
    inbox: Inbox, channels: dict[ChannelName, InboundChannel]
) -> None:
    store = Store("sqlite://", clock=lambda: datetime.now(UTC))
    refusals = Refusals(Metrics(), Proxies(), clock=lambda: 1.0)
    api = build_api(store, _rules(), tokens=(TOKEN,), refusals=refusals)
    async with client_of(_web(inbox, api, refusals=refusals)) as http:
        wrong = [await http.get("/v1/payments") for _ in range(11)]
        assert [each.status_code for each in wrong] == [401] * 10 + [429]
        assert wrong[-1].json()["error"]["code"] == "too_many"
        right = await http.get("/v1/openapi.json", headers={"authorization": f"Bearer {TOKEN}"})
        assert right.status_code == 200
    store.engine.dispose()


async def test_a_callback_with_a_wrong_key_is_looked_at_but_not_kept(
    inbox: Inbox, api: ASGIApp
) -> None:
    seen: list[bytes] = []

    async def suspect(body: bytes) -> None:
        seen.append(body)

    refusals = Refusals(Metrics(), Proxies(), clock=lambda: 1.0)
    async with client_of(_web(inbox, api, refusals=refusals, suspect=suspect)) as http:
        await http.post("/webhooks/migo", content=b"right", headers=RIGHT)
        for number in range(12):
            await http.post("/webhooks/migo", content=b"wrong %d" % number, headers=JSON)
    assert seen == [b"wrong %d" % number for number in range(10)]
    assert [item.body for item in inbox.received] == [b"right"]


@pytest.mark.parametrize(("url", "expected"), [(PUBLIC, True), ("http://127.0.0.1:8000", False)])
def test_only_https_is_promised_where_it_is_spoken(url: str, expected: bool) -> None:
    assert (b"strict-transport-security" in dict(security_headers(url))) is expected
