"""Bad input at the doors of a running service: a clear answer, and the work goes on."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from bot.sandbox.twilio.signature import sign
from tests.flow.nasty import DEEP, DIGITS, ODD, UNREADABLE
from tests.flow.service import PHONE, Service
from tests.services import eventually

DELIVERED = ("delivered", "read")
BOT_SECRET = "telegram-webhook-secret"

FORMS = {
    "nothing but the account": {},
    "no body": {"MessageSid": "SM1", "From": PHONE},
    "no sender": {"MessageSid": "SM2", "Body": "hola"},
    "a sender that is no address": {"MessageSid": "SM3", "From": "\x00\ud7ff", "Body": "hola"},
    "NUL in the text": {"MessageSid": "SM4", "From": PHONE, "Body": "ho\x00la"},
    "a long text": {"MessageSid": "SM5", "From": PHONE, "Body": "x" * 60_000},
    "a long id": {"MessageSid": "S" * 5_000, "From": PHONE, "Body": "hola"},
    "a long sender": {"MessageSid": "SM6", "From": "+" + "5" * 5_000, "Body": "hola"},
    "a long WhatsApp id": {"MessageSid": "SM7", "From": "whatsapp:" + "A" * 999, "Body": "BAJA"},
    "an unknown status": {"MessageSid": "SM8", "MessageStatus": "pondering", "From": PHONE},
    "a long status": {"MessageSid": "SM9", "MessageStatus": "s" * 999, "From": PHONE},
    "a long code": {"MessageSid": "SM10", "MessageStatus": "failed", "ErrorCode": "6" * 5_000},
    "right-to-left": {"MessageSid": "SM11", "From": PHONE, "Body": "\u202eBAJA\u2066"},
}

UPDATES = {
    "no JSON": b"{",
    "an array": b"[]",
    "10,000 deep": DEEP,
    "NaN": b'{"update_id": NaN}',
    "5,000 digits": b'{"update_id": ' + DIGITS + b"}",
    "a long id": json.dumps({"update_id": "9" * 5_000}).encode(),
    "an id that is an object": json.dumps({"update_id": {"a": ["b"] * 300}}).encode(),
    "a surrogate for an id": b'{"update_id": "\\ud800"}',
    "NUL for an id": b'{"update_id": "\\u0000"}',
    "no message": b'{"update_id": 1}',
    "a message that is a number": b'{"update_id": 2, "message": 3}',
    "a chat without an id": b'{"update_id": 3, "message": {"chat": {"type": "private"}}}',
    "a text that is a list": json.dumps(
        {
            "update_id": 4,
            "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1}, "text": ["hola"]},
        }
    ).encode(),
    "NUL and a surrogate in a text": (
        b'{"update_id": 5, "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1},'
        b' "date": 1, "text": "BAJA \\u0000 \\ud800"}}'
    ),
    "an opt-out with a surrogate": (
        b'{"update_id": 6, "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1},'
        b' "date": 99999999999999999, "text": "baja\\ud800"}}'
    ),
    "a contact without a number": (
        b'{"update_id": 7, "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1},'
        b' "contact": {"phone_number": "\\u0000", "user_id": 1}}}'
    ),
}


async def until_read(service: Service) -> None:
    """Wait until intake has looked at everything."""

    async def is_empty() -> bool:
        return not await service.select("select 1 from inbox where status in ('new', 'claimed')")

    await eventually(is_empty, 60)


async def pays_and_is_receipted(service: Service) -> None:
    payment = await service.create("sms")
    await service.until_message(payment, "link", *DELIVERED)
    service.sandbox.migo.approve(service.uid_of(await service.read(payment)))
    await service.until_message(payment, "receipt", *DELIVERED)


async def test_whatever_an_authentic_callback_says_is_kept(any_service: Service) -> None:
    migo = any_service.sandbox.config.migo
    headers = {"content-type": "application/json", migo.callback_header: migo.callback_secret}
    for body in (*UNREADABLE.values(), *ODD.values()):
        answer = await any_service.http.post("/webhooks/migo", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"{}"), body[:60]
    await until_read(any_service)
    rows = await any_service.select("select body, status from inbox where source = 'migo'")
    kept = {bytes(body): status for body, status in rows}
    assert {name: kept.get(body) for name, body in UNREADABLE.items()} == dict.fromkeys(
        UNREADABLE, "held"
    )
    assert {name: kept.get(body) for name, body in ODD.items()} == dict.fromkeys(ODD, "done")
    alerts = await any_service.select("select count(*) from alert where kind = 'unreadable'")
    assert alerts == [(len(UNREADABLE),)]
    await pays_and_is_receipted(any_service)


async def test_whatever_twilio_signs_is_kept(
    any_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.intake._REPORT_WAITS", (timedelta(seconds=0.1),) * 4)
    twilio = any_service.sandbox.config.twilio
    answers = {}
    for name, given in FORMS.items():
        fields = {"AccountSid": twilio.account_sid, **given}
        kind, expected = ("status", 204) if "MessageStatus" in fields else ("inbound", 200)
        path = f"/webhooks/twilio/{kind}"
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": sign(
                twilio.auth_token, any_service.base_url + path, fields.items()
            ),
        }
        answer = await any_service.http.post(path, content=urlencode(fields), headers=headers)
        answers[name] = (answer.status_code, expected)
    assert {name: status for name, (status, _) in answers.items()} == {
        name: expected for name, (_, expected) in answers.items()
    }
    await until_read(any_service)
    assert len(await any_service.select("select 1 from inbox")) == len(FORMS)
    await pays_and_is_receipted(any_service)


async def test_whatever_telegram_sends_with_the_secret_is_kept(called_service: Service) -> None:
    headers = {"content-type": "application/json", "x-telegram-bot-api-secret-token": BOT_SECRET}
    for name, body in UPDATES.items():
        answer = await called_service.http.post("/webhooks/telegram", content=body, headers=headers)
        assert answer.status_code == 200, name
    await until_read(called_service)
    statuses = await called_service.select("select status from inbox where source = 'telegram'")
    assert len(statuses) == len(UPDATES)
    assert {status for (status,) in statuses} == {"held", "done"}
    await pays_and_is_receipted(called_service)
