"""`/v1` over HTTP, in process, on both databases."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from bot.domain.delivery import Done, LinkMade
from bot.domain.payment import Alert
from bot.handlers import outgoing
from bot.handlers.rules import Dispatches, Rules
from bot.store import inbox, ledger
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx, make_engine
from bot.store.schema import metadata
from bot.telemetry.metrics import Metrics
from bot.web.api import build_api
from bot.web.bodies import PaymentBody
from bot.web.callers import Proxies, Refusals
from channels.base import ChannelName

Json = dict[str, Any]
NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
TOKEN = "first-token"
OTHER_TOKEN = "second-token"


def _refusals() -> Refusals:
    return Refusals(Metrics(), Proxies())


class Api:
    """`/v1` with a clock that the test moves."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.store = Store(url, clock=lambda: self.now)
        numbers = itertools.count(1)
        self.rules = Rules(
            couriers=frozenset(set(ChannelName) - {ChannelName.TELEGRAM}),
            reports=frozenset({ChannelName.WHATSAPP, ChannelName.SMS}),
            migo_channels={"whatsapp": "wa", "sms": "sms", "email": "email", "web": "web"},
            currencies=frozenset({"GTQ", "JPY"}),
            dispatches=Dispatches.NO,
            new_id=lambda: f"{next(numbers):04}",
            random=lambda: 0.5,
        )
        app = build_api(self.store, self.rules, tokens=(TOKEN, OTHER_TOKEN), refusals=_refusals())
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=[Mount("/v1", app)])),
            base_url="http://paybot.test",
            headers={"authorization": f"Bearer {TOKEN}"},
        )

    async def create(self, *, key: str | None = None, **fields: object) -> httpx.Response:
        headers = {} if key is None else {"idempotency-key": key}
        return await self.http.post("/v1/payments", json=asked(**fields), headers=headers)

    async def make_link(self, url: str = "https://web.example/pay") -> None:
        """Let Migo make the one link that is owed."""

        def claim(tx: Tx) -> list[OutboxItem]:
            lease = timedelta(minutes=1)
            return outgoing.claim(
                tx, self.rules, lane="migo", limit=1, lease=lease, token="t", worker="w"
            )

        [item] = await self.store.transact(claim)
        made = Done(LinkMade(f"uid-{item.id}", "REF", url))
        await self.store.transact(lambda tx: outgoing.settle(tx, self.rules, [(item, made)]))


def asked(**fields: object) -> Json:
    return {
        "customer": {"phone": "5555-1234", "name": "Ana", "email": "ana@example.com"},
        "amount_minor": 15000,
        "currency": "GTQ",
        "channel": "sms",
        **fields,
    }


def fields_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {each["field"]: each["message"] for each in answer.json()["error"]["fields"]}


@pytest.fixture(scope="session")
def api_schema_url(postgres_url: str) -> str:
    """The worker's PostgreSQL database, in a schema of our own."""
    url = f"{postgres_url}?options=-csearch_path%3Dapi"
    engine = make_engine(url)
    with engine.begin() as conn:
        conn.execute(sa.text("create schema api"))
    metadata.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def empty_schema_url(api_schema_url: str) -> str:
    engine = make_engine(api_schema_url)
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with engine.begin() as conn:
        conn.execute(sa.text(f"truncate {names} restart identity"))
    engine.dispose()
    return api_schema_url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    url = f"sqlite:///{tmp_path}/paybot.db"
    if request.param == "postgres":
        url = request.getfixturevalue("empty_schema_url")
    async with running(url) as api:
        yield api


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Api]:
    """On SQLite only, for what the database has no part in."""
    async with running(f"sqlite:///{tmp_path}/paybot.db") as api:
        yield api


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Api]:
    api = Api(url)
    api.store.open()
    if api.store.is_sqlite:
        metadata.create_all(api.store.engine)
    yield api
    await api.http.aclose()
    await api.store.close()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"concept": "cobrar a 4111 1111 1111 1111"}, "concept"),
        ({"external_id": "4111111111111111"}, "external_id"),
        ({"created_by": "41111111 11111111"}, "created_by"),
        ({"customer": {"phone": "5555-1234", "name": "4111,1111,1111,1111"}}, "customer.name"),
    ],
)
async def test_a_card_number_is_refused_wherever_it_is_written(
    api: Api, fields: Json, named: str
) -> None:
    told = fields_of(await api.create(**fields))
    assert told == {named: "must hold no card number"}


