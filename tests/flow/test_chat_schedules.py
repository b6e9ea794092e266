"""Staff have customers asked time and again: one line, one confirmation, a list with buttons."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bot.store.schema import payment
from tests.flow.dialog import new_person
from tests.flow.service import Service
from tests.flow.staff import Seller, seller

Json = dict[str, Any]
DOORS = ("telegram", "whatsapp")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("door", DOORS),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    caps = "agent:GTQ=5000/9000/3000"
    async with Service(tmp_path_factory.mktemp("programar"), STAFF_CAPS=caps) as running:
        yield running


async def schedules_of(service: Service, who: Seller) -> list[Json]:
    found = (await service.http.get("/v1/schedules?limit=200")).json()["schedules"]
    return [each for each in found if each["created_by"].startswith(f"staff:{who.id} ")]


async def programs(who: Seller, words: str) -> None:
    """Add a schedule with one line and a confirmation."""
    await who.says(f"/programar {words}")
    await who.sees("Revise antes de programar")
    await who.chooses("Programar")
    await who.proves()
    await who.rests()
    await who.skips()


async def test_a_schedule_is_one_line_and_one_confirmation(service: Service, door: str) -> None:
    customer = new_person(service, "Beto")
    async with seller(service, door) as marta:
        await marta.says(f"/programar {customer.phone} 150.00 cada mes el 31 Mensualidad de Beto")
        card = await marta.sees("Q150.00", customer.phone, "cada mes el 31, a las 09:00")
        assert "Concepto: Mensualidad de Beto" in card
        assert "Próximas fechas" in card
        assert await schedules_of(service, marta) == []
        await marta.chooses("Programar")
        await marta.proves()
        await marta.has("🔁 Programado", "Q150.00")
        [made] = await schedules_of(service, marta)
        assert (made["rule_text"], made["amount_minor"]) == ("monthly 31 09:00", 15000)
        assert (made["concept"], made["route"]) == ("Mensualidad de Beto", ["whatsapp", "sms"])
        assert made["notify"].startswith(f"{door}:")


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("cada 3 meses el 15 a las 10:00 Cuota", "every 3 months on 15 at 10:00"),
        ("cada lunes y jueves Clase por sms", "weekly mon,thu 09:00"),
        ("todo mês dia 5", "monthly 5 09:00"),
        ("cron 30 8 1 * * Renta", "cron 30 8 1 * *"),
    ],
)
async def test_it_is_said_in_many_ways(service: Service, door: str, words: str, rule: str) -> None:
    async with seller(service, door) as marta:
        await programs(marta, f"{new_person(service).phone} 20.00 {words}")
        [made] = await schedules_of(service, marta)
        assert made["rule_text"] == rule
        if "por sms" in words:
            assert (made["route"], made["concept"]) == (["sms"], "Clase")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("12 150.00 cada mes el 31", "no es válido"),
        ("{} mucho cada mes el 31", "No entiendo el monto"),
        ("{} 150.00", "cada cuánto"),
        ("{} 150.00 cada mes", "cada cuánto"),
        ("{} 150.00 Mensualidad", "cada cuánto"),
        ("{} 150.00 cada mes el 45 Gimnasio", "cada cuánto"),
        ("{} 150.00 cron * * * * * Gimnasio", "No se puede"),
        ("{} 5000.01 cada mes el 1", "Su límite por cobro"),
        ("{} 4000.00 cada mes el 1", "no se puede programar aquí"),
    ],
)
async def test_what_cannot_be_taken_is_told_and_changes_nothing(
    service: Service, door: str, words: str, told: str
) -> None:
    async with seller(service, door) as marta:
        await marta.says(f"/programar {words.format(new_person(service).phone)}")
        await marta.has(told)
        await marta.rests()
        assert await schedules_of(service, marta) == []


async def test_what_is_dropped_or_old_makes_nothing(service: Service, door: str) -> None:
    async with seller(service, door) as marta:
        await marta.says(f"/programar {new_person(service).phone} 150.00 cada lunes Clase")
        await marta.sees("Revise")
        await marta.chooses("No enviar")
        await marta.rests()
        await marta.has("no se envía nada")
        assert await schedules_of(service, marta) == []


async def test_a_manager_pauses_skips_and_ends_from_the_list(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Rosa") as rosa:
        await rosa.says("/programar")
        await rosa.has("programad")
        await rosa.skips()
        await programs(rosa, f"{new_person(service).phone} 33.00 cada lunes Clase")
        [made] = await schedules_of(service, rosa)

        async def now(verb: str, status: str) -> Json:
            await rosa.chooses(verb)
            await rosa.rests()
            await rosa.skips()
            found: Json = (await service.http.get(f"/v1/schedules/{made['id']}")).json()
            assert found["status"] == status
            return found

        await rosa.says("/programar")
        await rosa.sees("Cobros programados", "Q33.00", "Clase")
        await now("Ver 1", "active")
        await now("Pausar", "paused")
        await now("Reanudar", "active")
        found = await now("Saltar", "active")
        assert [run["state"] for run in found["runs"]] == ["skipped"]
        await now("⏹ Terminar", "active")
        await rosa.has("para siempre", "Q33.00")
        await now("Sí, terminar", "ended")
        await rosa.has("⏹ Terminado")


async def test_an_agent_sees_only_their_own_and_moves_none(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Rosa") as rosa:
        await programs(rosa, f"{new_person(service).phone} 44.00 cada lunes Ajeno")
        async with seller(service, door) as marta:
            await marta.says("/programar")
            await marta.sees("Todavía no hay")
            await programs(marta, f"{new_person(service).phone} 55.00 cada lunes Propio")
            await marta.says("/programar")
            await marta.sees("Propio", but_not=("Ajeno",))
            await marta.chooses("Ver 1")
            await marta.rests()
            shown = marta.shown()[-1]
            assert "Q55.00" in shown
            assert "Pausar" not in shown
        await rosa.skips()
        await rosa.says("/programar")
        await rosa.sees("Propio", "Ajeno")


async def test_the_role_is_looked_at_again_at_the_button(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Rosa") as rosa:
        await programs(rosa, f"{new_person(service).phone} 66.00 cada lunes Clase")
        [made] = await schedules_of(service, rosa)
        await rosa.says("/programar")
        await rosa.sees("Q66.00")
        await rosa.chooses("Ver 1")
        await rosa.rests()
        await service.http.post(f"/v1/staff/{rosa.id}/role", json={"role": "agent"})
        await rosa.chooses("Pausar")
        await rosa.has("Su rol no permite eso")
        found = (await service.http.get(f"/v1/schedules/{made['id']}")).json()
        assert found["status"] == "active"


async def test_what_their_schedule_made_is_their_own(service: Service, door: str) -> None:
    async with seller(service, door) as marta, seller(service, door, name="Luis") as luis:
        await programs(marta, f"{new_person(service).phone} 77.00 cada lunes Clase")
        [made] = await schedules_of(service, marta)
        paid = await service.create("web", customer={"phone": new_person(service).phone})
        await service.app.store.transact(
            lambda tx: tx.run(
                payment.update()
                .where(payment.c.id == paid["id"])
                .values(created_by=f"schedule:{made['id']}")
            )
        )
        await marta.says(f"/estado {paid['id']}")
        await marta.has(paid["id"], "Q150.00")
        await luis.skips()
        await luis.says(f"/estado {paid['id']}")
        await luis.sees("No encuentro ese cobro")
