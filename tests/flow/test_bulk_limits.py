"""A file goes no further than whoever sends it may go alone: limits, the day, a second person."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.people import Person
from tests.flow.dialog import new_person
from tests.flow.service import Json, Service
from tests.flow.staff import Seller, seller
from tests.services import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    caps = "manager:GTQ=50000/100000/25000"
    async with Service(tmp_path_factory.mktemp("limits"), STAFF_CAPS=caps) as running:
        yield running


def sends(service: Service, who: Seller, *rows: tuple[Person, str]) -> None:
    lines = "".join(f"{person.phone},{amount},GTQ\n" for person, amount in rows)
    content = f"telefono,monto,moneda\n{lines}".encode()
    telegram = service.sandbox.telegram
    telegram.send_document(who.person.telegram_id, "marzo.csv", "text/csv", content)


async def asked_of(service: Service, person: Person) -> list[Json]:
    found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
    return [each for each in found if each["customer"]["phone"] == person.phone]


async def is_sent(service: Service, batch: Json) -> None:
    """Confirm a checked file, and wait until all its rows are looked at."""
    await service.http.post(f"/v1/bulk/{batch['id']}/confirm")

    async def is_done() -> bool:
        seen = (await service.http.get(f"/v1/bulk/{batch['id']}")).json()
        return bool(seen["status"] == "done")

    await eventually(is_done)


async def file_of(service: Service, who: Seller) -> str:
    rows = await service.select("select id, created_by from batch order by created_at")
    return str([name for name, by in rows if by.startswith(f"staff:{who.id} ")][-1])


async def test_a_row_above_the_limit_is_wrong(service: Service) -> None:
    one, other = new_person(service), new_person(service)
    async with seller(service, "telegram", "manager", "Olga") as olga:
        sends(service, olga, (one, "900000.00"), (other, "10.00"))
        await olga.sees("Revisando")
        await olga.sees("1 fila lista", "1 fila con error", "Q10.00", but_not=("visto bueno",))
        await olga.chooses("Enviar 1")
        await olga.has("Terminado")
        assert await asked_of(service, one) == []
        assert len(await asked_of(service, other)) == 1


@pytest.mark.parametrize("door", ["telegram", "whatsapp"])
async def test_a_large_row_waits_for_somebody_else(service: Service, door: str) -> None:
    customer = new_person(service)
    async with (
        seller(service, "telegram", "manager", "Olga") as olga,
        seller(service, door, "manager", "Eva") as eva,
    ):
        sends(service, olga, (customer, "30000.00"))
        await olga.sees("Revisando")
        await olga.sees("1 fila lista", "1 fila pasa")
        await olga.chooses("Enviar 1")
        await olga.sees("espera el visto bueno")
        await eva.sees("Olga", "marzo.csv", "Q30,000.00", "/aprobar bulk_")
        name = await file_of(service, olga)
        await olga.says(f"/aprobar {name}")
        await olga.sees("No puede aprobar su propio")
        assert await asked_of(service, customer) == []
        if door == "telegram":
            await eva.chooses("Aprobar")
        else:
            await eva.says(f"/aprobar {name}")
            await eva.proves()
        await eva.has("Aprobado", "marzo.csv")
        await olga.has("Terminado marzo.csv")
        [payment] = await asked_of(service, customer)
        assert payment["created_by"] == f"staff:{olga.id} Olga"
        await eva.skips()
        await eva.says(f"/aprobar {name}")
        if door == "whatsapp":
            await eva.proves()
        await eva.sees("no espera")


async def test_a_file_that_somebody_else_refuses_is_dropped(service: Service) -> None:
    customer = new_person(service)
    async with (
        seller(service, "telegram", "manager", "Olga") as olga,
        seller(service, "telegram", "admin", "Eva") as eva,
    ):
        sends(service, olga, (customer, "30000.00"))
        await olga.sees("Revisando")
        await olga.sees()
        await olga.chooses("Enviar 1")
        await olga.sees("espera")
        await eva.sees("Olga")
        await eva.chooses("Rechazar")
        await olga.sees("Eva", "marzo.csv", "no se env")
        assert await asked_of(service, customer) == []


async def test_a_whole_file_is_held_against_the_day_when_it_comes_and_when_it_goes(
    service: Service,
) -> None:
    people = [new_person(service) for _ in range(6)]
    async with seller(service, "telegram", "manager", "Olga") as olga:
        sends(service, olga, *((each, "20000.00") for each in people))
        await olga.sees("Revisando")
        await olga.sees("lo que le queda por cobrar hoy", "Q100,000.00")
        sends(service, olga, *((each, "20000.00") for each in people[:3]))
        await olga.sees("Revisando")
        await olga.sees("3 filas listas")
        first = service.sandbox.telegram.chats.chat(olga.person.telegram_id).messages[-1]
        sends(service, olga, *((each, "21000.00") for each in people[3:]))
        await olga.sees("Revisando")
        await olga.sees("3 filas listas")
        await olga.chooses("Enviar 3")
        await olga.has("Terminado")
        await olga.skips()
        rows = (first.markup or {})["inline_keyboard"]
        assert isinstance(rows, list)
        data = rows[0][0]["callback_data"]
        service.sandbox.telegram.tap(olga.person.telegram_id, first.message_id, data)
        await olga.sees("lo que le queda por cobrar hoy", "Q37,000.00")
        assert await asked_of(service, people[0]) == []


async def test_the_same_again_is_shown_over_the_api_too(service: Service) -> None:
    one = new_person(service)
    content = f"telefono,monto,moneda\n{one.phone},10,GTQ\n{one.phone},10.00,GTQ\n".encode()

    async def checked() -> Json:
        headers = {"content-type": "text/csv"}
        answer = await service.http.post("/v1/bulk", content=content, headers=headers)
        found: Json = answer.json()
        return found

    before = await checked()
    assert (before["rows"]["right"], before["rows"]["wrong"]) == (1, 1)
    assert "fila 2" in str(before["errors"]["rows"])
    twin = await checked()
    await is_sent(service, before)
    after = await checked()
    assert (after["rows"]["right"], after["rows"]["wrong"]) == (0, 2)
    assert "menos de 10 minutos" in str(after["errors"]["rows"])
    await is_sent(service, twin)
    assert len(await asked_of(service, one)) == 1
