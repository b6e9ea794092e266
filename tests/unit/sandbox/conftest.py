"""A sandbox in this process and a service that notes its webhooks."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.sandbox import MigoConfig, Person, Sandbox, SandboxConfig, TelegramConfig
from tests.unit.sandbox.service import Service


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    people = (Person("ana", "Ana", "+50255551234", "ana@example.com", 700000777),)
    sandbox = Sandbox(
        SandboxConfig(
            migo=MigoConfig(retry_delay_s=0.001, callback_retries=2),
            telegram=TelegramConfig(retry_s=0.001),
            people=people,
        )
    )
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def service(sandbox: Sandbox) -> Service:
    service = Service()
    sandbox.point_at("http://service", transport=service.transport)
    return service


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client


@pytest.fixture
async def uid(sandbox: Sandbox, http: httpx.AsyncClient) -> str:
    """A link over Q150.00."""
    migo = sandbox.config.migo
    body = {"amount": 15000, "userId": "+50255551234", "channel": "wa", "client": migo.client}
    headers = {"authorization": migo.token}
    answer = await http.post("/migo/transactions", headers=headers, json=body)
    return str(answer.json()["uid"])
