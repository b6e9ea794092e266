"""A service on the sandbox's clock, moved through its days by the phones page's buttons."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flow.travelling import Travelling
from tests.services import eventually


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Travelling]:
    async with Travelling(tmp_path) as running:
        yield running


async def test_what_is_due_after_a_jump_comes_at_once(service: Travelling) -> None:
    later = service.sandbox.clock() + timedelta(days=2)
    payment = await service.create("whatsapp", send_at=later.isoformat(), reminders="off")
    assert (await service.forward(hours=24)).status_code == 200
    assert not list(service.sandbox.twilio.messages)
    assert (await service.forward(hours=25)).status_code == 200
    await eventually(lambda: bool(list(service.sandbox.twilio.messages)), within_s=10)
    assert next(iter(service.sandbox.twilio.messages)).created_at > later
    await service.until_message(payment, "link", "delivered", "read")


async def test_a_jump_leaves_nothing_lapsed_and_nothing_doubled(service: Travelling) -> None:
    payments = [await service.create("whatsapp", "sms", reminders="off") for _ in range(12)]
    assert (await service.forward(hours=24)).status_code == 200
    for payment in payments:
        await service.until_message(payment, "link", "delivered", "read")
    assert len(list(service.sandbox.twilio.messages)) == len(payments)
    assert len(list(service.sandbox.migo.transactions)) == len(payments)
    assert await service.select("select outcome from delivery where outcome <> 'accepted'") == []
    # Links that went out before the jump have been silent for a day since.
    assert await service.select("select kind from alert where kind <> 'silent_links'") == []


async def test_nothing_is_next_without_reminders(service: Travelling) -> None:
    await service.create("whatsapp", reminders="off")
    answer = await service.forward(to="next")
    assert (answer.status_code, answer.json()["error"]) == (409, "no reminder is planned")
