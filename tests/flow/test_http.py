"""HTTP that no client library would send, at a running service: refused or closed, never a 5xx."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.service import Service
from tests.services import eventually

ANSWER_S = 10.0
MIB = 1024 * 1024
COUNTS = "select count(*) from inbox"


def _request(service: Service, *lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    migo = service.sandbox.config.migo
    head = [
        f"{method} /webhooks/migo HTTP/1.1",
        f"host: 127.0.0.1:{service.port}",
        f"{migo.callback_header}: {migo.callback_secret}",
        "content-type: application/json",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _say(service: Service, said: bytes, *, hang_up: bool = True) -> list[int]:
    """Say something, hang up, and give the statuses of all answers until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(said)
        if hang_up:
            writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            answer = await _read_all(reader)
    finally:
        writer.close()
    lines = answer.split(b"HTTP/1.1 ")[1:]
    return [int(line[:3]) for line in lines]


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(MIB)
    except ConnectionError:
        return b""


def _chunked(body: bytes) -> bytes:
    size = 8192
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.fixture
async def quiet_service(tmp_path: Path) -> AsyncIterator[Service]:
    async with Service(tmp_path, TELEGRAM_BOT_TOKEN="") as running:
        yield running


async def test_ten_megabytes_in_chunks_are_not_taken(quiet_service: Service) -> None:
    chunked = _request(quiet_service, "transfer-encoding: chunked", body=_chunked(b"x" * 10 * MIB))
    assert await _say(quiet_service, chunked) in ([413], [])
    assert await quiet_service.select(COUNTS) == [(0,)]


async def test_64_megabytes_in_chunks_end_soon(quiet_service: Service) -> None:
    start = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", quiet_service.port)
    writer.write(_request(quiet_service, "transfer-encoding: chunked"))
    with contextlib.suppress(ConnectionError):
        for _ in range(64):
            writer.write(b"100000\r\n" + b"x" * MIB + b"\r\n")
            await writer.drain()
    assert (await _read_all(reader)).startswith(b"HTTP/1.1 413 ")
    writer.close()
    assert time.monotonic() - start < 12
    assert await quiet_service.select(COUNTS) == [(0,)]


async def test_a_head_of_200_kilobytes_is_refused(quiet_service: Service) -> None:
    large = _request(quiet_service, "x-large: " + "y" * 200_000, "content-length: 2", body=b"{}")
    assert await _say(quiet_service, large) in ([431], [])
    assert await quiet_service.select(COUNTS) == [(0,)]


