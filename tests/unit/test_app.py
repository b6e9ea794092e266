"""Starting and stopping a process: what it refuses, what it says, and what it leaves behind."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from bot.app import STOP_WITHIN_S, Application, Role
from bot.settings import Settings
from bot.store.engine import StoreBusyError, StoreError
from tests.contract.databases import rewound
from tests.flow.service import Service
from tests.services import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
STOP_S = 30.0
SLOW_S = 4.0


def settings_of(folder: Path, **extra: str) -> Settings:
    return Settings.load(
        {
            "DATABASE_URL": f"sqlite:///{folder}/paybot.db",
            "DATA_DIR": str(folder),
            "PORT": str(free_port()),
            "MIGO_CLIENT": "shop",
            "MIGO_TOKEN": "migo-token-0123456789",
            "MIGO_AMOUNT_UNIT": "minor",
            "MIGO_CALLBACK_SECRET": "callback-secret-0123456789",
            **extra,
        }
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_a_taken_port_is_told(tmp_path: Path, taken_port: int) -> None:
    application = Application(settings_of(tmp_path, PORT=str(taken_port)))
    try:
        with pytest.raises(OSError, match="in use"):
            await application.start()
    finally:
        await application.stop()


async def test_a_process_whose_api_cannot_be_built_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("bot.web.api.build_api", build)
    application = Application(settings_of(tmp_path), roles=[Role.WEB])
    await application.start()
    try:
        async with asyncio.timeout(START_S):
            with pytest.raises(ValueError, match="a bug"):
                await application.wait()
    finally:
        await application.stop()


async def test_a_second_process_on_one_file_is_refused(tmp_path: Path) -> None:
    first = Application(settings_of(tmp_path), roles=[Role.WORKER])
    second = Application(settings_of(tmp_path), roles=[Role.WEB])
    await first.start()
    try:
        with pytest.raises(StoreBusyError, match=r"another paybot holds .*paybot\.db"):
            await second.start()
    finally:
        await second.stop()
        await first.stop()


async def test_an_old_database_on_postgresql_is_not_changed_unasked(
    tmp_path: Path, postgres_url: str
) -> None:
    with rewound(postgres_url):
        application = Application(settings_of(tmp_path, DATABASE_URL=postgres_url))
        try:
            with pytest.raises(StoreError, match="run `paybot migrate`"):
                await application.start()
        finally:
            await application.stop()


async def test_a_server_that_is_away_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.app._FIRST_LOOK_S", 0.1)
    url = f"postgresql://paybot:s3cret-password@127.0.0.1:{free_port()}/paybot"
    application = Application(settings_of(tmp_path, DATABASE_URL=url))
    try:
        await application.start()
        await eventually(lambda: "cannot open postgresql" in caplog.text)
    finally:
        await application.stop()
    assert "s3cret-password" not in caplog.text


async def test_the_first_start_writes_a_token_that_only_its_owner_reads(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        application = Application(settings_of(tmp_path), roles=[Role.SCHEDULER])
        await application.start()
        tokens.append(application.tokens)
        await application.stop()
    path = tmp_path / "paybot.token"
    assert tokens == [(path.read_text().strip(),)] * 2
    assert len(tokens[0][0]) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "paybot.db").stat().st_mode & 0o777 == 0o600


async def test_each_role_does_its_own_work_only(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    application = Application(settings, roles=[Role.WORKER])
    await application.start()
    async with httpx.AsyncClient(base_url=application.base_url) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/healthz")
    await application.stop()
    application = Application(settings, roles=[Role.WEB])
    await application.start()
    async with httpx.AsyncClient(base_url=application.base_url) as http:
        assert (await http.get("/readyz")).status_code == 200
        lines = (await http.get("/metrics")).text.splitlines()
        ages = [line for line in lines if line.startswith("paybot_loop_age_seconds{")]
        assert [line.partition("}")[0] for line in ages] == [
            'paybot_loop_age_seconds{loop="event loop"'
        ]
        assert 'paybot_http_requests_total{method="GET",route="/readyz",status="200"} 1.0' in lines
        assert "paybot_coordination_up 1.0" in lines
    await application.stop()


@pytest.mark.parametrize("role", [Role.WORKER, Role.SCHEDULER])
async def test_a_process_without_doors_answers_for_its_health_where_it_is_told_to(
    tmp_path: Path, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    application = Application(settings_of(tmp_path, METRICS_PORT=str(port)), roles=[role])
    await application.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        figures = (await http.get("/metrics")).text
        assert 'paybot_loop_age_seconds{loop="event loop"}' in figures
        assert ('paybot_loop_age_seconds{loop="intake"}' in figures) is (role is Role.WORKER)
        assert 'paybot_queue_oldest_seconds{queue="inbox"}' in figures
        for path in ("/webhooks/migo", "/v1/payments"):
            assert (await http.post(path)).status_code == 404
        monkeypatch.setattr(application.beats, "late", lambda limit_s: ["relay.sms"])
        assert (await http.get("/readyz")).status_code == 503
    await application.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_loop_that_is_late_makes_it_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = Application(settings_of(tmp_path))
    await application.start()
    async with httpx.AsyncClient(base_url=application.base_url) as http:
        assert (await http.get("/readyz")).status_code == 200
        monkeypatch.setattr(application.beats, "late", lambda limit_s: ["intake"])
        assert (await http.get("/readyz")).status_code == 503
    await application.stop()


async def test_stopping_twice_does_nothing(tmp_path: Path) -> None:
    application = Application(settings_of(tmp_path))
    await application.start()
    await application.stop()
    await application.stop()


class Served(Service):
    """The service as a process of its own."""

    async def start(self, roles: object = None) -> None:
        self._spawn()

        async def is_up() -> bool:
            assert self.process.poll() is None, (self._folder / "serve.log").read_text()
            try:
                return (await self.http.get("/readyz")).is_success
            except httpx.TransportError:
                return False

        await eventually(is_up, START_S)

    def _spawn(self) -> None:
        with (self._folder / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                env={**self.environment(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    async def stop(self) -> None:
        self.process.kill()
        self.process.wait(STOP_S)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path, TELEGRAM_BOT_TOKEN="") as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_mid_call_leaves_nothing_uncertain(
    served: Served, tmp_path: Path, number: signal.Signals
) -> None:
    served.sandbox.faults.order("twilio", "create", "delay", seconds=SLOW_S)
    payment = await served.create("sms")
    await served.until_message(payment, "link", "sending")
    served.sandbox.faults.order("migo", "create", "delay", seconds=SLOW_S)
    await served.create("sms")
    begun = time.monotonic()
    served.process.send_signal(number)
    await eventually(lambda: served.process.poll() is not None, STOP_S)
    assert time.monotonic() - begun < STOP_WITHIN_S
    assert served.process.returncode == 0, (tmp_path / "serve.log").read_text()
    with sqlite3.connect(tmp_path / "paybot.db") as books:
        rows = books.execute("select purpose, status, uncertain_count from outbox").fetchall()
    books.close()
    assert ("link", "done", 0) in rows
    assert not [row for row in rows if row[1] == "sending" or row[2]]
    assert not [row for row in rows if row[1] in ("uncertain", "dead")]
    assert len(list(served.sandbox.twilio.messages)) == 1


def test_what_has_no_doors_brings_in_no_web_framework() -> None:
    """A worker's start and memory are smaller by it; alembic is for who migrates."""
    heavy = ("fastapi", "starlette", "uvicorn", "alembic", "aiogram", "openpyxl")
    code = f"import sys, bot.app; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "[]\n"
