"""PostgreSQL goes away while callbacks come: Migo sees no error, and all are booked later."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from bot.app import ALL_ROLES, Role
from bot.liveness import HUNG_S, Watchdog
from bot.sandbox.twilio.signature import sign
from bot.store.engine import StoreError
from bot.store.migrate import migrate
from tests.conftest import OPTIONAL
from tests.flow.service import PHONE, Service
from tests.services import PostgresServer, eventually, postgres_server, private_folder

PAYMENTS = 12
BACK_S = 30.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server that nobody else uses."""
    with private_folder() as folder:
        found = postgres_server(folder)
        if found is None:
            pytest.skip(f"{OPTIONAL} PostgreSQL is not installed here")
        found.create()
        found.start()
        migrate(found.url)
        try:
            yield found
        finally:
            found.stop()


@pytest.fixture
def mortal_service(tmp_path: Path, server: PostgresServer) -> Service:
    return Service(tmp_path, server.url, TELEGRAM_BOT_TOKEN="")


def _callback(uid: str) -> bytes:
    body = {"uid": uid, "status": "approved", "amount": 15000, "currency": "GTQ"}
    return json.dumps(body).encode()


async def _post(service: Service, body: bytes) -> httpx.Response:
    migo = service.sandbox.config.migo
    headers = {"content-type": "application/json", migo.callback_header: migo.callback_secret}
    return await service.http.post("/webhooks/migo", content=body, headers=headers)


async def _figure(service: Service, name: str) -> float:
    text = (await service.http.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def _uids(service: Service) -> list[str]:
    payments = [await service.create("sms") for _ in range(PAYMENTS)]
    for payment in payments:
        await service.until_message(payment, "link", "delivered", "read", "done")
    return [service.uid_of(await service.read(payment)) for payment in payments]


async def _until_all_are_paid(service: Service) -> None:
    async def is_paid() -> bool:
        rows = await service.select("select count(*) from payment where status = 'paid'")
        return rows == [(PAYMENTS,)]

    await eventually(is_paid, BACK_S)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGQUIT])