async def test_a_wrong_key_for_a_known_payment_is_told_once(quiet_service: Service) -> None:
    payment = await quiet_service.create("sms")
    await quiet_service.until_message(payment, "link", "delivered", "read")
    uid = quiet_service.uid_of(await quiet_service.read(payment))
    bodies = [
        b'{"uid": "%s", "status": "approved"}' % name.encode() for name in (uid, uid, "other")
    ]
    for body in (*bodies, b"no json"):
        headers = {"content-type": "application/json", "x-api-key": "wrong"}
        answer = await quiet_service.http.post("/webhooks/migo", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")
    alerts = await quiet_service.select("select kind, payment_id from alert")
    assert alerts == [("wrong_key", payment["id"])]
    assert await quiet_service.select("select 1 from inbox where source = 'migo'") == []
    assert (await quiet_service.read(payment))["status"] != "paid"


async def test_a_wrong_key_is_known_by_what_else_it_names_and_its_bytes_are_kept(
    quiet_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.quarantine.MOST", 2)
    payment = await quiet_service.create("sms")
    await quiet_service.until_message(payment, "link", "delivered", "read")
    headers = {"content-type": "application/json", "x-api-key": "wrong"}
    bodies = [
        b'{"uid": "u%d", "externalId": "%s.1"}' % (number, payment["id"].encode())
        for number in (1, 1, 2, 3)
    ]
    stranger = b'{"uid": "u4", "externalId": "pay_0000.1"}'
    for body in (*bodies, stranger):
        answer = await quiet_service.http.post("/webhooks/migo", content=body, headers=headers)
        assert answer.status_code == 401
    kept = await quiet_service.select("select why, body from quarantine order by id")
    assert [(why, bytes(body)) for why, body in kept] == [
        ("wrong_key", bodies[0]),
        ("wrong_key", bodies[2]),
    ]
    alerts = await quiet_service.select("select kind, payment_id from alert order by id")
    assert alerts == [("wrong_key", payment["id"])] * 3
    assert (await quiet_service.read(payment))["status"] != "paid"


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_of_a_proven_callback_that_is_too_large_the_start_is_kept_and_told(
    quiet_service: Service, is_chunked: bool
) -> None:
    migo = quiet_service.sandbox.config.migo
    headers = {"content-type": "application/json", migo.callback_header: migo.callback_secret}
    body = b'{"uid": "u1", "status": "approved", "pad": "' + b"x" * 70_000 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 5000):
            yield body[start : start + 5000]

    for _ in range(2):
        content = chunks() if is_chunked else body
        answer = await quiet_service.http.post("/webhooks/migo", content=content, headers=headers)
        assert answer.status_code == 413
    kept = await quiet_service.select("select why, body from quarantine")
    assert [(why, bytes(start)) for why, start in kept] == [("too_large", body[:4096])]
    assert await quiet_service.select("select kind from alert") == [("unreadable",)]
    assert await quiet_service.select("select 1 from inbox where source = 'migo'") == []


async def test_a_length_that_lies_gains_nothing(quiet_service: Service) -> None:
    more = _request(quiet_service, "content-length: 2", body=b"{}" + b"x" * MIB)
    assert await _say(quiet_service, more) in ([200, 400], [400])
    before = await quiet_service.select("select body from inbox")
    assert before in ([], [(b"{}",)])
    less = _request(quiet_service, "content-length: 100", body=b'{"uid": "u1"}')
    assert all(400 <= status < 500 for status in await _say(quiet_service, less))
    assert await quiet_service.select("select body from inbox") == before


MALFORMED = {
    "nothing": b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown version": b"POST /webhooks/migo HTTP/9.9\r\n\r\n",
    "a long target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "a NUL in the target": b"GET /\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nhost: x\r\n\r\n",
    "a tunnel": b"CONNECT other.example:443 HTTP/1.1\r\nhost: other.example\r\n\r\n",
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_http_ends_the_connection(quiet_service: Service, said: bytes) -> None:
    assert await _say(quiet_service, said) in ([400], [431], [])
    assert await _is_well(quiet_service)


SMUGGLED = {
    "both lengths": ("content-length: 2", "transfer-encoding: chunked"),
    "two lengths": ("content-length: 2", "content-length: 3"),
    "a negative length": ("content-length: -2",),
    "a length in words": ("content-length: two",),
    "a length of 5,000 digits": ("content-length: " + "9" * 5_000,),
    "an unknown encoding": ("transfer-encoding: gzip",),
    "a folded header": ("x-a: b", " c", "content-length: 2"),
    "a space before the colon": ("content-length : 2",),
    "a NUL in a header": ("x-a: \x00", "content-length: 2"),
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED)
async def test_a_request_means_one_thing_or_nothing(
    quiet_service: Service, lines: tuple[str, ...]
) -> None:
    """Two readers must never see two different requests in one."""
    second = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    said = _request(quiet_service, *lines, body=b"{}" + second)
    statuses = await _say(quiet_service, said)
    assert statuses == [400]
    assert await quiet_service.select(COUNTS) == [(0,)]
    assert await _is_well(quiet_service)


async def test_other_methods_are_refused(quiet_service: Service) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        said = _request(quiet_service, "connection: close", method=method)
        assert await _say(quiet_service, said, hang_up=False) == [405], method
    assert await quiet_service.select(COUNTS) == [(0,)]


async def _is_well(service: Service) -> bool:
    answer = await service.http.get("/readyz")
    return answer.status_code == 200


async def test_hundred_idle_callers_do_not_stop_a_callback(quiet_service: Service) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", quiet_service.port) for _ in range(100)]
    try:
        said = _request(quiet_service, "content-length: 2", "connection: close", body=b"{}")
        assert await _say(quiet_service, said, hang_up=False) == [200]
    finally:
        for _, writer in idle:
            writer.close()
    await eventually(lambda: _is_well(quiet_service))
