"""The control API, the payment page, and the settings a service needs."""

import base64
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bot.sandbox import Sandbox
from bot.sandbox.twilio.content import load_contents
from bot.sandbox.twilio.messages import Message, MessageLog
from tests.unit.sandbox.service import Service

JsonObject = dict[str, object]


async def act(http: httpx.AsyncClient, channel: str, what: str, **more: object) -> httpx.Response:
    body = {"person": "ana", "channel": channel, "do": what, **more}
    return await http.post("/sandbox/api/act", json=body)


async def state(http: httpx.AsyncClient) -> dict[str, JsonObject]:
    body: dict[str, JsonObject] = (await http.get("/sandbox/api/state")).json()
    return body


async def test_writing_on_each_phone_reaches_the_service(
    sandbox: Sandbox, service: Service, http: httpx.AsyncClient
) -> None:
    for channel in ("whatsapp", "sms"):
        assert (await act(http, channel, "write", text="hola")).status_code == 200
    await act(http, "telegram", "start", payload="tok")
    await sandbox.settled()
    assert [dict(call.form())["From"] for call in service.calls] == [
        "whatsapp:+50255551234",
        "+50255551234",
    ]
    assert [one.body["message"] for one in sandbox.telegram.updates.pending]
    seen = await state(http)
    assert seen["whatsapp"]["window_open"] is True
    assert seen["telegram"]["started"] is True


@pytest.mark.parametrize(
    ("channel", "read"),
    [
        ("whatsapp", lambda s: "whatsapp:+50255551234" in s.twilio.handsets.broken),
        ("sms", lambda s: "+50255551234" in s.twilio.handsets.broken),
        ("email", lambda s: "ana@example.com" in s.mailbox.broken),
        ("telegram", lambda s: s.telegram.chats.chat(700000777).is_blocked),
    ],
)
async def test_each_channel_can_be_broken_and_mended(
    sandbox: Sandbox, http: httpx.AsyncClient, channel: str, read: Callable[[Sandbox], bool]
) -> None:
    await act(http, channel, "break", on=True)
    assert read(sandbox)
    await act(http, channel, "break", on=False)
    assert not read(sandbox)


async def test_nobody_can_do_what_is_not_in_the_table(http: httpx.AsyncClient) -> None:
    assert (await act(http, "email", "dance")).status_code == 422
    assert (await act(http, "telegram", "tap", id=1, data="x")).status_code == 422
    plain = await http.post(
        "/sandbox/api/act", content=b"{}", headers={"content-type": "text/plain"}
    )
    assert plain.status_code == 415
    assert (await http.get("/sandbox/api/state?person=nobody")).status_code == 404


async def test_read_marks_delivered_messages_only(
    sandbox: Sandbox, service: Service, http: httpx.AsyncClient
) -> None:
    await act(http, "whatsapp", "write", text="hola")
    account = sandbox.config.twilio
    await http.post(
        f"/twilio/2010-04-01/Accounts/{account.account_sid}/Messages.json",
        auth=(account.account_sid, account.auth_token),
        data={
            "To": "whatsapp:+50255551234",
            "From": f"whatsapp:{account.whatsapp_from}",
            "Body": "Hi",
            "StatusCallback": "http://service/webhooks/twilio/status",
        },
    )
    await sandbox.settled()
    await act(http, "whatsapp", "read")
    await act(http, "whatsapp", "read")
    await sandbox.settled()
    last = [dict(call.form()).get("MessageStatus") for call in service.calls]
    assert last == [None, "sent", "delivered", "read"]