async def test_a_database_that_is_away_costs_no_callback(
    mortal_service: Service, server: PostgresServer, stop: signal.Signals
) -> None:
    async with mortal_service as service:
        bodies = [_callback(uid) for uid in await _uids(service)]
        await asyncio.to_thread(server.stop, stop)
        answers = [await _post(service, body) for body in bodies for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert await _figure(service, "paybot_spool_items") == len(answers)
        assert await _figure(service, "paybot_spool_oldest_seconds") > 0
        await asyncio.to_thread(server.start)
        await _until_all_are_paid(service)
        await eventually(lambda: _is_empty(service), BACK_S)
        handsets = service.sandbox.twilio.handsets
        await eventually(lambda: len(handsets.received_by(PHONE)) == 2 * PAYMENTS, BACK_S)


async def _readiness(service: Service) -> int:
    return (await service.http.get("/readyz")).status_code


async def _until_ready(service: Service) -> None:
    async def is_ready() -> bool:
        return await _readiness(service) == 200

    await eventually(is_ready, BACK_S)


@pytest.mark.parametrize("roles", [{Role.WEB}, ALL_ROLES])
async def test_a_service_that_starts_without_its_database_takes_callbacks(
    mortal_service: Service,
    server: PostgresServer,
    roles: frozenset[Role],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("WARNING", logger="bot.web.app")
    async with mortal_service as service:
        bodies = [_callback(uid) for uid in await _uids(service)]
        await service.stop()
        # The start before this one has a database, and on a busy machine takes longer to find it.
        monkeypatch.setattr("bot.app._FIRST_LOOK_S", 0.1)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await service.start(frozenset(roles))
        ended = asyncio.create_task(service.app.wait())
        answers = [await _post(service, body) for body in bodies]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert await _readiness(service) == 503
        assert (await service.http.get("/v1/payments")).status_code == 503
        said = [each for each in caplog.records if "/v1/payments" in each.getMessage()]
        assert [(each.levelname, each.exc_info) for each in said] == [("WARNING", None)]
        await asyncio.to_thread(server.start)
        await _until_ready(service)
        await eventually(lambda: _is_empty(service), BACK_S)
        kept = await service.select("select count(*) from inbox where source = 'migo'")
        assert kept == [(PAYMENTS,)]
        if Role.WORKER in roles:
            await _until_all_are_paid(service)
        assert not ended.done()
        ended.cancel()


async def test_a_database_that_turns_out_too_old_ends_the_process(
    mortal_service: Service, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app._FIRST_LOOK_S", 0.1)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("drop table alembic_version")
    server.stop(signal.SIGQUIT)
    async with mortal_service as service:
        ended = asyncio.create_task(service.app.wait())
        await asyncio.to_thread(server.start)
        with pytest.raises(StoreError, match="run `paybot migrate`"):
            await asyncio.wait_for(ended, BACK_S)


async def test_a_database_that_hangs_is_no_loop_that_hangs(
    mortal_service: Service, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.opening.STALLED_S", 0.2)
    exits: list[int] = []
    async with mortal_service as service:
        bodies = [_callback(uid) for uid in await _uids(service)]
        beats = service.app.beats
        watchdog = Watchdog(beats, limit_s=6.0, look_every_s=0.05, end_process=exits.append)
        watchdog.start()
        await asyncio.to_thread(server.pause)
        since = time.monotonic()
        try:
            answers = [await _post(service, body) for body in bodies]
            await eventually(lambda: bool(exits) or time.monotonic() - since > 9, BACK_S)
            answers += [await _post(service, body) for body in bodies]
            assert await _readiness(service) == 503
        finally:
            await asyncio.to_thread(server.resume)
        watchdog.stop()
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert exits == []
        await _until_all_are_paid(service)
        await _until_ready(service)


def _store_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("store-")]


async def test_a_stop_does_not_wait_for_a_database_that_hangs(
    mortal_service: Service, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.STOP_WITHIN_S", 0.5)
    async with mortal_service as service:
        await asyncio.to_thread(server.pause)
        try:
            await _post(service, _callback("uid"))
            await asyncio.wait_for(service.stop(), HUNG_S)
        finally:
            await asyncio.to_thread(server.resume)
        await eventually(lambda: not _store_threads(), BACK_S)
        service.app.store.engine.dispose()


async def test_other_providers_are_asked_to_repeat(
    mortal_service: Service, server: PostgresServer
) -> None:
    async with mortal_service as service:
        twilio = service.sandbox.config.twilio
        path = "/webhooks/twilio/inbound"
        fields = {"AccountSid": twilio.account_sid, "MessageSid": "SM1", "Body": "hola"}
        fields |= {"From": PHONE, "To": "+15005550006"}
        signature = sign(twilio.auth_token, service.base_url + path, fields.items())
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        answer = await service.http.post(
            path, data=fields, headers={"x-twilio-signature": signature}
        )
        assert answer.status_code == 503
        await asyncio.to_thread(server.start)


async def test_a_database_at_work_for_long_keeps_no_callback_waiting(tmp_path: Path) -> None:
    async with Service(tmp_path, TELEGRAM_BOT_TOKEN="") as service:
        gate = threading.Event()
        blocked = asyncio.ensure_future(service.app.store.transact(lambda tx: gate.wait(60)))
        start = time.monotonic()
        answers = await asyncio.gather(*(_post(service, _callback(f"u{n}")) for n in range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20
        assert time.monotonic() - start < 10
        gate.set()
        await blocked

        async def are_kept() -> bool:
            return await service.select("select count(*) from inbox") == [(20,)]

        await eventually(are_kept, BACK_S)


async def _is_empty(service: Service) -> bool:
    return await _figure(service, "paybot_spool_items") == 0


async def test_a_service_that_ends_with_a_spool_books_it_at_its_next_start(
    mortal_service: Service, server: PostgresServer
) -> None:
    async with mortal_service as service:
        bodies = [_callback(uid) for uid in await _uids(service)]
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        answers = [await _post(service, body) for body in bodies]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        await service.stop()
        await asyncio.to_thread(server.start)
        await service.start()
        await _until_all_are_paid(service)
