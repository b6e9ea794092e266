"""Every role at every action that no command alone reaches, over each door where staff write.

The buttons are shown to an admin, who then has another role when they are pressed.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.domain.commands import NEEDS
from bot.domain.staff import Action, Role, may
from tests.flow.dialog import new_person
from tests.flow.service import Service
from tests.flow.staff import Seller, seller

DOORS = ("telegram", "whatsapp")
FORBIDDEN = "Su rol no permite"
WALKED = {Action.SEE_ALL, Action.BULK, Action.MANAGE_SCHEDULES}
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("door", DOORS),
    pytest.mark.parametrize("role", list(Role)),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("actions")) as running:
        yield running


async def becomes(service: Service, member: Seller, role: Role) -> None:
    body = {"role": role.value, "by": "boss"}
    assert (await service.http.post(f"/v1/staff/{member.id}/role", json=body)).status_code == 200
    await member.skips()


async def sends_file(service: Service, member: Seller) -> str:
    """Send a file with one row; give the number that it asks for money."""
    phone = new_person(service).phone
    content = f"telefono,monto,moneda\n{phone},10.00,GTQ\n".encode()
    if member.channel == "telegram":
        telegram = service.sandbox.telegram
        telegram.send_document(member.person.telegram_id, "f.csv", "text/csv", content)
    else:
        handsets = service.sandbox.twilio.handsets
        await handsets.send_document(member.address, "f.csv", "text/csv", content)
    return phone


async def is_asked(service: Service, phone: str) -> bool:
    found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
    return phone in [each["customer"]["phone"] for each in found]


async def test_every_action_is_reached(door: str, role: Role) -> None:
    assert set(NEEDS.values()) | WALKED == set(Action)


async def test_payments_of_others(service: Service, door: str, role: Role) -> None:
    made = await service.create("web", customer={"phone": new_person(service).phone})
    await service.until_status(made, "linked")
    async with seller(service, door, role.value) as member:
        await member.says(f"/estado {made['id']}")
        await member.sees("Q150.00" if may(role, Action.SEE_ALL) else "No encuentro ese cobro")


async def test_a_file(service: Service, door: str, role: Role) -> None:
    async with seller(service, door, role.value) as member:
        await sends_file(service, member)
        if not may(role, Action.BULK):
            await member.sees(FORBIDDEN)
            assert await service.select(
                "select count(*) from batch where created_by like :who",
                who=f"staff:{member.id} %",
            ) == [(0,)]
            return
        await member.proves()
        await member.sees("Revisando")
        await member.sees("1 fila lista")


async def test_the_button_that_sends_a_file(service: Service, door: str, role: Role) -> None:
    async with seller(service, door, "admin") as member:
        phone = await sends_file(service, member)
        await member.proves()
        await member.has("1 fila lista")
        await becomes(service, member, role)
        await member.chooses("Enviar 1")
        if may(role, Action.BULK):
            await member.has("Resultado de")
        else:
            await member.sees(FORBIDDEN)
        assert await is_asked(service, phone) is may(role, Action.BULK)


async def test_the_buttons_of_a_schedule(service: Service, door: str, role: Role) -> None:
    async with seller(service, door, "admin") as member:
        await member.says(f"/programar {new_person(service).phone} 150.00 cada mes el 5")
        await member.sees("Revise antes de programar")
        await member.chooses("Programar")
        await member.proves()
        await member.has("🔁 Programado")
        await becomes(service, member, role)
        await member.chooses("Pausar")
        is_allowed = may(role, Action.MANAGE_SCHEDULES)
        await (member.has("⏸ En pausa") if is_allowed else member.sees(FORBIDDEN))
        found = (await service.http.get("/v1/schedules?limit=200")).json()["schedules"]
        mine = [
            each["status"] for each in found if each["created_by"].startswith(f"staff:{member.id} ")
        ]
        assert mine == ["paused" if is_allowed else "active"]


async def test_the_button_that_books_by_hand(service: Service, door: str, role: Role) -> None:
    made = await service.create("web", customer={"phone": new_person(service).phone})
    await service.until_status(made, "linked")
    async with seller(service, door, "admin") as member:
        await member.says(f"/confirmar {made['id']}")
        await member.sees("otro medio")
        await becomes(service, member, role)
        await member.chooses("Sí")
        if may(role, Action.SETTLE):
            await member.proves()
            await member.has("anotado como pagado")
        else:
            await member.sees(FORBIDDEN)
        settled = "paid" if may(role, Action.SETTLE) else "linked"
        assert (await service.read(made))["status"] == settled
