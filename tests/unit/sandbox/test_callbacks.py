"""What can happen to Migo's callback."""

from typing import cast

import httpx
import pytest

from bot.sandbox import MigoConfig, Sandbox, SandboxConfig
from tests.unit.sandbox.service import Service


async def statuses(sandbox: Sandbox, service: Service) -> list[object]:
    await sandbox.settled()
    return [call.json()["status"] for call in service.calls]


async def test_a_duplicate_is_the_same_bytes(sandbox: Sandbox, service: Service, uid: str) -> None:
    sandbox.faults.order("migo", "callback", "duplicate", copies=3)
    sandbox.migo.approve(uid)
    await sandbox.settled()
    assert len(service.calls) == 3
    assert len({call.body for call in service.calls}) == 1


async def test_never_sends_nothing(sandbox: Sandbox, service: Service, uid: str) -> None:
    sandbox.faults.order("migo", "callback", "never")
    sandbox.migo.approve(uid)
    assert await statuses(sandbox, service) == []
    assert sandbox.migo.transactions.get(uid).status == "approved"


async def test_reorder_lets_the_next_one_overtake(
    sandbox: Sandbox, service: Service, uid: str
) -> None:
    sandbox.faults.order("migo", "callback", "reorder")
    sandbox.migo.approve(uid)
    assert await statuses(sandbox, service) == []
    assert sandbox.postman.held == 1
    sandbox.migo.refund(uid)
    assert await statuses(sandbox, service) == ["refunded", "approved"]


async def test_a_held_callback_can_be_released(
    sandbox: Sandbox, service: Service, uid: str
) -> None:
    sandbox.faults.order("migo", "callback", "reorder")
    sandbox.migo.approve(uid)
    await sandbox.settled()
    await sandbox.postman.release()
    assert await statuses(sandbox, service) == ["approved"]


async def test_a_replay_is_the_same_bytes(sandbox: Sandbox, service: Service, uid: str) -> None:
    assert await sandbox.migo.replay(uid) is None
    sandbox.migo.approve(uid)
    await sandbox.settled()
    await sandbox.migo.replay(uid)
    assert service.calls[0].body == service.calls[1].body


async def test_a_denied_link_can_be_paid(sandbox: Sandbox, service: Service, uid: str) -> None:
    sandbox.migo.decline(uid)
    sandbox.migo.approve(uid)
    assert sorted(map(str, await statuses(sandbox, service))) == ["approved", "denied"]


async def test_two_halves_refunded_name_their_part(
    sandbox: Sandbox, service: Service, uid: str
) -> None:
    sandbox.migo.refund(uid, 7500)
    sandbox.migo.refund(uid, 7500)
    sandbox.migo.refund(uid, 7500)
    await sandbox.settled()
    assert [call.json()["amount"] for call in service.calls] == [7500, 7500, 0]
    assert sandbox.migo.transactions.get(uid).refunded_minor == 15000


@pytest.mark.parametrize(
    ("how", "name", "value"),
    [
        ("upper_status", "status", "APPROVED"),
        ("unknown_status", "status", "under_review"),
        ("amount_as_string", "amount", "15000"),
        ("amount_mismatch", "amount", 15001),
        ("currency_mismatch", "currency", "USD"),
        ("extra_fields", "installments", 3),
        ("missing_amount", "amount", None),
    ],
)
async def test_a_changed_body(
    sandbox: Sandbox, service: Service, uid: str, how: str, name: str, value: object
) -> None:
    sandbox.faults.order("migo", "callback", "alter", how=how)
    sandbox.migo.approve(uid)
    await sandbox.settled()
    assert service.calls[0].json().get(name) == value
    assert service.calls[0].json()["uid"] == uid


async def test_an_unknown_uid_and_wrong_headers(
    sandbox: Sandbox, service: Service, uid: str
) -> None:
    for how in ("unknown_uid", "wrong_header", "missing_header"):
        sandbox.faults.order("migo", "callback", "alter", how=how)
        sandbox.migo.approve(uid)
        await sandbox.settled()
    secret = sandbox.config.migo.callback_secret
    assert service.calls[0].json()["uid"] != uid
    assert [call.headers.get("x-api-key") == secret for call in service.calls] == [
        True,
        False,
        False,
    ]
    assert "x-api-key" in service.calls[1].headers
    assert "x-api-key" not in service.calls[2].headers


async def test_retries_until_taken_when_asked_to(
    sandbox: Sandbox, service: Service, uid: str
) -> None:
    service.answers[:] = [500, 503]
    sandbox.migo.approve(uid)
    await sandbox.settled()
    assert [posted.status for posted in sandbox.postman.sent] == [500, 503, 204]


async def test_does_not_retry_by_default(service: Service) -> None:
    sandbox = Sandbox(SandboxConfig(migo=MigoConfig(token="t", client="c")))
    sandbox.point_at("http://service", transport=service.transport)
    service.answers[:] = [500]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(sandbox.asgi), base_url="http://sandbox"
    ) as http:
        body = {"amount": 100, "userId": "1", "channel": "wa", "client": "c"}
        made = await http.post("/migo/transactions", headers={"authorization": "t"}, json=body)
    sandbox.migo.approve(made.json()["uid"])
    await sandbox.settled()
    assert len(service.calls) == 1
    await sandbox.stop()


@pytest.mark.parametrize(
    ("sent", "minor", "written"),
    [("125.5", 12550, b'"amount": 125.5'), ("150.00", 15000, b'"amount": 150,')],
)
async def test_major_amounts_go_in_and_out_exactly(sent: str, minor: int, written: bytes) -> None:
    sandbox, service = Sandbox(SandboxConfig(migo=MigoConfig(amount_unit="major"))), Service()
    sandbox.point_at("http://service", transport=service.transport)
    migo = sandbox.config.migo
    body = f'{{"amount":{sent},"userId":"1","channel":"wa","client":"{migo.client}"}}'
    transport = httpx.ASGITransport(sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as http:
        headers = {"authorization": migo.token}
        made = await http.post("/migo/transactions", headers=headers, content=body)
    uid = cast("str", made.json()["uid"])
    assert sandbox.migo.transactions.get(uid).amount_minor == minor
    sandbox.migo.approve(uid)
    await sandbox.settled()
    assert written in service.calls[0].body
    await sandbox.stop()
