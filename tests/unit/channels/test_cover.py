"""What people wrote can be covered in a stored request, and nothing else in it changes."""

import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qsl, urlencode

import pytest

from bot.domain.cards import hide_cards
from channels.base import InboundChannel, InboundMessage, RawRequest
from channels.outcome import new_client
from channels.sms import Sms
from channels.telegram import Telegram
from channels.whatsapp import WhatsApp
from tests.contract.channel_case import clock
from tests.contract.channel_telegram import TOKEN
from tests.contract.channel_twilio import account

CARD, HIDDEN = "4111 1111 1111 1111", "•••• •••• •••• 1111"
NUMBERS = {"MessageSid": "SM4111111111111111", "WaId": "4111111111111111", "To": "+15005550006"}
FORM = {
    **NUMBERS,
    "From": "whatsapp:+4111111111111111",
    "Body": f"mi tarjeta: {CARD} ñ&=+",
    "ButtonText": CARD,
    "ProfileName": CARD,
    "ButtonPayload": "4111111111111111",
    "Empty": "",
}
UPDATE = {
    "update_id": 4111111111111111,
    "message": {
        "message_id": 1,
        "from": {"id": 4111111111111111, "first_name": CARD, "is_bot": False},
        "chat": {"id": 4111111111111111, "type": "private"},
        "date": 1764115200,
        "text": f"paga con {CARD}",
        "reply_to_message": {"message_id": 2, "text": CARD, "caption": CARD},
        "document": {"file_id": "4111111111111111", "file_name": f"{CARD}.csv"},
    },
}


def request(body: bytes, url: str = "https://pay.example/webhooks/twilio/inbound") -> RawRequest:
    return RawRequest(url, {}, body)


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api_url="http://127.0.0.1:1", webhook_secret=None, clock=clock)
    yield channel
    await channel.aclose()


@pytest.fixture(params=[Sms, WhatsApp])
async def twilio(request: pytest.FixtureRequest) -> AsyncIterator[InboundChannel]:
    client = new_client(timeout_s=1, keep_alive=False)
    build: Callable[..., InboundChannel] = request.param
    yield build(
        account(),
        sender="+15005550006",
        messaging_service_sid=None,
        client=client,
        clock=clock,
    )
    await client.aclose()


def test_a_form_keeps_all_but_the_number(twilio: InboundChannel) -> None:
    covered = dict(
        parse_qsl(
            twilio.cover(request(urlencode(FORM).encode()), hide_cards).decode(),
            keep_blank_values=True,
        )
    )
    texts = {"Body": f"mi tarjeta: {HIDDEN} ñ&=+", "ButtonText": HIDDEN, "ProfileName": HIDDEN}
    assert covered == {**FORM, **texts}


@pytest.mark.parametrize(
    "body", [b"Body=hola+%C3%B1&MessageSid=SM1&Empty=", b"", b"\xff=\xff", b"Body=%2B50255551234"]
)
def test_a_form_without_a_number_keeps_its_bytes(twilio: InboundChannel, body: bytes) -> None:
    assert twilio.cover(request(body), hide_cards) == body


def test_json_of_twilio_is_covered_too(twilio: InboundChannel) -> None:
    url = "https://pay.example/webhooks/twilio/inbound?bodySHA256=00"
    covered = twilio.cover(request(json.dumps({"text": CARD}).encode(), url), hide_cards)
    assert "4111" not in covered.decode()


async def test_an_update_keeps_all_but_the_number(telegram: Telegram) -> None:
    covered = json.loads(telegram.cover(request(json.dumps(UPDATE).encode()), hide_cards))
    text = json.dumps(covered, ensure_ascii=False)
    assert CARD not in text
    assert json.loads(text.replace(HIDDEN, CARD)) == UPDATE
    [event] = telegram.parse(request(json.dumps(covered).encode()))
    assert isinstance(event, InboundMessage)
    assert event.text == f"paga con {HIDDEN}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"update_id": 1, "message": {"text":   "hola \\u00f1"}}',
        b"no json",
        b"[]",
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[" * 100_000,
        b'{"update_id": 1, "message": {"text": 41, "caption": null}}',
    ],
)
async def test_an_update_without_a_number_keeps_its_bytes(telegram: Telegram, body: bytes) -> None:
    assert telegram.cover(request(body), hide_cards) == body
