"""Time travel as the phones page asks for it, with a service of a few functions."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bot.sandbox import Sandbox, SandboxConfig
from bot.sandbox.beside import BesideError, Companion, Order

START = datetime(2026, 3, 2, 15, tzinfo=UTC)


class Service:
    """Notes what it is asked; moves the clock at once."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.next: datetime | None = None
        self.is_busy = False

    async def jump(self, move: Callable[[], None]) -> None:
        if self.is_busy:
            raise BesideError("messages are still under way")
        move()

    async def next_at(self) -> datetime | None:
        return self.next

    async def ask(self, order: Order) -> None:
        self.orders.append(order)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(SandboxConfig(now=lambda: START))


@pytest.fixture
def service(sandbox: Sandbox) -> Service:
    service = Service()
    sandbox.accompany(Companion(service.jump, service.next_at, service.ask))
    return service


async def _post(sandbox: Sandbox, path: str, body: Mapping[str, object]) -> httpx.Response:
    transport = httpx.ASGITransport(sandbox.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as http:
        return await http.post(f"/sandbox/api{path}", json=body)


async def test_every_emulator_goes_by_the_moved_clock(sandbox: Sandbox, service: Service) -> None:
    answer = await _post(sandbox, "/time", {"hours": 24})
    assert answer.status_code == 200
    assert sandbox.clock() == START + timedelta(days=1)
    sandbox.telegram.start(sandbox.people.get("ana").telegram_id)
    chat = sandbox.telegram.chats.chat(sandbox.people.get("ana").telegram_id)
    assert chat.messages[-1].at == sandbox.clock()
    assert sandbox.journal.entries[-1].at == sandbox.clock()


async def test_the_whatsapp_window_closes_after_a_day(sandbox: Sandbox, service: Service) -> None:
    address = "whatsapp:+50255550101"
    sandbox.twilio.handsets.set_window(address, is_open=True)
    await _post(sandbox, "/time", {"hours": 23})
    assert sandbox.twilio.handsets.is_window_open(address)
    await _post(sandbox, "/time", {"hours": 2})
    assert not sandbox.twilio.handsets.is_window_open(address)


async def test_to_the_next_is_to_the_moment(sandbox: Sandbox, service: Service) -> None:
    service.next = START + timedelta(days=2, minutes=7)
    assert (await _post(sandbox, "/time", {"to": "next"})).status_code == 200
    assert sandbox.clock() == service.next


@pytest.mark.parametrize("hours", [0, -1, 24 * 400])
async def test_time_goes_ahead_only(sandbox: Sandbox, service: Service, hours: int) -> None:
    assert (await _post(sandbox, "/time", {"hours": hours})).status_code == 422
    assert sandbox.clock() == START


async def test_nothing_moves_without_reason_or_service(sandbox: Sandbox) -> None:
    assert (await _post(sandbox, "/time", {"hours": 1})).status_code == 409
    service = Service()
    sandbox.accompany(Companion(service.jump, service.next_at, service.ask))
    nothing = await _post(sandbox, "/time", {"to": "next"})
    assert (nothing.status_code, nothing.json()) == (409, {"error": "no reminder is planned"})
    service.is_busy = True
    assert (await _post(sandbox, "/time", {"hours": 1})).status_code == 409
    assert sandbox.clock() == START


async def test_a_payment_is_asked_for(sandbox: Sandbox, service: Service) -> None:
    body = {"person": "ana", "channel": "sms", "amount": "150.05", "due_in_days": "3"}
    assert (await _post(sandbox, "/payments", body)).status_code == 201
    order = service.orders[0]
    assert (order.person.id, order.channel, order.amount_minor) == ("ana", "sms", 15005)
    assert order.due_at == START + timedelta(days=3)
    assert order.wants_reminders
    await _post(sandbox, "/payments", body | {"due_in_days": "", "reminders": False})
    assert (service.orders[1].due_at, service.orders[1].wants_reminders) == (None, False)


@pytest.mark.parametrize("wrong", [{"amount": "x"}, {"amount": "-1"}, {"due_in_days": "soon"}])
async def test_a_wrong_field_is_told(
    sandbox: Sandbox, service: Service, wrong: dict[str, object]
) -> None:
    body = {"person": "ana", "channel": "sms", "amount": "150", **wrong}
    assert (await _post(sandbox, "/payments", body)).status_code == 422
    assert service.orders == []
