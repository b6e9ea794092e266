import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain.money import Money
from bot.migo import (
    AmountUnit,
    CreateLink,
    Environment,
    LinkCreated,
    MigoClient,
    MigoConfig,
    NotCreatedError,
    RefusedError,
    UnknownOutcomeError,
    UserIdForm,
    errors,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "migo"
CONFIG = MigoConfig(
    base_url="https://sb-mw.migopayments.com",
    client="<your-client-slug>",
    amount_unit=AmountUnit.MINOR,
    currencies=("GTQ", "USD"),
    channels={"whatsapp": "wa", "sms": "sms", "telegram": "app"},
    link_hosts=("sandbox.migopayments.com", "web.migopayments.com"),
    token="<your-sandbox-token>",
    user_id=UserIdForm.DIGITS,
)
BY_KEYS = dataclasses.replace(
    CONFIG,
    token=None,
    public_key="<your-sandbox-public-key>",
    private_key="<your-sandbox-private-key>",
)
WANTED = CreateLink(
    money=Money(1, "GTQ"),
    phone="+50224865444",
    migo_channel="wa",
    external_id="pay_1.1",
    created_by="operator@example.com",
)
GOOD = {
    "uid": "Ypo5z2zTpLqWoe3eVvZMH",
    "reference": "CAMPGT020007SB",
    "URL": "https://sandbox.migopayments.com/?orderId=Ypo5z2zTpLqWoe3eVvZMH",
}


class Wire:
    """Answers as told and keeps what was asked."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer.is_stream_consumed:
            # Read at construction; a wire gives a stream.
            stream = httpx.ByteStream(self.answer.content)
            return httpx.Response(
                self.answer.status_code, headers=self.answer.headers, stream=stream
            )
        return self.answer

    @property
    def body(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.requests[0].content)
        return fields


async def create(
    wire: Wire, wanted: CreateLink = WANTED, config: MigoConfig = CONFIG
) -> LinkCreated:
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(wire), follow_redirects=True
    ) as http:
        return await MigoClient(http, config=config).create_link(wanted)


def golden(name: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    head, _, body = (GOLDEN / name).read_text().partition("\n\n")
    source, start, *lines = head.splitlines()
    assert source.startswith("# Source: Migo docs")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return start, headers, json.loads(body)


@pytest.mark.parametrize(
    ("name", "config", "channel"),
    [("create-link", CONFIG, "wa"), ("create-link-hook", BY_KEYS, "app")],
)
async def test_our_request_and_answer_are_the_documented_ones(
    name: str, config: MigoConfig, channel: str
) -> None:
    start, headers, fields = golden(f"{name}.http")
    _, _, answer = golden(f"{name}.answer.http")
    wire = Wire(httpx.Response(200, json=answer))
    link = await create(wire, dataclasses.replace(WANTED, migo_channel=channel), config)
    (request,) = wire.requests
    assert f"{request.method} {request.url.raw_path.decode()} HTTP/1.1" == start
    assert {name: request.headers.get(name) for name in headers} == headers
    assert {name: wire.body[name] for name in fields} == fields
    assert link == LinkCreated(answer["uid"], answer.get("reference"), answer["URL"])


async def test_what_is_sent_beyond_the_example() -> None:
    wire = Wire(httpx.Response(200, json=GOOD))
    await create(wire)
    assert wire.body == {
        "amount": 1,
        "userId": "50224865444",
        "channel": "wa",
        "client": "<your-client-slug>",
        "ads": [],
        "currency": "GTQ",
        "externalId": "pay_1.1",
        "customKeys": {"externalId": "pay_1.1"},
        "createdBy": "operator@example.com",
    }


async def test_every_optional_field() -> None:
    wire = Wire(httpx.Response(200, json=GOOD))
    wanted = dataclasses.replace(
        WANTED,
        money=Money(15000, "GTQ"),
        custom_keys={"concept": "Mensualidad", "externalId": "not ours"},
        customer_id="customer-7",
        processor_amount={"zigi": Money(12550, "GTQ")},
        subscription_data={"plan": "gold"},
    )
    config = dataclasses.replace(CONFIG, amount_unit=AmountUnit.MAJOR, user_id=UserIdForm.PLUS)
    await create(wire, wanted, config)
    assert b'"amount":150.00,' in wire.requests[0].content
    assert b'"processorAmount":{"zigi":125.50}' in wire.requests[0].content
    assert wire.body["userId"] == "+50224865444"
    assert wire.body["customKeys"] == {"concept": "Mensualidad", "externalId": "pay_1.1"}
    assert wire.body["customerId"] == "customer-7"
    assert wire.body["subscriptionData"] == {"plan": "gold"}


async def test_credentials_travel_in_one_place_only() -> None:
    by_token, by_keys = (Wire(httpx.Response(200, json=GOOD)) for _ in range(2))
    await create(by_token)
    await create(by_keys, config=BY_KEYS)
    assert {"publicKey", "privateKey"}.isdisjoint(by_token.body)
    assert "authorization" not in by_keys.requests[0].headers


async def test_a_connection_serves_one_create_only() -> None:
    wire = Wire(httpx.Response(200, json=GOOD))
    await create(wire)
    assert wire.requests[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"money": Money(1, "MXN")}, errors.CurrencyNotEnabledError),
        ({"money": Money(0, "GTQ")}, errors.AmountRejectedError),
        ({"migo_channel": "whatsapp"}, errors.ChannelNotMappedError),
        ({"migo_channel": ""}, errors.ChannelNotMappedError),
        ({"processor_amount": {"zigi": Money(2, "GTQ")}}, errors.AmountRejectedError),
        ({"processor_amount": {"zigi": Money(1, "USD")}}, errors.AmountRejectedError),
    ],
)
async def test_what_migo_would_refuse_or_change_never_leaves(
    change: dict[str, Any], expected: type[RefusedError]
) -> None:
    wire = Wire(httpx.Response(200, json=GOOD))
    with pytest.raises(expected):
        await create(wire, dataclasses.replace(WANTED, **change))
    assert not wire.requests


@pytest.mark.parametrize("code", [2004, "2004", " 2004 ", 2004.0])
async def test_the_own_code_may_be_a_number_or_a_string(code: object) -> None:
    wire = Wire(httpx.Response(400, json={"ownCode": code, "message": "x"}))
    with pytest.raises(errors.CustomerBlockedError):
        await create(wire)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("code", [None, True, "abc", "", [], {}, 1.5, "9" * 50, "٢٠٠٤"])
async def test_an_unreadable_own_code_leaves_the_status_to_decide(code: object) -> None:
    with pytest.raises(errors.CreationFailedError):
        await create(Wire(httpx.Response(400, json={"ownCode": code})))
    with pytest.raises(errors.OtherRefusalError):
        await create(Wire(httpx.Response(409, json={"ownCode": code})))


async def test_the_gateways_own_401() -> None:
    _, _, body = golden("unauthorized.answer.http")
    with pytest.raises(errors.TokenRejectedError) as caught:
        await create(Wire(httpx.Response(401, json=body)))
    assert caught.value.opens_breaker
    assert CONFIG.token is not None
    assert CONFIG.token not in str(caught.value)


async def test_throttling_names_the_delay() -> None:
    wire = Wire(httpx.Response(429, headers={"Retry-After": "17"}))
    with pytest.raises(NotCreatedError) as caught:
        await create(wire)
    assert caught.value.retry_after_s == 17


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"ownCode": 2004}'])
async def test_a_failing_server_leaves_it_unknown(status: int, body: bytes) -> None:
    with pytest.raises(errors.ServerFailedError):
        await create(Wire(httpx.Response(status, content=body)))


async def test_redirects_are_not_followed() -> None:
    wire = Wire(httpx.Response(307, headers={"Location": "https://evil.example/"}))
    with pytest.raises(UnknownOutcomeError):
        await create(wire)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("answer", "uid"),
    [
        (b"", None),
        (b"OK", None),
        (b"[]", None),
        (b'{"uid": "abc"', None),
        (b'{"uid": "abc"}', "abc"),
        (b'{"uid": "abc", "url": "https://sandbox.migopayments.com/?orderId=abc"}', "abc"),
        (b'{"uid": "abc", "URL": null}', "abc"),
        (b'{"uid": "abc", "URL": 7}', "abc"),
        (b'{"URL": "https://sandbox.migopayments.com/?orderId=abc"}', None),
        (b'{"uid": "", "URL": "https://sandbox.migopayments.com/"}', None),
        (b'{"uid": 7, "URL": "https://sandbox.migopayments.com/"}', None),
        (b'{"uid": "a\\nb", "URL": "https://sandbox.migopayments.com/"}', None),
        (b'{"ownCode": 2004}', None),
    ],
)
async def test_a_success_that_cannot_be_read_is_unknown(answer: bytes, uid: str | None) -> None:
    with pytest.raises(errors.AnswerUnreadableError) as caught:
        await create(Wire(httpx.Response(200, content=answer)))
    assert caught.value.uid == uid


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/?orderId=abc",
        "http://sandbox.migopayments.com/?orderId=abc",
        "https://web.migopayments.com/?orderId=abc",
        "https://sandbox.migopayments.com/" + "x" * 600,
    ],
)
async def test_a_link_to_elsewhere_is_held_under_its_uid(url: str) -> None:
    with pytest.raises(errors.LinkNotAllowedError) as caught:
        await create(Wire(httpx.Response(200, json={"uid": "abc", "URL": url})))
    assert caught.value.uid == "abc"
    assert url == "" or url not in str(caught.value)


async def test_any_success_status_and_new_fields_are_fine() -> None:
    link = await create(Wire(httpx.Response(201, json=GOOD | {"expireAt": 3600, "x": [None]})))
    assert link.uid == GOOD["uid"]


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_answer_without_end_is_unknown(status: int) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    with pytest.raises(UnknownOutcomeError):
        await create(Wire(httpx.Response(status, content=flood())))
    assert sent <= 512 * 1024


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_without_a_connection_nothing_was_made(error: Callable[[str], Exception]) -> None:
    wire = Wire(error("no"))
    with pytest.raises(errors.UnreachableError):
        await create(wire)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout,
        httpx.WriteTimeout,
        httpx.ReadError,
        httpx.WriteError,
        httpx.RemoteProtocolError,
        httpx.CloseError,
    ],
)
async def test_a_connection_that_breaks_leaves_it_unknown(
    error: Callable[[str], Exception],
) -> None:
    wire = Wire(error("no"))
    with pytest.raises(errors.AnswerLostError):
        await create(wire)
    assert len(wire.requests) == 1


def test_neither_phone_nor_link_shows_in_a_log() -> None:
    assert WANTED.phone not in repr(WANTED)
    assert GOOD["URL"] not in repr(LinkCreated(GOOD["uid"], None, GOOD["URL"]))


def test_no_secret_shows_in_the_settings() -> None:
    text = repr(dataclasses.replace(BY_KEYS, token="the-token"))
    for secret in ("the-token", BY_KEYS.public_key, BY_KEYS.private_key):
        assert str(secret) not in text


@pytest.mark.parametrize(
    ("base_url", "environment"),
    [
        ("https://sb-mw.migopayments.com", Environment.SANDBOX),
        ("https://mw.migopayments.com/", Environment.PRODUCTION),
        ("http://127.0.0.1:8010/migo", Environment.LOCAL),
    ],
)
def test_the_base_url_tells_the_environment(base_url: str, environment: Environment) -> None:
    assert dataclasses.replace(CONFIG, base_url=base_url).environment is environment


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "http://sb-mw.migopayments.com"}, "https"),
        ({"base_url": "ftp://127.0.0.1"}, "https"),
        ({"base_url": ""}, "https"),
        ({"client": " "}, "client"),
        ({"token": None}, "token"),
        ({"token": ""}, "token"),
        ({"token": None, "public_key": "x"}, "key pair"),
        ({"token": "a\r\nb"}, "header"),
        ({"token": "ñ"}, "header"),
        ({"currencies": ()}, "currencies"),
        ({"currencies": ("gtq",)}, "currencies"),
        ({"link_hosts": ()}, "link host"),
        ({"link_hosts": ("web.migopayments.com",)}, "link host"),
        ({"base_url": "https://mw.migopayments.com", "client": "migoDeveloper"}, "sandbox"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(CONFIG, **change)