async def test_a_payment_is_created_and_read_back(api: Api) -> None:
    answer = await api.create(concept="Mensualidad", external_id="INV-42")
    assert answer.status_code == 201
    payment = answer.json()
    assert answer.headers["location"] == f"/v1/payments/{payment['id']}"
    assert payment["status"] == "requested"
    assert payment["customer"]["phone"] == "+50255551234"
    assert (payment["amount_minor"], payment["currency"]) == (15000, "GTQ")
    assert payment["created_at"] == "2026-04-03T12:00:00Z"
    assert payment["created_by"] == "api"
    assert payment["links"] == payment["messages"] == payment["alerts"] == []
    assert payment["timeline"] == [
        {"at": "2026-04-03T12:00:00Z", "what": "requested", "why": "api", "next_at": None}
    ]
    read = await api.http.get(answer.headers["location"])
    assert (read.status_code, read.json()) == (200, payment)


async def test_the_same_key_gives_the_first_answer(api: Api) -> None:
    first = await api.create(key="k")
    again = await api.create(key="k")
    other = await api.create(key="k", amount_minor=15001)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json() == first.json()
    assert other.json()["error"]["code"] == "conflict"


async def test_the_same_external_id_gives_the_first_answer(api: Api) -> None:
    first = await api.create(external_id="INV-1")
    again = await api.create(external_id="INV-1", key="another")
    other = await api.create(external_id="INV-1", concept="other")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json()["id"] == first.json()["id"]


async def test_the_same_request_of_another_clerk_is_a_repeat(api: Api) -> None:
    first = await api.create(external_id="INV-1", created_by="ana")
    again = await api.create(external_id="INV-1", created_by="eva")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["created_by"] == "ana"


