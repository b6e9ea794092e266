"""Ordered faults at the providers' doors."""

import httpx
import pytest

from bot.sandbox import Sandbox
from bot.sandbox.faults import Faults
from tests.unit.sandbox.service import Service


def test_orders_are_used_up_oldest_first_by_what_fits() -> None:
    faults = Faults()
    faults.order("twilio", "create", "throttle", times=2)
    faults.order("twilio", "*", "garbage")
    assert faults.take("migo", "create") is None
    taken = [faults.take("twilio", "create") for _ in range(4)]
    assert [fault and fault.kind.value for fault in taken] == [
        "throttle",
        "throttle",
        "garbage",
        None,
    ]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="explode"):
        Faults().order("migo", "create", "explode")
    with pytest.raises(ValueError, match="at least once"):
        Faults().order("migo", "create", "delay", times=0)


async def create(http: httpx.AsyncClient, sandbox: Sandbox) -> httpx.Response:
    migo = sandbox.config.migo
    body = {"amount": 1, "userId": "1", "channel": "wa", "client": migo.client}
    headers = {"authorization": migo.token}
    return await http.post("/migo/transactions", headers=headers, json=body)


@pytest.mark.parametrize(
    ("kind", "details", "status", "booked"),
    [
        ("refuse", {"code": 2002}, 400, 0),
        ("refuse", {"status": 403, "body": {"message": "no"}}, 403, 0),
        ("throttle", {"retry_after": 7}, 429, 0),
        ("server_error", {"status": 503}, 503, 0),
        ("server_error", {"status": 504, "done": True}, 504, 1),
        ("garbage", {}, 200, 1),
        ("delay", {"seconds": 0}, 200, 1),
    ],
)
async def test_a_create_suffers(
    sandbox: Sandbox,
    http: httpx.AsyncClient,
    kind: str,
    details: dict[str, object],
    status: int,
    booked: int,
) -> None:
    sandbox.faults.order("migo", "create", kind, 1, **details)
    answer = await create(http, sandbox)
    assert (answer.status_code, len(sandbox.migo.transactions)) == (status, booked)
    assert answer.headers.get("retry-after") == ("7" if kind == "throttle" else None)
    assert (await create(http, sandbox)).json()["uid"]


async def test_a_dropped_answer_was_carried_out(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.faults.order("migo", "create", "drop_answer")
    with pytest.raises(httpx.RemoteProtocolError):
        await create(http, sandbox)
    assert len(sandbox.migo.transactions) == 1


async def test_a_dropped_answer_closes_the_socket(sandbox: Sandbox) -> None:
    await sandbox.start(port=0, smtp_port=0)
    sandbox.faults.order("migo", "create", "drop_answer")
    async with httpx.AsyncClient(base_url=sandbox.base_url, trust_env=False) as http:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await create(http, sandbox)
        assert (await create(http, sandbox)).status_code == 200
    assert len(sandbox.migo.transactions) == 2


async def test_telegram_throttles_in_its_own_words(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    sandbox.telegram.start(700000777)
    sandbox.faults.order("telegram", "sendMessage", "throttle", retry_after=3)
    url = f"/telegram/bot{sandbox.config.telegram.token}/sendMessage"
    answer = await http.post(url, json={"chat_id": 700000777, "text": "hi"})
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 3",
        "parameters": {"retry_after": 3},
    }


async def test_a_failed_update_blocks_its_chat_and_comes_again(
    sandbox: Sandbox, service: Service, http: httpx.AsyncClient
) -> None:
    url = f"/telegram/bot{sandbox.config.telegram.token}/setWebhook"
    await http.post(url, json={"url": "http://127.0.0.1/webhooks/telegram"})
    service.answers[:] = [500, 502]
    sandbox.telegram.write(700000777, "one")
    sandbox.telegram.write(700000777, "two")
    await sandbox.settled()
    messages = [call.json()["message"] for call in service.calls]
    texts = [message["text"] for message in messages if isinstance(message, dict)]
    assert texts == ["one", "one", "one", "two"]
    assert len({str(call.json()["update_id"]) for call in service.calls}) == 2
