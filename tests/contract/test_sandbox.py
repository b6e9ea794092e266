"""The emulators against provider documents: published vectors and documented shapes.

Expected values are written from the documents (named beside each), never read from an emulator,
so that emulator and client cannot be wrong in the same way.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from bot.sandbox import MigoConfig, Person, Sandbox, SandboxConfig, TelegramConfig, TwilioConfig
from bot.sandbox.twilio.segments import count_segments
from bot.sandbox.twilio.signature import sign
from tests.unit.sandbox.service import Service

PHONE, CHAT = "+50255551234", 700000777
SID, TOKEN = "AC" + "0" * 32, "12345"
BOT = "123456:AAexampleexampleexampleexample"


@pytest.fixture
def clock() -> list[datetime]:
    return [datetime(2026, 4, 3, 14, 5, tzinfo=UTC)]


@pytest.fixture
async def sandbox(clock: list[datetime]) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(
        SandboxConfig(
            migo=MigoConfig(
                token="b6a615d8",
                client="shop",
                customers={"50200000004": "blocked", "+50200000005": "suspended", "x": "excluded"},
            ),
            twilio=TwilioConfig(account_sid=SID, auth_token=TOKEN),
            telegram=TelegramConfig(token=BOT),
            people=(Person("ana", "Ana", PHONE, "ana@example.com", CHAT),),
            now=lambda: clock[0],
        )
    )
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client


@pytest.fixture
def service(sandbox: Sandbox) -> Service:
    service = Service()
    sandbox.point_at("http://service", transport=service.transport)
    return service


def link(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "amount": 1,
        "userId": "50224865444",
        "channel": "wa",
        "client": "shop",
        "ads": [],
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


async def create(
    http: httpx.AsyncClient, body: dict[str, object], token: str = "b6a615d8"
) -> httpx.Response:
    return await http.post("/migo/transactions", headers={"authorization": token}, json=body)


class TestMigo:
    """Source: Migo docs "Create a Payment Link"."""

    async def test_answers_like_the_documented_example(self, http: httpx.AsyncClient) -> None:
        answer = await create(http, link())
        body = answer.json()
        assert answer.status_code == 200
        assert set(body) == {"uid", "reference", "URL"}
        assert re.fullmatch(r"[A-Za-z0-9]{21}", body["uid"])
        assert re.fullmatch(r"CAMPGT\d{6}SB", body["reference"])
        assert body["URL"].endswith(f"?orderId={body['uid']}")

    async def test_takes_a_bearer_prefix_and_refuses_a_wrong_token(
        self, http: httpx.AsyncClient
    ) -> None:
        assert (await create(http, link(), "Bearer b6a615d8")).status_code == 200
        refused = await create(http, link(), "b6a615d9")
        assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})

    @pytest.mark.parametrize(
        ("changes", "status", "own_code"),
        [
            ({"userId": None}, 409, 5000),
            ({"amount": "1"}, 409, 5000),
            ({"amount": True}, 409, 5000),
            ({"amount": 1.5}, 409, 5000),
            ({"channel": "telegram"}, 409, 5000),
            ({"client": "nobody"}, 409, 5004),
            ({"amount": 0}, 409, 2003),
            ({"amount": 5_000_001}, 409, 2003),
            ({"processorAmount": {"zigi": 2}}, 409, 2003),
            ({"userId": "+50200000004"}, 400, 2004),
            ({"userId": "50200000005"}, 400, 2005),
            ({"userId": "x"}, 400, 2006),
        ],
    )
    async def test_refuses_with_the_documented_code(
        self, http: httpx.AsyncClient, changes: dict[str, object], status: int, own_code: int
    ) -> None:
        answer = await create(http, link(**changes))
        assert (answer.status_code, answer.json()["ownCode"]) == (status, own_code)

    async def test_coerces_an_unknown_currency_in_silence(
        self, http: httpx.AsyncClient, sandbox: Sandbox
    ) -> None:
        uid = (await create(http, link(currency="EUR"))).json()["uid"]
        assert sandbox.migo.transactions.get(uid).currency == "GTQ"

    async def test_the_hook_route_checks_keys_and_gives_no_reference(
        self, http: httpx.AsyncClient, sandbox: Sandbox
    ) -> None:
        migo = sandbox.config.migo
        keys: dict[str, object] = {"publicKey": migo.public_key, "privateKey": migo.private_key}
        good = await http.post("/migo/transactions-hook", json=link(**keys))
        assert set(good.json()) == {"uid", "URL"}
        assert good.headers["access-control-allow-origin"] == "*"
        assert migo.private_key not in str(
            sandbox.migo.transactions.get(good.json()["uid"]).request
        )
        wrong = await http.post("/migo/transactions-hook", json=link(**keys | {"privateKey": "no"}))
        assert (wrong.status_code, wrong.json()["ownCode"]) == (401, 2007)

    async def test_the_callback_carries_the_standard_fields_and_the_static_header(
        self, http: httpx.AsyncClient, sandbox: Sandbox, service: Service
    ) -> None:
        body = link(amount=15000, externalId="p1.1", customKeys={"a": 1})
        made = (await create(http, body)).json()
        sandbox.migo.approve(made["uid"])
        await sandbox.settled()
        (call,) = service.calls
        assert call.path == "/webhooks/migo"
        assert call.headers["x-api-key"] == sandbox.config.migo.callback_secret
        assert call.json() == {
            "uid": made["uid"],
            "reference": made["reference"],
            "status": "approved",
            "amount": 15000,
            "currency": "GTQ",
            "externalId": "p1.1",
            "customKeys": {"a": 1},
        }


def auth() -> tuple[str, str]:
    return SID, TOKEN


async def text(http: httpx.AsyncClient, **form: str) -> httpx.Response:
    url = f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
    return await http.post(url, auth=auth(), data={"From": "+15005550006", "To": PHONE} | form)


class TestTwilio:
    def test_signs_the_published_vector(self) -> None:
        """Source: Twilio docs "Webhooks security", its worked example."""
        parameters = {
            "To": "+18005551212",
            "From": "+12349013030",
            "Digits": "1234",
            "Caller": "+12349013030",
            "CallSid": "CA1234567890ABCDE",
        }
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        assert sign(TOKEN, url, parameters.items()) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="

    @pytest.mark.parametrize(
        ("written", "parts"),
        [
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("a" * 306, 2),
            ("á" * 70, 1),
            ("á" + "a" * 70, 2),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("😀" * 35, 1),
            ("😀" * 36, 2),
            ("ñé¿¡", 1),
        ],
    )
    def test_counts_segments(self, written: str, parts: int) -> None:
        """Source: Twilio docs "SMS character limit"."""
        assert count_segments(written) == parts

    async def test_a_created_message_has_the_documented_shape(
        self, http: httpx.AsyncClient
    ) -> None:
        """Source: Twilio docs "Messages resource"."""
        answer = await text(http, Body="Hi")
        body = answer.json()
        assert answer.status_code == 201
        assert set(body) == {
            *("account_sid", "api_version", "body", "date_created", "date_sent", "date_updated"),
            *("direction", "error_code", "error_message", "from", "messaging_service_sid"),
            *("num_media", "num_segments", "price", "price_unit", "sid", "status"),
            *("subresource_uris", "to", "uri"),
        }
        assert re.fullmatch(r"SM[0-9a-f]{32}", body["sid"])
        assert (body["status"], body["num_segments"], body["num_media"]) == ("queued", "1", "0")
        assert body["date_sent"] is None
        assert parsedate_to_datetime(body["date_created"]).tzinfo is not None

    @pytest.mark.parametrize(
        ("form", "status", "code"),
        [
            ({"To": ""}, 400, 21604),
            ({"To": "55551234"}, 400, 21211),
            ({"Body": ""}, 400, 21619),
            ({"Body": "x" * 1601}, 400, 21617),
            ({"From": "whatsapp:+14155238886"}, 400, 21910),
            ({"From": "+19999999999"}, 400, 21606),
            ({"Body": "", "ContentVariables": "{}"}, 400, 21654),
            ({"StatusCallback": "nowhere"}, 400, 21609),
        ],
    )
    async def test_refuses_with_the_documented_error(
        self, http: httpx.AsyncClient, form: dict[str, str], status: int, code: int
    ) -> None:
        """Source: Twilio docs, error and warning dictionary."""
        answer = await text(http, **{"Body": "Hi"} | form)
        body = answer.json()
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
        assert set(body) == {"code", "message", "more_info", "status"}

    async def test_wrong_credentials(self, http: httpx.AsyncClient) -> None:
        url = f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
        answer = await http.post(url, auth=(SID, "wrong"), data={"To": PHONE})
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)

    async def test_reports_each_status_once_signed_over_the_public_url(
        self, http: httpx.AsyncClient, sandbox: Sandbox, service: Service
    ) -> None:
        """Source: Twilio docs "Outbound message status in status callbacks"."""
        public = "https://pay.example.com"
        sandbox.point_at("http://service", public_url=public, transport=service.transport)
        url = f"{public}/webhooks/twilio/status?m=7"
        await text(http, Body="Hi", StatusCallback=url)
        await sandbox.settled()
        forms = [dict(call.form()) for call in service.calls]
        assert [form["MessageStatus"] for form in forms] == ["sent", "delivered"]
        assert [call.path for call in service.calls] == ["/webhooks/twilio/status?m=7"] * 2
        for call, form in zip(service.calls, forms, strict=True):
            assert call.headers["x-twilio-signature"] == sign(TOKEN, url, form.items())
            assert form["AccountSid"] == SID

    async def test_free_text_needs_the_24_hour_window(
        self, http: httpx.AsyncClient, sandbox: Sandbox, service: Service, clock: list[datetime]
    ) -> None:
        """Source: Twilio docs, error 63016: accepted at first, failed later."""
        to = {"To": f"whatsapp:{PHONE}", "From": "whatsapp:+14155238886", "Body": "Hi"}
        status = {"StatusCallback": "http://service/webhooks/twilio/status"}
        assert (await text(http, **to, **status)).status_code == 201
        await sandbox.settled()
        assert dict(service.calls[-1].form())["ErrorCode"] == "63016"
        assert dict(service.calls[-1].form())["MessageStatus"] == "failed"

        await sandbox.twilio.handsets.write(f"whatsapp:{PHONE}", "hola")
        clock[0] += timedelta(hours=23, minutes=59)
        assert await self._final(http, sandbox, **to) == "delivered"
        clock[0] += timedelta(minutes=2)
        assert await self._final(http, sandbox, **to) == "failed"

    async def _final(self, http: httpx.AsyncClient, sandbox: Sandbox, **form: str) -> str:
        sid = (await text(http, **form)).json()["sid"]
        await sandbox.settled()
        url = f"/twilio/2010-04-01/Accounts/{SID}/Messages/{sid}.json"
        return str((await http.get(url, auth=auth())).json()["status"])

    async def test_stop_is_obeyed_until_start(
        self, http: httpx.AsyncClient, sandbox: Sandbox, service: Service
    ) -> None:
        """Source: Twilio docs, error 21610."""
        await sandbox.twilio.handsets.write(PHONE, " Stop ")
        refused = await text(http, Body="Hi")
        assert (refused.status_code, refused.json()["code"]) == (400, 21610)
        await sandbox.twilio.handsets.write(PHONE, "START")
        assert (await text(http, Body="Hi")).status_code == 201

    async def test_an_inbound_tap_has_the_documented_fields(
        self, sandbox: Sandbox, service: Service, http: httpx.AsyncClient
    ) -> None:
        """Source: Twilio docs, quick reply: `ButtonPayload`, `OriginalRepliedMessageSid`."""
        content = next(c for c in sandbox.twilio.contents.values() if c.buttons[1:])
        form = {"To": f"whatsapp:{PHONE}", "From": "whatsapp:+14155238886"}
        sid = (await text(http, **form, ContentSid=content.sid)).json()["sid"]
        await sandbox.twilio.handsets.tap(f"whatsapp:{PHONE}", sid, content.buttons[1].title)
        call = service.calls[-1]
        fields = dict(call.form())
        assert call.path == "/webhooks/twilio/inbound"
        assert fields["ButtonPayload"] == content.buttons[1].payload
        assert fields["ButtonText"] == fields["Body"] == content.buttons[1].title
        assert fields["OriginalRepliedMessageSid"] == sid
        assert (fields["WaId"], fields["ProfileName"]) == ("50255551234", "Ana")
        assert call.headers["x-twilio-signature"] == sign(
            TOKEN, "http://service/webhooks/twilio/inbound", fields.items()
        )

    async def test_lists_by_recipient_and_date(
        self, http: httpx.AsyncClient, clock: list[datetime]
    ) -> None:
        await text(http, Body="one")
        clock[0] += timedelta(hours=1)
        await text(http, Body="two")
        await text(http, Body="other", To="+50255550000")
        url = f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
        query = {"To": PHONE, "DateSent>": "2026-04-03T14:30:00Z"}
        page = (await http.get(url, auth=auth(), params=query)).json()
        assert [one["body"] for one in page["messages"]] == ["two"]
        first = (await http.get(url, auth=auth(), params={"To": PHONE, "PageSize": "1"})).json()
        assert [one["body"] for one in first["messages"]] == ["two"]
        then = (await http.get("/twilio" + first["next_page_uri"], auth=auth())).json()
        assert [one["body"] for one in then["messages"]] != []


async def bot(http: httpx.AsyncClient, method: str, **form: object) -> httpx.Response:
    return await http.post(f"/telegram/bot{BOT}/{method}", json=form)


def keyboard(data: str) -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "Ya", "callback_data": data}]]}


class TestTelegram:
    """Source: Telegram Bot API, "Making requests" and the methods' own sections."""

    async def test_the_envelope(self, http: httpx.AsyncClient) -> None:
        good = (await bot(http, "getMe")).json()
        assert good["ok"] is True
        assert (good["result"]["id"], good["result"]["is_bot"]) == (123456, True)
        bad = await http.post("/telegram/bot1:wrong/getMe")
        assert (bad.status_code, bad.json()) == (
            401,
            {"ok": False, "error_code": 401, "description": "Unauthorized"},
        )
        unknown = await bot(http, "getYou")
        assert unknown.status_code == unknown.json()["error_code"] == 404

    async def test_whom_a_bot_may_write_to(self, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        async def write(chat_id: int) -> tuple[int, str]:
            answer = await bot(http, "sendMessage", chat_id=chat_id, text="hi")
            return answer.status_code, answer.json().get("description", "")

        assert await write(1) == (400, "Bad Request: chat not found")
        assert (await write(CHAT))[0] == 403
        sandbox.telegram.start(CHAT)
        assert (await write(CHAT))[0] == 200
        sandbox.telegram.block(CHAT)
        assert await write(CHAT) == (403, "Forbidden: bot was blocked by the user")

    @pytest.mark.parametrize(
        ("form", "description"),
        [
            ({"text": " "}, "message text is empty"),
            ({"text": "x" * 4097}, "message is too long"),
            ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
            ({"text": "<img>", "parse_mode": "HTML"}, "can't parse entities"),
            (
                {
                    "text": "x",
                    "reply_markup": {
                        "inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]
                    },
                },
                "BUTTON_DATA_INVALID",
            ),
        ],
    )
    async def test_refuses_bad_messages(
        self, http: httpx.AsyncClient, sandbox: Sandbox, form: dict[str, object], description: str
    ) -> None:
        sandbox.telegram.start(CHAT)
        answer = await bot(http, "sendMessage", chat_id=CHAT, **form)
        assert answer.status_code == 400
        assert description in answer.json()["description"]

    async def test_polling_confirms_by_offset(
        self, http: httpx.AsyncClient, sandbox: Sandbox
    ) -> None:
        sandbox.telegram.start(CHAT, "token")
        sandbox.telegram.share_contact(CHAT)
        first = (await bot(http, "getUpdates")).json()["result"]
        assert [one["message"].get("text") for one in first] == ["/start token", None]
        assert first[1]["message"]["contact"]["user_id"] == CHAT
        assert first[1]["message"]["contact"]["phone_number"] == "50255551234"
        again = (await bot(http, "getUpdates", offset=first[0]["update_id"] + 1)).json()["result"]
        assert again == first[1:]
        done = (await bot(http, "getUpdates", offset=first[1]["update_id"] + 1)).json()["result"]
        assert done == []

    async def test_a_waiting_poll_wakes_and_a_second_poll_ends_it(
        self, http: httpx.AsyncClient, sandbox: Sandbox
    ) -> None:
        waiting = asyncio.create_task(bot(http, "getUpdates", timeout=50))
        await bot(http, "getMe")
        second = asyncio.create_task(bot(http, "getUpdates", timeout=50))
        assert (await asyncio.wait_for(waiting, 5)).status_code == 409
        sandbox.telegram.start(CHAT)
        assert len((await asyncio.wait_for(second, 5)).json()["result"]) == 1

    async def test_a_webhook_excludes_polling_and_carries_the_secret(
        self, http: httpx.AsyncClient, sandbox: Sandbox, service: Service
    ) -> None:
        refused = await bot(http, "setWebhook", url="http://shop.example.com/x")
        assert "HTTPS" in refused.json()["description"]
        hook = "http://127.0.0.1/webhooks/telegram"
        assert (await bot(http, "setWebhook", url=hook, secret_token="s3cret")).json()["result"]
        assert (await bot(http, "getUpdates")).status_code == 409
        sandbox.telegram.write(CHAT, "hola")
        await sandbox.settled()
        (call,) = service.calls
        assert call.headers["x-telegram-bot-api-secret-token"] == "s3cret"
        assert call.json()["message"]["text"] == "hola"

    async def test_taps_edits_and_files(self, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        sandbox.telegram.start(CHAT)
        form = {"chat_id": CHAT, "text": "hi", "reply_markup": keyboard("paid:1")}
        sent = await bot(http, "sendMessage", **form)
        number = sent.json()["result"]["message_id"]
        query = sandbox.telegram.tap(CHAT, number, "paid:1")
        assert (await bot(http, "answerCallbackQuery", callback_query_id=query)).json()["result"]
        again = await bot(http, "answerCallbackQuery", callback_query_id=query)
        assert "query is too old" in again.json()["description"]
        edit = form | {"message_id": number}
        same = await bot(http, "editMessageText", **edit)
        assert "message is not modified" in same.json()["description"]
        edited = (await bot(http, "editMessageText", **edit | {"text": "paid"})).json()
        assert edited["result"]["text"] == "paid"
        lost = await bot(http, "editMessageText", **edit | {"message_id": 10**6})
        assert lost.json()["description"] == "Bad Request: message to edit not found"
        photo = await http.post(
            f"/telegram/bot{BOT}/sendPhoto",
            data={"chat_id": str(CHAT), "caption": "QR ñ"},
            files={"photo": ("qr.png", b"\x89PNG\r\n\x00\xff", "image/png")},
        )
        result = photo.json()["result"]
        assert result["caption"] == "QR ñ"
        file = (await bot(http, "getFile", file_id=result["photo"][0]["file_id"])).json()["result"]
        content = await http.get(f"/telegram/file/bot{BOT}/{file['file_path']}")
        assert content.content == b"\x89PNG\r\n\x00\xff"