async def test_another_spelling_of_the_same_request_is_a_repeat(local: Api) -> None:
    first = await local.create(key="k", send_at="2026-04-03T13:00:00Z")
    body = asked(send_at="2026-04-03T07:00:00.000-06:00", route=["sms"])
    body["customer"]["phone"] = "+502 5555 1234"
    again = await local.http.post("/v1/payments", json=body, headers={"idempotency-key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)


async def test_a_repeat_is_answered_though_its_time_has_passed(local: Api) -> None:
    times = {"send_at": "2026-04-03T13:00:00Z", "due_at": "2026-04-04T13:00:00Z"}
    await local.create(key="k", **times)
    local.now += timedelta(days=30)
    assert (await local.create(key="k", **times)).status_code == 200
    assert "send_at" in fields_of(await local.create(key="new", **times))


@pytest.mark.parametrize("names", [{"key": "k"}, {"external_id": "INV-1"}])
async def test_twins_at_once_make_one_payment(api: Api, names: Json) -> None:
    answers = await asyncio.gather(*(api.create(**names) for _ in range(12)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_rivals_for_one_key_at_once_leave_one_winner(api: Api) -> None:
    answers = await asyncio.gather(*(api.create(key="k", amount_minor=n) for n in range(1, 9)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


BAD_TOKENS = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": f"Bearer {TOKEN}x"},
    {"authorization": f"Basic {TOKEN}"},
    {"authorization": TOKEN},
    {"x-api-key": TOKEN},
]


@pytest.mark.parametrize("headers", BAD_TOKENS)
async def test_nobody_comes_in_without_a_token(local: Api, headers: dict[str, str]) -> None:
    del local.http.headers["authorization"]
    calls = [
        ("GET", "/v1/payments"),
        ("POST", "/v1/payments"),
        ("GET", "/v1/payments/pay_0001"),
        ("POST", "/v1/payments/pay_0001/cancel"),
        ("POST", "/v1/payments/pay_0001/resend"),
        ("GET", "/v1/payments/pay_0001/qr.png"),
        ("GET", "/v1/alerts"),
        ("POST", "/v1/alerts/1/close"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/v1/nothing"),
    ]
    for method, path in calls:
        answer = await local.http.request(method, path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {OTHER_TOKEN}"])
async def test_each_token_opens(local: Api, header: str) -> None:
    answer = await local.http.get("/v1/payments", headers={"authorization": header})
    assert answer.status_code == 200


@pytest.mark.parametrize("tokens", [(), ("",), ("good", "")])
def test_there_is_no_api_without_tokens(local: Api, tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="token"):
        build_api(local.store, local.rules, tokens=tokens, refusals=_refusals())


UNREADABLE: list[tuple[bytes, str, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"[]", "application/json", 400),
    (b"null", "application/json", 400),
    (b'{"currency": "GTQ", "currency": "USD"}', "application/json", 400),
    (b'{"amount_minor": NaN}', "application/json", 400),
    (b'{"amount_minor": 1' + b"0" * 400 + b"}", "application/json", 400),
    (b'{"amount_minor": 1e999999999}', "application/json", 400),
    (b'{"concept": "\\ud800"}', "application/json", 400),
    (b'{"concept": "a\\u0000b"}', "application/json", 400),
    (b'{"concept": "\xff"}', "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b"\xef\xbb\xbf{}", "application/json", 400),
    (json.dumps(asked()).encode(), "text/plain", 415),
    (json.dumps(asked()).encode(), "", 415),
    (b'{"concept": "' + b"x" * 262_144 + b'"}', "application/json", 413),
]


@pytest.mark.parametrize(("body", "content_type", "status"), UNREADABLE)
async def test_a_body_that_cannot_be_trusted_is_refused(
    local: Api, body: bytes, content_type: str, status: int
) -> None:
    headers = {"content-type": content_type}
    answer = await local.http.post("/v1/payments", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


async def test_a_body_is_counted_while_it_streams(local: Api) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    answer = await local.http.post("/v1/payments", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert taken <= 262_144 + 2 * 65_536


def customer(**fields: object) -> Json:
    return {"customer": asked()["customer"] | fields}


BAD_FIELDS: list[tuple[Json, str]] = [
    ({"surprise": 1}, "surprise"),
    (customer(surprise=1), "customer.surprise"),
    ({"customer": None}, "customer"),
    ({"customer": "Ana"}, "customer"),
    (customer(phone=None), "customer.phone"),
    (customer(phone=50255551234), "customer.phone"),
    (customer(phone="123"), "customer.phone"),
    (customer(phone="5555-1234 or 2222-3333"), "customer.phone"),
    (customer(email="ana@"), "customer.email"),
    (customer(email="ana@example.com, eve@example.com"), "customer.email"),
    (customer(name="A\nB"), "customer.name"),
    (customer(name="A\u202eB"), "customer.name"),
    (customer(name=" "), "customer.name"),
    (customer(name="x" * 101), "customer.name"),
    (customer(locale="es_GT.UTF-8"), "customer.locale"),
    (customer(telegram_chat_id="@ana"), "customer.telegram_chat_id"),
    (customer(telegram_chat_id=-100), "customer.telegram_chat_id"),
    (customer(telegram_chat_id=True), "customer.telegram_chat_id"),
    ({"amount_minor": 0}, "amount_minor"),
    ({"amount_minor": -1}, "amount_minor"),
    ({"amount_minor": True}, "amount_minor"),
    ({"amount_minor": "15000"}, "amount_minor"),
    ({"amount_minor": 15000.0}, "amount_minor"),
    ({"amount_minor": 150.5}, "amount_minor"),
    ({"amount_minor": 10**12 + 1}, "amount_minor"),
    ({"currency": "gtq"}, "currency"),
    ({"currency": "XXXX"}, "currency"),
    ({"currency": "USD"}, "currency"),
    ({"channel": None}, "channel"),
    ({"channel": "fax"}, "channel"),
    ({"channel": "telegram"}, "channel"),
    ({"channel": "app"}, "channel"),
    ({"channel": "sms", "route": ["whatsapp", "sms"]}, "channel"),
    ({"channel": None, "route": []}, "route"),
    ({"channel": None, "route": ["sms", "sms"]}, "route"),
    ({"channel": None, "route": ["sms", "fax"]}, "route.1"),
    ({"channel": None, "route": ["sms", "telegram"]}, "route"),
    ({"channel": None, "route": "sms"}, "route"),
    ({**customer(email=None), "channel": "email"}, "customer.email"),
    ({"concept": ""}, "concept"),
    ({"concept": "x" * 201}, "concept"),
    ({"external_id": "a\tb"}, "external_id"),
    ({"external_id": 42}, "external_id"),
    ({"send_at": "2026-04-03T12:00:00Z"}, "send_at"),
    ({"send_at": "2026-04-03T13:00:00"}, "send_at"),
    ({"send_at": "2026-04-31T13:00:00Z"}, "send_at"),
    ({"send_at": "0001-01-01T00:00:00+14:00"}, "send_at"),
    ({"send_at": "9999-12-31T23:59:59-14:00"}, "send_at"),
    ({"send_at": "tomorrow"}, "send_at"),
    ({"send_at": 1775300000}, "send_at"),
    ({"due_at": "2026-07-03T12:00:00Z"}, "due_at"),
    ({"send_at": "2026-04-05T00:00:00Z", "due_at": "2026-04-04T00:00:00Z"}, "due_at"),
    ({"due_at": "2026-04-05T00:00:00Z", "expires_at": "2026-04-04T00:00:00Z"}, "expires_at"),
    ({"reminders": "often"}, "reminders"),
    ({"reminders": ["soon"]}, "reminders"),
    ({"reminders": ["due-4", "due-3", "due-2", "due-1"]}, "reminders"),
    ({"reminders": ["created+1", 2]}, "reminders"),
    ({"notify": "pigeon:1"}, "notify"),
    ({"notify": "telegram:ana"}, "notify"),
    ({"notify": "telegram:42"}, "notify"),
    ({"notify": "sms:1"}, "notify"),
    ({"created_by": "x" * 101}, "created_by"),
]


@pytest.mark.parametrize(("fields", "field"), BAD_FIELDS)
async def test_a_wrong_field_is_named(local: Api, fields: Json, field: str) -> None:
    found = fields_of(await local.create(**fields))
    assert list(found) == [field]
    page = (await local.http.get("/v1/payments")).json()
    assert page["payments"] == []


async def test_all_wrong_fields_are_named_at_once(local: Api) -> None:
    answer = await local.create(amount_minor=0, currency="Q", channel="fax", more=1)
    assert set(fields_of(answer)) == {"amount_minor", "currency", "channel", "more"}


async def test_what_is_wrong_is_never_repeated(local: Api) -> None:
    secret = "+5025555123412341234"
    answer = await local.create(**customer(phone=secret, email=f"{secret}@", name=f"{secret}\nx"))
    assert len(fields_of(answer)) == 3
    assert secret not in answer.text


async def test_a_channel_that_is_off_is_answered_with_those_that_are_on(local: Api) -> None:
    found = fields_of(await local.create(channel="telegram"))
    assert found == {"channel": "telegram is off here; on: email, sms, web, whatsapp"}


async def test_good_fields_arrive_as_they_are_meant(local: Api) -> None:
    answer = await local.create(
        customer={"phone": "+1 415 555 2671", "name": " José 🙂 ", "telegram_chat_id": 700000101},
        channel=None,
        route=["whatsapp", "sms", "web"],
        currency="JPY",
        send_at="2026-04-03t13:00:00.123456789-06:00",
        due_at="2026-04-03T19:00:00.123456Z",
        expires_at="2026-07-02T12:00:00+00:00",
        reminders="off",
        notify="whatsapp:5555 1234",
        created_by="crm",
    )
    assert answer.status_code == 201, answer.text
    payment = answer.json()
    assert payment["customer"] == {
        "phone": "+14155552671",
        "name": "José 🙂",
        "email": None,
        "locale": None,
        "telegram_chat_id": "700000101",
    }
    assert payment["route"] == ["whatsapp", "sms", "web"]
    assert payment["send_at"] == payment["due_at"] == "2026-04-03T19:00:00.123456Z"
    assert payment["expires_at"] == "2026-07-02T12:00:00Z"
    assert payment["created_by"] == "crm"


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\tb"])
async def test_a_key_that_is_no_key_is_refused(local: Api, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = await local.http.post("/v1/payments", json=asked(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_key")


async def test_pages_hold_everything_once(api: Api) -> None:
    made = [(await api.create()).json()["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "3"} | ({} if cursor is None else {"cursor": cursor})
        page = (await api.http.get("/v1/payments", params=query)).json()
        seen += [payment["id"] for payment in page["payments"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)


async def test_a_list_is_filtered(api: Api) -> None:
    sms = (await api.create()).json()["id"]
    api.now += timedelta(minutes=1)
    whatsapp = (await api.create(channel=None, route=["whatsapp", "sms"])).json()["id"]
    await api.http.post(f"/v1/payments/{sms}/cancel")

    async def ids(**query: str) -> list[str]:
        answer = await api.http.get("/v1/payments", params=query)
        assert answer.status_code == 200, answer.text
        return [payment["id"] for payment in answer.json()["payments"]]

    assert await ids(status="cancelled") == [sms]
    assert await ids(status="cancelled,requested") == [whatsapp, sms]
    assert await ids(status="paid") == []
    assert await ids(channel="sms") == [sms]
    assert await ids(channel="whatsapp") == [whatsapp]
    assert await ids(created_after="2026-04-03T12:00:30Z") == [whatsapp]
    several = await api.http.get("/v1/payments?status=paid&status=requested")
    assert [payment["id"] for payment in several.json()["payments"]] == [whatsapp]


BAD_QUERIES = [
    ("status=gone", "status.0"),
    ("status=paid%00", "status.0"),
    ("channel=fax", "channel"),
    ("created_after=yesterday", "created_after"),
    ("created_after=2026-04-03T12:00:00", "created_after"),
    ("cursor=x", "cursor"),
    ("cursor=%00%ff", "cursor"),
    ("cursor=" + "A" * 200, "cursor"),
    ("cursor=MTIzLidvciAxPTE", "cursor"),
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=1e2", "limit"),
    ("limit=99999999999999999999999", "limit"),
    ("stauts=paid", "stauts"),
]


@pytest.mark.parametrize(("query", "field"), BAD_QUERIES)
async def test_a_wrong_query_is_named(api: Api, query: str, field: str) -> None:
    assert list(fields_of(await api.http.get(f"/v1/payments?{query}"))) == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("payment_id=%00", "payment_id"),
        ("payment_id=pay_1%0A", "payment_id"),
        ("payment_id=", "payment_id"),
        ("cursor=0", "cursor"),
        (f"cursor={2**63}", "cursor"),
        ("limit=201", "limit"),
        ("who=Ana", "who"),
    ],
)
async def test_a_wrong_query_for_the_audit_is_named(api: Api, query: str, field: str) -> None:
    assert list(fields_of(await api.http.get(f"/v1/staff/audit?{query}"))) == [field]


async def test_an_audit_from_the_last_id_on_is_a_page(api: Api) -> None:
    answer = await api.http.get(f"/v1/staff/audit?cursor={2**63 - 1}&payment_id=pay_1")
    assert (answer.status_code, answer.json()) == (200, {"entries": [], "next_cursor": None})


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "1" * 25, "x"])
async def test_a_number_in_a_path_that_is_no_id_is_named(api: Api, number: str) -> None:
    for method, path, field in [
        ("GET", f"/alerts/{number}", "alert_id"),
        ("POST", f"/alerts/{number}/close", "alert_id"),
        ("POST", f"/staff/{number}/role", "staff_id"),
        ("POST", f"/staff/{number}/remove", "staff_id"),
    ]:
        answer = await api.http.request(method, f"/v1{path}", json={"role": "agent"})
        assert list(fields_of(answer)) == [field], (path, answer.text)


BAD_IDS = [
    "pay_9999",
    "%00",
    "a%00b",
    "%ff",
    "x" * 500,
    "'%20or%201=1",
    "..%2Falerts",
    "%F0%9F%99%82",
]


@pytest.mark.parametrize("payment_id", BAD_IDS)
async def test_an_unknown_id_is_not_found(api: Api, payment_id: str) -> None:
    for method, path in [("GET", ""), ("POST", "/cancel"), ("POST", "/resend"), ("GET", "/qr.png")]:
        answer = await api.http.request(method, f"/v1/payments/{payment_id}{path}")
        assert answer.status_code == 404, (path, answer.text)
        assert answer.json()["error"]["code"] == "not_found"


async def test_a_payment_is_cancelled_once(api: Api) -> None:
    payment = (await api.create()).json()
    path = f"/v1/payments/{payment['id']}/cancel"
    first = await api.http.post(path, json={"by": "ana"})
    again = await api.http.post(path)
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert first.json()["timeline"][-1]["why"] == "cancelled by ana"
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_cancelled_payment_is_not_sent_again(api: Api) -> None:
    path = f"/v1/payments/{(await api.create()).json()['id']}"
    await api.http.post(f"{path}/cancel")
    answer = await api.http.post(f"{path}/resend", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_possible")


async def test_a_link_is_sent_again_over_another_channel(api: Api) -> None:
    path = f"/v1/payments/{(await api.create(reminders='off')).json()['id']}"
    too_early = await api.http.post(f"{path}/resend")
    assert too_early.status_code == 409
    await api.make_link()
    answer = await api.http.post(f"{path}/resend", json={"channel": "email", "by": "ana"})
    assert answer.status_code == 200, answer.text
    messages = answer.json()["messages"]
    assert [(each["channel"], each["to"], each["status"]) for each in messages] == [
        ("sms", "+502****1234", "planned"),
        ("email", "a***@example.com", "planned"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "telegram"}, "channel"),
        ({"channel": "web"}, "channel"),
        ({"accept_risk": 1}, "accept_risk"),
        ({"acceptrisk": True}, "acceptrisk"),
    ],
)
async def test_a_wrong_wish_to_send_again_is_named(local: Api, body: Json, field: str) -> None:
    path = f"/v1/payments/{(await local.create()).json()['id']}/resend"
    assert list(fields_of(await local.http.post(path, json=body))) == [field]


async def replace(api: Api, payment_id: str, **body: object) -> httpx.Response:
    return await api.http.post(f"/v1/payments/{payment_id}/replace", json=body)


async def test_a_link_is_replaced_by_who_takes_the_risk_by_name(api: Api) -> None:
    made = (await api.create()).json()
    await api.make_link()
    for body in ({}, {"accept_risk": True}, {"by": "Olga"}):
        refused = await replace(api, made["id"], **body)
        assert refused.status_code == 409
        assert "may be able to pay both" in refused.json()["error"]["message"]
    [link] = (await api.http.get(f"/v1/payments/{made['id']}")).json()["links"]
    assert link["superseded"] is False
    other = await replace(api, made["id"], accept_risk=True, by="Olga", uid="another")
    assert other.status_code == 409
    answer = await replace(api, made["id"], accept_risk=True, by="Olga", uid=link["uid"])
    assert answer.status_code == 200
    assert [each["superseded"] for each in answer.json()["links"]] == [True]
    await api.make_link("https://web.example/other")
    read = (await api.http.get(f"/v1/payments/{made['id']}")).json()
    assert [each["superseded"] for each in read["links"]] == [True, False]
    assert next(each["url_withheld"] for each in read["links"]) == "out_of_use"
    assert "decided by Olga" in " ".join(each["why"] for each in read["timeline"])
    assert (await replace(api, "pay_none", accept_risk=True, by="Olga")).status_code == 404


async def test_only_money_that_came_can_be_accepted_and_by_a_name(api: Api) -> None:
    made = (await api.create()).json()
    url = f"/v1/payments/{made['id']}/accept"
    assert set(fields_of(await api.http.post(url, json={}))) == {"by"}
    refused = await api.http.post(url, json={"by": "Olga"})
    assert refused.status_code == 409
    assert "no other amount" in refused.json()["error"]["message"]
    unknown = await api.http.post("/v1/payments/pay_none/accept", json={"by": "Olga"})
    assert unknown.status_code == 404


async def test_a_link_is_drawn_once_it_is_there(api: Api) -> None:
    path = f"/v1/payments/{(await api.create(channel='web')).json()['id']}"
    assert (await api.http.get(f"{path}/qr.png")).status_code == 404
    await api.make_link("https://web.example/pay?orderId=1")
    answer = await api.http.get(f"{path}/qr.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    payment = (await api.http.get(path)).json()
    assert payment["links"][0]["url"] == "https://web.example/pay?orderId=1"
    assert payment["messages"] == []


async def test_a_database_that_fails_is_told_without_a_trace(
    local: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(work: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(local.store, "transact", fail)
    transport = local.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.raise_app_exceptions = False
    answer = await local.http.get("/v1/payments")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert "secret" not in answer.text


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.sampled_from(["sms", "web", "GTQ", "+50255551234", "55551234", "a@example.com"]),
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
CUSTOMERS = st.fixed_dictionaries(
    {"phone": VALUES},
    optional=dict.fromkeys(("name", "email", "locale", "telegram_chat_id"), JSON),
)
ASKED = st.fixed_dictionaries(
    {"customer": CUSTOMERS | JSON},
    optional=dict.fromkeys(PaymentBody.model_fields.keys() - {"customer"}, JSON),
).map(lambda found: asked() | found)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=ASKED | JSON, key=st.none() | st.binary(max_size=20))
async def test_no_body_and_no_key_breaks_it(local: Api, body: object, key: bytes | None) -> None:
    headers = [(b"content-type", b"application/json")]
    if key is not None:
        headers.append((b"idempotency-key", key))
    answer = await local.http.post("/v1/payments", content=json.dumps(body), headers=headers)
    assert answer.status_code in {200, 201, 400, 409, 422}


async def test_open_alerts_are_listed(api: Api) -> None:
    payment_id = (await api.create()).json()["id"]
    kind = Alert.MISMATCH
    await api.store.transact(
        lambda tx: ledger.raise_alert(tx, kind, key="k", detail="look", payment_id=payment_id)
    )
    (found,) = (await api.http.get("/v1/alerts")).json()["alerts"]
    expected = {
        "id": found["id"],
        "kind": "mismatch",
        "payment_id": payment_id,
        "detail": "look",
        "raised_at": "2026-04-03T12:00:00Z",
    }
    assert (await api.http.get("/v1/alerts")).json() == {"alerts": [expected]}
    assert (await api.http.get(f"/v1/payments/{payment_id}")).json()["alerts"] == [expected]
    close = f"/v1/alerts/{found['id']}/close"
    closed = await api.http.post(close, json={"by": "eva"})
    assert (closed.status_code, closed.json()) == (200, expected)
    assert (await api.http.get("/v1/alerts")).json() == {"alerts": []}
    assert (await api.http.post(close)).status_code == 404
    assert (await api.http.post("/v1/alerts/999999/close")).status_code == 404


async def test_an_alert_is_shown_with_the_bytes_that_it_is_about(api: Api) -> None:
    def raise_it(tx: Tx) -> None:
        sent = inbox.Received(inbox.Source.MIGO, None, "/", {}, b'{"uid": "u1", \xff}')
        inbox.record(tx, [sent])
        [inbox_id] = tx.run(sa.text("select id from inbox")).scalars()
        ledger.raise_alert(tx, Alert.UNREADABLE, key="k", detail="look", inbox_id=inbox_id)
        ledger.raise_alert(tx, Alert.CONFIG, key="k", detail="other")

    await api.store.transact(raise_it)
    first, second = (await api.http.get("/v1/alerts")).json()["alerts"]
    shown = (await api.http.get(f"/v1/alerts/{first['id']}")).json()
    assert shown == {
        **first,
        "source": "migo",
        "received_at": "2026-04-03T12:00:00Z",
        "body": '{"uid": "u1", \\xff}',
    }
    shown = (await api.http.get(f"/v1/alerts/{second['id']}")).json()
    assert shown == {**second, "source": None, "received_at": None, "body": None}
    assert (await api.http.get("/v1/alerts/999999")).status_code == 404


async def test_the_description_has_every_route_and_body(local: Api) -> None:
    answer = await local.http.get("/v1/openapi.json")
    document = answer.json()
    assert set(document["paths"]) == {
        "/payments",
        "/payments/{payment_id}",
        "/payments/{payment_id}/cancel",
        "/payments/{payment_id}/resend",
        "/payments/{payment_id}/replace",
        "/payments/{payment_id}/accept",
        "/payments/{payment_id}/qr.png",
        "/schedules",
        "/schedules/{schedule_id}",
        "/schedules/{schedule_id}/pause",
        "/schedules/{schedule_id}/resume",
        "/schedules/{schedule_id}/skip",
        "/preview",
        "/alerts",
        "/alerts/{alert_id}",
        "/alerts/{alert_id}/close",
        "/bulk",
        "/bulk/{batch_id}",
        "/bulk/{batch_id}/{verb}",
        "/bulk/{batch_id}/result.csv",
        "/staff",
        "/staff/audit",
        "/staff/invites",
        "/staff/{staff_id}/remove",
        "/staff/{staff_id}/role",
    }
    schemas = document["components"]["schemas"]
    assert {"PaymentBody", "CustomerBody", "ResendBody", "PaymentView"} | {
        "ReplaceBody",
        "AcceptBody",
    } <= set(schemas)
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in _references(each)]
    if not isinstance(value, dict):
        return []
    found = [found for each in value.values() for found in _references(each)]
    return [*found, value["$ref"]] if isinstance(value.get("$ref"), str) else found


async def test_a_wrong_method_is_told_the_right_one(local: Api) -> None:
    answer = await local.http.delete("/v1/payments/pay_0001")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
