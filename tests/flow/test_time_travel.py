"""A service on the sandbox's clock, moved through its days by the phones page's buttons."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.cli.companion import accompany
from tests.flow.service import Service
from tests.services import eventually


class Travelling(Service):
    """A service that goes by its sandbox's clock."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._clock = self.sandbox.clock

    async def forward(self, **step: object) -> httpx.Response:
        url = f"{self.sandbox.base_url}/sandbox/api/time"
        async with httpx.AsyncClient(trust_env=False, timeout=20) as page:
            return await page.post(url, json=step)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Travelling]:
    async with Travelling(tmp_path) as running:
        accompany(running.sandbox, running.app)
        yield running


async def test_what_is_due_after_a_jump_comes_within_a_second(service: Travelling) -> None:
    later = service.sandbox.clock() + timedelta(days=2)
    payment = await service.create("whatsapp", send_at=later.isoformat())
    assert (await service.forward(hours=24)).status_code == 200
    assert not list(service.sandbox.twilio.messages)
    assert (await service.forward(hours=25)).status_code == 200
    await eventually(lambda: bool(list(service.sandbox.twilio.messages)), within_s=1)
    assert next(iter(service.sandbox.twilio.messages)).created_at > later
    await service.until_message(payment, "link", "delivered", "read")


async def test_a_jump_leaves_nothing_lapsed_and_nothing_doubled(service: Travelling) -> None:
    payments = [await service.create("whatsapp", "sms") for _ in range(12)]
    assert (await service.forward(hours=24)).status_code == 200
    for payment in payments:
        await service.until_message(payment, "link", "delivered", "read")
    assert len(list(service.sandbox.twilio.messages)) == len(payments)
    assert len(list(service.sandbox.migo.transactions)) == len(payments)
    assert await service.select("select 1 from decision") == []


async def test_nothing_is_next_without_reminders(service: Travelling) -> None:
    await service.create("whatsapp", reminders="off")
    answer = await service.forward(to="next")
    assert (answer.status_code, answer.json()["error"]) == (409, "no reminder is planned")
