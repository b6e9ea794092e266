"""Every cell of role x action over each door: what is not allowed is told so, and does nothing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.domain.commands import NEEDS, Command
from bot.domain.staff import Action, Role, may
from bot.store.schema import payment
from tests.flow.dialog import Chat, new_person
from tests.flow.service import TOKEN, Service
from tests.flow.staff import PIN, Seller, seller
from tests.services import eventually

DOORS = ("telegram", "whatsapp")
FORBIDDEN = "Su rol no permite eso"
_ANSWERS = {
    Command.CHARGE: "Revise",
    Command.SCHEDULE: "programad",
    Command.MINE: "cobros",
    Command.STATE: "Q150.00",
    Command.RESEND: "sale otra vez",
    Command.CANCEL: "cancelado",
    Command.QR: "Q150.00",
    Command.RECEIPT: "no hay recibo",
    Command.WHY: "Historia de",
    Command.SETTLE: "otro medio",
    Command.REPLACE: "podría pagar los dos",
    Command.ACCEPT: "no tiene dinero por aceptar",
    Command.APPROVE: "visto bueno",
    Command.RESOLVE: "no está en disputa",
    Command.INVITE: "invitación a Telegram",
    Command.TAKE: "Ningún cliente",
    Command.RELEASE: "ninguna conversación",
    Command.ALERTS: "una persona",
    Command.LANGUAGE: "español",
    Command.HELP: "REF es su referencia",
}
"""What an allowed command answers; a test asserts that none is missing."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("roles")) as running:
        yield running


async def _own_payment(service: Service, member: Seller) -> str:
    """A payment that the member asked for, linked and unpaid, of which no customer is told."""
    made = await service.create("web", customer={"phone": new_person(service).phone})
    await service.until_status(made, "linked")
    await service.app.store.transact(
        lambda tx: tx.run(
            payment.update()
            .where(payment.c.id == made["id"])
            .values(created_by=f"staff:{member.id} {member.person.name}")
        )
    )
    return str(made["id"])


def _words(service: Service, command: Command, charged: str) -> str:
    """What stands behind a command for it to make sense."""
    if command is Command.CHARGE:
        return f" {new_person(service).phone} 150.00 Libros"
    if NEEDS[command] in (Action.TALK, Action.SCHEDULE):
        return ""
    return f" {charged} sms" if command is Command.RESEND else f" {charged}"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("role", list(Role))
async def test_every_command_over_this_door(service: Service, door: str, role: Role) -> None:
    assert set(_ANSWERS) == set(Command)
    async with seller(service, door, role.value) as member:
        kept, dropped = [await _own_payment(service, member) for _ in range(2)]
        for command in Command:
            charged = dropped if command is Command.CANCEL else kept
            await member.says(f"/{command.value}{_words(service, command, charged)}")
            if not may(role, NEEDS[command]):
                await member.sees(FORBIDDEN)
                before = (await service.http.get(f"/v1/payments/{charged}")).json()
                assert before["status"] == "linked"
                continue
            if command is Command.APPROVE:
                await member.proves()
            await member.has(_ANSWERS[command])
            await member.skips()


@pytest.mark.parametrize("door", DOORS)
async def test_a_role_is_looked_at_again_when_a_button_is_pressed(
    service: Service, door: str
) -> None:
    async with seller(service, door) as marta:
        customer = new_person(service)
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros")
        await marta.sees("Revise")
        body = {"role": "viewer", "by": "boss"}
        assert (await service.http.post(f"/v1/staff/{marta.id}/role", json=body)).status_code == 200
        await marta.chooses("Confirmar")
        await marta.sees(FORBIDDEN)
        found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
        assert customer.phone not in [each["customer"]["phone"] for each in found]


async def test_only_a_token_opens_the_staff_routes(service: Service) -> None:
    for method, path in (
        ("GET", "/v1/staff"),
        ("GET", "/v1/staff/audit"),
        ("POST", "/v1/staff/invites"),
        ("POST", "/v1/staff/1/role"),
        ("POST", "/v1/staff/1/remove"),
    ):
        for header in ("", "Bearer wrong", f"Basic {TOKEN}"):
            assert await _refusal(service, method, path, header) == 401


async def _refusal(service: Service, method: str, path: str, header: str) -> int:
    """The status of a refusal, asked again where it is only 429 for too many within a second."""
    status = 429

    async def is_answered() -> bool:
        nonlocal status
        answer = await service.http.request(
            method, path, headers={"authorization": header}, json={"role": "admin"}
        )
        status = answer.status_code
        return status != 429

    await eventually(is_answered)
    return status


async def test_sms_is_no_door_for_staff(service: Service) -> None:
    async with seller(service, "whatsapp", "admin") as member:
        by_sms = Chat(service, "sms", member.person)
        customer = new_person(service)
        await by_sms.says(f"/cobrar {customer.phone} 150.00 Libros")
        await by_sms.rests()
        found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
        assert customer.phone not in [each["customer"]["phone"] for each in found]
        assert not [said for said in by_sms.shown() if "Revise" in said]


async def test_five_wrong_pins_lock_and_the_right_one_waits(service: Service) -> None:
    async with seller(service, "whatsapp") as marta:
        customer = new_person(service)
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros")
        await marta.sees("Revise")
        await marta.chooses("Confirmar")
        await marta.sees("PIN")
        for left in (4, 3, 2, 1):
            await marta.says("9182")
            await marta.sees(f"quedan {left}")
        await marta.says("9182")
        await marta.sees("Demasiados intentos")
        await marta.says(PIN)
        await marta.sees("Demasiados intentos")
        found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
        assert customer.phone not in [each["customer"]["phone"] for each in found]


async def test_a_pin_is_never_kept_or_said_again(service: Service) -> None:
    async with seller(service, "whatsapp") as marta:
        charged = await marta.charges(new_person(service).phone)
        await service.until_message({"id": charged}, "link", "delivered", "read")
        await marta.skips()
        await marta.says(PIN)
        await marta.sees("No estoy esperando un PIN")
        for table, column in (
            ("outbox", "payload"),
            ("conversation", "slots"),
            ("audit", "after"),
            ("button", "data"),
            ("staff", "pin_hash"),
            ("inbox", "body"),
        ):
            rows = await service.select(
                f"select count(*) from {table}"  # noqa: S608
                f" where cast({column} as text) like :pin or cast({column} as text) like :form",
                pin=f'%"{PIN}"%',
                form=f"%Body={PIN}%",
            )
            assert rows == [(0,)]


async def test_the_menu_is_that_of_the_role(service: Service) -> None:
    def menu(chat_id: int) -> set[str]:
        shown = service.sandbox.telegram.methods.settings.menu_of(chat_id)
        return {str(each["command"]) for each in shown}

    async with seller(service, "telegram", "viewer") as member:
        chat_id = member.person.telegram_id
        looking = {"mis", "estado", "porque", "idioma", "ayuda"}
        await eventually(lambda: menu(chat_id) == looking, 10)
        stranger = new_person(service).telegram_id
        assert "pagar" in menu(stranger)
        assert "cobrar" not in menu(stranger)
        await service.http.post(f"/v1/staff/{member.id}/role", json={"role": "agent"})
        await eventually(lambda: "cobrar" in menu(chat_id), 10)
        await service.http.post(f"/v1/staff/{member.id}/remove")
        await eventually(lambda: menu(chat_id) == menu(stranger), 10)
