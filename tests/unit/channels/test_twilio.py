"""Twilio's own ways: codes, signatures, looking for what was sent before."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from channels.base import (
    Address,
    ChannelName,
    DeliveryState,
    InboundMessage,
    OutboundMessage,
    RawRequest,
    Refusal,
    Template,
)
from channels.errors import (
    BadSignatureError,
    ChannelError,
    NotSentError,
    RejectedError,
    UncertainError,
)
from channels.outcome import new_client
from channels.sms import Sms
from channels.twilio import TwilioAccount
from channels.twilio.codes import AMBIGUOUS, STATES, error_of, refusal_of
from channels.twilio.messages import TwilioMessages
from channels.twilio.webhooks import TwilioWebhooks
from channels.whatsapp import WhatsApp
from tests.contract.channel_case import NOW, clock, golden
from tests.contract.channel_twilio import ACCOUNT_SID, SID, TOKENS, account, created, prove
from tests.contract.channel_wire import http_wire

TO = Address(ChannelName.WHATSAPP, "+50255551234")
CONTENT_SID = "HX" + "0" * 32
URL = "https://sandbox.migopayments.com/?orderId=7JV3UKvc2XEretWV2Rb57"


class Twilio:
    """Answers with what it is told, and keeps the requests."""

    def __init__(self) -> None:
        self.status = 201
        self.headers: dict[str, str] = {}
        self.body = created()
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status, headers=self.headers, content=self.body)

    @property
    def form(self) -> dict[str, str]:
        """The fields of the last request."""
        return dict(parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


@pytest.fixture
def twilio() -> Twilio:
    return Twilio()


def whatsapp(twilio: Twilio, service: str | None = None) -> WhatsApp:
    return WhatsApp(
        account(),
        sender=None if service else "+14155238886",
        messaging_service_sid=service,
        client=twilio.client(),
        clock=clock,
    )


def sms(twilio: Twilio) -> Sms:
    return Sms(
        account(),
        sender="+15005550006",
        messaging_service_sid=None,
        client=twilio.client(),
        clock=clock,
    )


async def test_a_text_is_asked_for_as_documented(twilio: Twilio) -> None:
    message = OutboundMessage(TO, "¿Pagás?", status_url="https://pay.example/s?m=17.1")
    accepted = await whatsapp(twilio).send(message, idempotency_key="k")
    (request,) = twilio.requests
    assert request.method == "POST"
    assert request.url.path == f"/api/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert twilio.form == {
        "To": "whatsapp:+50255551234",
        "From": "whatsapp:+14155238886",
        "Body": "¿Pagás?",
        "StatusCallback": "https://pay.example/s?m=17.1",
    }
    assert (accepted.provider_id, accepted.at) == (SID, NOW)


async def test_the_first_token_is_shown_and_only_it(twilio: Twilio) -> None:
    await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")
    given = httpx.BasicAuth(ACCOUNT_SID, TOKENS[0])
    expected = next(given.auth_flow(httpx.Request("GET", "http://x"))).headers["authorization"]
    assert twilio.requests[0].headers["authorization"] == expected


async def test_a_template_goes_without_a_body_and_with_clean_values(twilio: Twilio) -> None:
    values = {"1": " Ana\nMaría ", "2": "a\t\tb      c", "3": "150.00"}
    message = OutboundMessage(TO, "x", template=Template(CONTENT_SID, values))
    await whatsapp(twilio, service="MG1").send(message, idempotency_key="k")
    variables = json.loads(twilio.form.pop("ContentVariables"))
    assert variables == {"1": "Ana María", "2": "a b c", "3": "150.00"}
    assert {key: value for key, value in twilio.form.items() if key != "ContentVariables"} == {
        "To": "whatsapp:+50255551234",
        "MessagingServiceSid": "MG1",
        "ContentSid": CONTENT_SID,
    }


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("+50255551234", "whatsapp:+50255551234"),
        ("whatsapp:+5215512345678", "whatsapp:+5215512345678"),
        ("whatsapp:GT.4566546130240823", "whatsapp:GT.4566546130240823"),
        ("whatsapp:US.ENT.4566546130240823", "whatsapp:US.ENT.4566546130240823"),
    ],
)
async def test_people_with_and_without_a_number(twilio: Twilio, value: str, wire: str) -> None:
    message = OutboundMessage(Address(ChannelName.WHATSAPP, value), "x")
    await whatsapp(twilio).send(message, idempotency_key="k")
    assert twilio.form["To"] == wire


async def test_an_sms_is_folded(twilio: Twilio) -> None:
    message = OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "Págalo “hoy” – ¡ya!")
    await sms(twilio).send(message, idempotency_key="k")
    assert twilio.form["Body"] == 'Pagalo "hoy" - ¡ya!'
    assert twilio.form["From"] == "+15005550006"


@pytest.mark.parametrize(
    ("status", "code", "error", "refusal"),
    [
        (400, 21211, RejectedError, Refusal.ADDRESS),
        (400, 21610, RejectedError, Refusal.OPTED_OUT),
        (400, 63016, RejectedError, Refusal.TEMPLATE),
        (400, 21617, RejectedError, Refusal.CONTENT),
        (401, 20003, RejectedError, Refusal.CONFIG),
        (404, 20404, RejectedError, Refusal.CONFIG),
        (400, 63038, NotSentError, None),
        (400, 20500, UncertainError, None),
        (429, 20429, NotSentError, None),
        (429, 21610, NotSentError, None),
        (500, 21610, UncertainError, None),
        (503, 20503, UncertainError, None),
        (400, 99999, RejectedError, Refusal.CONTENT),
        (403, None, RejectedError, Refusal.CONFIG),
        (302, None, RejectedError, Refusal.CONFIG),
    ],
)
async def test_status_and_code_decide_together(
    twilio: Twilio,
    status: int,
    code: int | None,
    error: type[ChannelError],
    refusal: Refusal | None,
) -> None:
    twilio.status, twilio.headers = status, {"retry-after": "3"}
    twilio.body = json.dumps({"code": code, "message": "+50255551234 is bad"}).encode()
    with pytest.raises(error) as caught:
        await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")
    assert type(caught.value) is error
    assert getattr(caught.value, "refusal", None) is refusal
    assert caught.value.code == str(code or status)
    assert getattr(caught.value, "retry_after_s", None) == (3.0 if error is NotSentError else None)
    assert "5555" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"[" * 100_000,
        created(sid=None),
        created(sid=7),
        created(sid="../x"),
        created(date_created=7),
        created(date_created="Mon, 99 Nov 9999999 22:00:00 +0000"),
        created() + b" " * (1 << 20),
        b'{"sid": "' + b"S" * (1 << 20) + b'"}',
    ],
)
async def test_a_yes_that_cannot_be_read_is_uncertain_unless_it_still_names_the_message(
    twilio: Twilio, body: bytes
) -> None:
    twilio.body = body
    if body.startswith(created()):
        accepted = await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")
        assert accepted.provider_id == SID
        return
    with pytest.raises(UncertainError):
        await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")


async def test_a_message_that_is_born_failed_is_refused(twilio: Twilio) -> None:
    twilio.body = created(status="failed", error_code=21610)
    with pytest.raises(RejectedError) as caught:
        await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")
    assert caught.value.refusal is Refusal.OPTED_OUT


def listed(*messages: dict[str, object]) -> bytes:
    shown = [json.loads(created(**each)) for each in messages]
    return json.dumps({"messages": shown, "page": 0, "page_size": 50, "uri": "/x"}).encode()


SINCE = datetime.fromisoformat("2023-08-24T05:00:00+00:00")


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([], []),
        ([{"body": "Hola"}], [SID]),
        ([{"body": "Hola "}], []),
        ([{"body": None}], []),
        ([{"body": "Hola", "status": "failed"}], []),
        ([{"body": "Hola", "status": "received"}], []),
        ([{"body": "Hola", "date_created": "Thu, 24 Aug 2023 04:59:59 +0000"}], []),
        ([{"body": "Hola", "date_created": "Thu, 24 Aug 2023 05:00:00 +0000"}], [SID]),
        ([{"body": "Hola", "date_sent": None, "date_created": None}], []),
        ([{"body": "Hola", "date_sent": None}], [SID]),
        ([{"body": "other"}, {"body": "Hola", "sid": "SM2"}, {"body": "Hola"}], ["SM2", SID]),
    ],
)
async def test_an_earlier_try_is_found_by_its_text(
    twilio: Twilio, messages: list[dict[str, object]], found: list[str]
) -> None:
    twilio.status, twilio.body = 200, listed(*messages)
    since = SINCE + timedelta(microseconds=900)
    assert await whatsapp(twilio).find_sent(OutboundMessage(TO, "Hola"), since=since) == found
    query = dict(parse_qsl(urlsplit(str(twilio.requests[0].url)).query))
    assert query == {"To": "whatsapp:+50255551234", "PageSize": "50"}
    assert len(twilio.requests) == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("Hola Ana Pérez, Tienda La Luz te cobra Q150.00", [SID]),
        ("Hola Ana Pérez, Tienda La Luz te cobra Q99.00", []),
        ("Hola Ana Pérez, Tienda El Sol te cobra Q150.00", []),
        ("Hola", []),
    ],
)
async def test_an_earlier_template_is_found_by_its_values(
    twilio: Twilio, body: str, found: list[str]
) -> None:
    twilio.status, twilio.body = 200, listed({"body": body})
    values = {"1": "Ana\nPérez", "2": "Tienda La Luz", "3": "Q150.00", "4": "7JV3UKvc2XEretWV2Rb57"}
    message = OutboundMessage(TO, "x", template=Template(CONTENT_SID, values, frozenset("4")))
    assert await whatsapp(twilio).find_sent(message, since=SINCE) == found


async def test_an_earlier_sms_is_found_by_its_folded_text(twilio: Twilio) -> None:
    twilio.status, twilio.body = 200, listed({"body": "Pagalo"})
    message = OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "Págalo")
    assert await sms(twilio).find_sent(message, since=SINCE) == [SID]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages": 7}', b'{"messages": [7]}'])
async def test_a_list_that_cannot_be_read_is_no_list_without_it(
    twilio: Twilio, body: bytes
) -> None:
    twilio.status, twilio.body = 200, body
    with pytest.raises(UncertainError):
        await whatsapp(twilio).find_sent(OutboundMessage(TO, "x"), since=SINCE)


@asynccontextmanager
async def messages(twilio: Twilio) -> AsyncIterator[TwilioMessages]:
    async with twilio.client() as client:
        yield TwilioMessages(
            account(), sender="+1", messaging_service_sid=None, client=client, clock=clock
        )


async def test_a_message_is_fetched_as_a_report(twilio: Twilio) -> None:
    twilio.status, twilio.body = 200, created(status="undelivered", error_code=30003)
    async with messages(twilio) as resource:
        report = await resource.fetch(SID)
        twilio.body = created(status="who knows")
        assert await resource.fetch(SID) is None
        with pytest.raises(RejectedError):
            await resource.fetch("../Accounts")
    assert report is not None
    assert report.event_id == f"{SID}:undelivered:30003"
    assert (report.state, report.refusal) == (DeliveryState.UNDELIVERED, Refusal.TEMPORARY)
    assert twilio.requests[0].url.path.endswith(f"/Messages/{SID}.json")
    assert len(twilio.requests) == 2


async def test_no_setting_of_the_environment_moves_the_host(
    twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await whatsapp(twilio).send(OutboundMessage(TO, "x"), idempotency_key="k")
    assert twilio.requests[0].url.host == "127.0.0.1"


async def test_a_client_that_was_lent_is_not_closed() -> None:
    async with (
        http_wire(lambda *_: (201, {}, created())) as wire,
        new_client(timeout_s=5, keep_alive=True) as client,
    ):
        lent = WhatsApp(
            account(wire.port),
            sender="+14155238886",
            messaging_service_sid=None,
            client=client,
            clock=clock,
        )
        await lent.aclose()
        assert (await client.post(f"http://127.0.0.1:{wire.port}/")).status_code == 201


def test_a_sender_or_a_service_is_needed(twilio: Twilio) -> None:
    with pytest.raises(ValueError, match="sender"):
        Sms(account(), sender=None, messaging_service_sid="", client=twilio.client(), clock=clock)


@pytest.mark.parametrize("tokens", [(), ("",), ("a", "")])
def test_an_account_has_tokens_and_shows_none(tokens: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="token"):
        TwilioAccount(ACCOUNT_SID, tokens)
    assert TOKENS[0] not in repr(account())


def test_every_status_of_an_outbound_message_is_known() -> None:
    assert set(STATES.values()) == set(DeliveryState)


def test_every_refusal_has_a_code_and_every_code_an_end() -> None:
    codes = range(10_000, 100_000)
    ends = {code: error_of(str(code)) for code in codes}
    assert {refusal_of(str(code)) for code in codes} == set(Refusal)
    assert all(type(ends[code]) is UncertainError for code in AMBIGUOUS)
    for code, end in ends.items():
        if end is None or code in AMBIGUOUS:
            continue
        is_temporary = refusal_of(str(code)) is Refusal.TEMPORARY
        assert isinstance(end, NotSentError if is_temporary else RejectedError)


@pytest.mark.parametrize("code", [None, "", "0", "x", "٣", "63999", "9" * 5000])
def test_a_code_that_is_not_listed_is_tried_once_more(code: str | None) -> None:
    assert refusal_of(code) is Refusal.TEMPORARY
    assert error_of(code) is None


def test_the_published_signature_is_right_and_the_account_is_compared() -> None:
    url, _, body = golden("twilio", "voice-status")
    url = url.replace("https://pay.example", "https://mycompany.com")
    signature = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    request = RawRequest(url, {"x-twilio-signature": signature}, body)
    webhooks = TwilioWebhooks(TwilioAccount("AC1", ("12345",)))
    with pytest.raises(BadSignatureError, match="another account"):
        webhooks.verify(request)
    with pytest.raises(BadSignatureError, match="wrong signature"):
        TwilioWebhooks(TwilioAccount("AC1", ("12346",))).verify(request)


@pytest.mark.parametrize("token", TOKENS)
def test_both_tokens_of_a_rotation_prove(token: str) -> None:
    url, content_type, body = golden("twilio", "inbound-sms")
    assert TwilioWebhooks(account()).verify(prove(url, content_type, body, token)) == SID
    with pytest.raises(BadSignatureError):
        TwilioWebhooks(account(tokens=("x",))).verify(prove(url, content_type, body, token))


@pytest.mark.parametrize(
    "form",
    [
        b"MessageSid=SM1&Body=&From=%2B1&To=%2B2",
        b"MessageSid=SM1&Body=+spaced+&From=%2B1&To=%2B2",
        b"MessageSid=SM1&Body=x&From=%2B1&To=%2B2&New=a&New=b",
        "MessageSid=SM1&Body=ñandú&From=%2B1&To=%2B2".encode(),
    ],
)
def test_blanks_spaces_repeats_and_unknown_fields_are_signed_too(form: bytes) -> None:
    body = form + b"&AccountSid=" + ACCOUNT_SID.encode()
    request = prove("https://pay.example/webhooks/twilio/inbound", "x", body)
    assert TwilioWebhooks(account()).verify(request) == "SM1"
    with pytest.raises(BadSignatureError):
        TwilioWebhooks(account()).verify(replace(request, body=body + b"&Added="))


def test_json_is_proved_by_its_hash_in_the_url() -> None:
    body = b'{"specversion": "1.0"}'
    digest = hashlib.sha256(b"another body").hexdigest()
    url = f"https://pay.example/webhooks/twilio/status?bodySHA256={digest}"
    with pytest.raises(BadSignatureError):
        TwilioWebhooks(account()).verify(prove_json(url, body))
    url = url.replace(digest, hashlib.sha256(body).hexdigest())
    request = prove_json(url, body)
    assert TwilioWebhooks(account()).verify(request) is None
    assert TwilioWebhooks(account()).parse(request) == ()
    with pytest.raises(BadSignatureError):
        TwilioWebhooks(account()).verify(replace(request, body=body + b" "))
    with pytest.raises(BadSignatureError):
        TwilioWebhooks(account()).verify(replace(request, body=b"\xff"))


def prove_json(url: str, body: bytes) -> RawRequest:
    """Sign the URL only, which holds the hash of the body."""
    return replace(prove(url, "application/json", b""), body=body)


def test_a_nul_is_left_out_and_an_unknown_channel_is_not_ours() -> None:
    webhooks = TwilioWebhooks(account())
    request = RawRequest("https://x.example", {}, b"MessageSid=SM1&From=%2B1&To=%2B2&Body=a%00b")
    (event,) = webhooks.parse(request)
    assert isinstance(event, InboundMessage)
    assert event.text == "ab"
    messenger = b"MessageSid=SM1&From=messenger%3A1&To=messenger%3A2&Body=x"
    assert webhooks.parse(replace(request, body=messenger)) == ()


def test_a_status_that_is_not_known_is_no_event() -> None:
    request = RawRequest("https://x.example", {}, b"MessageSid=SM1&MessageStatus=pondering")
    assert TwilioWebhooks(account()).parse(request) == ()