async def test_faults_can_be_ordered_and_withdrawn(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    order = {"provider": "migo", "operation": "callback", "kind": "alter", "how": "wrong_header"}
    assert (await http.post("/sandbox/api/faults", json=order)).status_code == 201
    assert sandbox.faults.pending()[0].details == {"how": "wrong_header"}
    assert (await http.post("/sandbox/api/faults", json=order | {"how": "x"})).status_code == 422
    assert (await http.post("/sandbox/api/faults", json=order | {"kind": "x"})).status_code == 422
    await http.request("DELETE", "/sandbox/api/faults", json={})
    assert sandbox.faults.pending() == []


@pytest.mark.parametrize(
    ("action", "callbacks", "status"),
    [
        ("approve", ["approved"], "approved"),
        ("decline", ["denied"], "denied"),
        ("approve_twice", ["approved", "approved"], "approved"),
        ("wrong_amount", ["approved"], "approved"),
        ("refund_half", ["refunded"], "refunded"),
        ("reverse", ["reversed"], "reversed"),
    ],
)
async def test_the_payment_page_acts(
    sandbox: Sandbox,
    service: Service,
    http: httpx.AsyncClient,
    uid: str,
    action: str,
    callbacks: list[str],
    status: str,
) -> None:
    page = await http.get(f"/pay/?orderId={uid}")
    assert "Q150.00" in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    done = await http.post(f"/pay/?orderId={uid}", data={"action": action})
    assert done.status_code == 303
    await sandbox.settled()
    assert [call.json()["status"] for call in service.calls] == callbacks
    assert f'data-status="{status}"' in (await http.get(done.headers["location"])).text
    assert (service.calls[0].json()["amount"] == 15000) is (
        action not in ("wrong_amount", "refund_half")
    )


async def test_an_unknown_link_and_an_unknown_action(http: httpx.AsyncClient, uid: str) -> None:
    assert (await http.get("/pay/?orderId=nothing")).status_code == 404
    assert (await http.post("/pay/?orderId=nothing", data={"action": "approve"})).status_code == 404
    assert (await http.post(f"/pay/?orderId={uid}", data={"action": "rob"})).status_code == 422


async def test_the_journal_of_webhooks_keeps_bodies(
    sandbox: Sandbox, service: Service, http: httpx.AsyncClient, uid: str
) -> None:
    await http.post(f"/sandbox/api/links/{uid}", json={"do": "approve"})
    await sandbox.settled()
    (entry,) = (await http.get("/sandbox/api/webhooks")).json()
    assert base64.b64decode(entry["body"]) == service.calls[0].body
    assert entry["status"] == 204


async def test_the_stream_tells_of_changes_and_ends_with_the_sandbox(sandbox: Sandbox) -> None:
    versions = sandbox.journal.watch()
    first = await anext(versions)
    sandbox.journal.note("migo", "something")
    assert await anext(versions) > first
    sandbox.journal.close()
    assert [version async for version in versions] == []


async def test_the_environment_names_the_settings_of_a_service(sandbox: Sandbox) -> None:
    await sandbox.start(port=0, smtp_port=0)
    environment = sandbox.environment()
    host = sandbox.base_url.removeprefix("http://")
    assert environment["MIGO_BASE_URL"] == f"http://{host}/migo"
    assert environment["MIGO_LINK_HOSTS"] == host
    assert re.fullmatch(r"\d+:AA[\w-]{33}", environment["TELEGRAM_BOT_TOKEN"])
    assert re.fullmatch(r"smtp://127\.0\.0\.1:\d+\?tls=off", environment["SMTP_URL"])
    assert all(environment.values())
    assert "TELEGRAM_WEBHOOK_SECRET" not in environment


def test_every_template_a_service_is_told_of_is_known_and_complete() -> None:
    path = Path(Sandbox().environment()["WHATSAPP_TEMPLATES"])
    contents = load_contents()
    told = [
        entry
        for purpose in tomllib.loads(path.read_text("utf-8")).values()
        for entry in purpose.values()
    ]
    assert {entry["content_sid"] for entry in told} == set(contents)
    for entry in told:
        numbers = {str(number + 1) for number in range(len(entry["variables"]))}
        content = contents[entry["content_sid"]]
        shown = content.body + "".join(button.url for button in content.buttons)
        used = set(re.findall(r"\{\{(\d+)\}\}", shown))
        assert used <= numbers
        assert set(content.samples) == numbers
        card = content.fill({number: f"<{number}>" for number in numbers}, "http://h")
        assert "{" not in card.body
        assert all(
            button.url.startswith("http://h/pay/?orderId=<")
            for button in card.buttons
            if button.url
        )


def test_variables_that_whatsapp_would_refuse() -> None:
    content = next(iter(load_contents().values()))
    assert content.fill({"1": "a\nb"}, "").error == 63013
    assert content.fill({"1": "a" + " " * 5 + "b"}, "").error == 63013
    assert content.fill({"1": "x" * 1100}, "").error == 63013
    assert content.fill({"1": "Ana"}, "").error == 0


async def test_a_challenge_leads_to_either_end(http: httpx.AsyncClient, uid: str) -> None:
    asked = await http.post(f"/pay/?orderId={uid}", data={"action": "challenge"})
    page = await http.get(asked.headers["location"])
    assert "One-time code" in page.text
    assert re.findall(r'value="(\w+)"', page.text) == ["approve", "decline"]


async def test_a_stranger_becomes_a_person_but_not_without_end(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    for number in range(150):
        sandbox.people.by_phone(f"+5025000{number:04d}")
    assert len(list(sandbox.people)) == 102
    assert sandbox.people.by_email("ANA@example.com").id == "ana"
    seen = (await http.get("/sandbox/api/state", params={"person": "+50250000003"})).json()
    assert seen["sms"]["address"] == "+50250000003"


def test_forgets_the_oldest_messages_with_their_addresses() -> None:
    log = MessageLog(2, lambda: datetime(2026, 4, 3, tzinfo=UTC))
    for number in range(4):
        to = f"+50255550{number:03d}"
        at = datetime(2026, 4, 3, tzinfo=UTC)
        log.add(Message(f"SM{number}", to, "+1", "hi", "outbound-api", "sent", at))
    assert [message.sid for message in log] == ["SM2", "SM3"]
    assert log.with_address("+50255550000") == []
    assert [message.sid for message in log.with_address("+1")] == ["SM2", "SM3"]
