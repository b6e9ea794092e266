"""Five processes on one PostgreSQL and Redis: payments go through, whatever happens to Redis."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from bot.app import Role
from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.flow.service import Json, Service
from tests.services import RedisServer, eventually, free_port, redis_binary

DELIVERED = ("delivered", "read")
START_S = 90.0
STOP_S = 30.0
WITHIN_S = 60.0


class Fleet(Service):
    """Two web processes, two workers and a scheduler; requests go to the first web process."""

    processes: list[subprocess.Popen[bytes]]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PUBLIC_URL": f"http://127.0.0.1:{self.port}"}

    async def start(self, roles: frozenset[Role] = frozenset()) -> None:
        self.second_port = free_port()
        self.processes = [
            self._spawn("web", self.port),
            self._spawn("web", self.second_port),
            self._spawn("worker", free_port()),
            self._spawn("worker", free_port()),
            self._spawn("scheduler", free_port()),
        ]
        for port in (self.port, self.second_port):
            await self._until_up(port)

    def _spawn(self, roles: str, port: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"{roles}-{port}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "bot", "serve", "--roles", roles],
                env={**self.environment(), "PORT": str(port), "PATH": os.environ["PATH"]},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    async def _until_up(self, port: int) -> None:
        async def is_up() -> bool:
            assert all(each.poll() is None for each in self.processes)
            try:
                return (await self.http.get(f"http://127.0.0.1:{port}/readyz")).is_success
            except httpx.TransportError:
                return False

        await eventually(is_up, START_S)

    async def stop(self) -> None:
        for each in self.processes:
            each.terminate()
        codes = [await asyncio.to_thread(each.wait, STOP_S) for each in self.processes]
        assert codes == [0] * len(codes)

    async def send_some(self, count: int) -> list[Json]:
        return [await self.create("sms") for _ in range(count)]

    async def pay(self, payments: list[Json]) -> None:
        """Pay each, by three callbacks, half of them to the second web process."""
        for number, payment in enumerate(payments):
            await self.until_message(payment, "link", *DELIVERED, within_s=WITHIN_S)
            uid = self.uid_of(await self.read(payment))
            for _ in range(3):
                await self._report(uid, self.second_port if number % 2 else self.port)
        for payment in payments:
            await self.until_message(payment, "receipt", *DELIVERED, within_s=WITHIN_S)

    async def _report(self, uid: str, port: int) -> None:
        migo = self.sandbox.config.migo
        answer = await self.http.post(
            f"http://127.0.0.1:{port}/webhooks/migo",
            json={"uid": uid, "status": "approved", "amount": 15000, "currency": "GTQ"},
            headers={migo.callback_header: migo.callback_secret},
        )
        assert answer.is_success, answer.status_code


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of our own, to be killed."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server")
    server = RedisServer(binary, tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def cut_off(postgres_url: str) -> None:
    """End every connection to the database, as its restart does."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


async def test_payments_go_through_whatever_happens_to_redis_and_postgres(
    tmp_path: Path, postgres_url: str, own_redis: RedisServer
) -> None:
    migrate(postgres_url)
    empty(postgres_url)
    extra = {"REDIS_URL": own_redis.url, "TELEGRAM_BOT_TOKEN": ""}
    async with Fleet(tmp_path, postgres_url, **extra) as fleet:
        paid = await fleet.send_some(4)
        await fleet.pay(paid)
        own_redis.flush()
        for trouble, end in (
            (own_redis.pause, own_redis.resume),
            (own_redis.kill, own_redis.start),
        ):
            trouble()
            batch = await fleet.send_some(3)
            await fleet.pay(batch)
            end()
            paid += batch
        batch = await fleet.send_some(3)
        cut_off(postgres_url)
        await fleet.pay(batch)
        paid += batch
        assert len(list(fleet.sandbox.migo.transactions)) == len(paid)
        assert len(list(fleet.sandbox.twilio.messages)) == 2 * len(paid)
