"""Staff take a customer's conversation, answer in it, and give it back."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.dialog import Chat
from tests.flow.people import talking_service
from tests.flow.service import Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("talk")) as running:
        yield running


@pytest.mark.parametrize("door", ["telegram", "whatsapp"])
async def test_a_person_answers_and_gives_the_customer_back(talking: Service, door: str) -> None:
    async with Chat(talking, "whatsapp") as ana, seller(talking, door) as marta:
        await ana.says("persona")
        await ana.rests()
        await ana.skips()
        (number,) = (
            await talking.select(
                "select id from conversation where mode = 'human' and address = :at",
                at=ana.person.phone,
            )
        )[0]
        await marta.says("/tomar")
        await marta.sees(str(number))
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        await marta.says("Buenas tardes, ¿en qué le ayudo? 4111 1111 1111 1111")
        await ana.sees("¿en qué le ayudo?", but_not=("4111 1111",))
        await ana.says("No me llegó el enlace")
        await marta.sees("No me llegó el enlace")
        await marta.says(f"/soltar {number}")
        await marta.sees("De vuelta con el bot")
        await marta.says("¿Sigue ahí?")
        await marta.sees("REF es su referencia")
        await ana.skips()


async def test_one_conversation_belongs_to_one_person(talking: Service) -> None:
    async with (
        Chat(talking, "sms") as ana,
        seller(talking, "telegram") as marta,
        seller(talking, "telegram", name="Nora") as nora,
    ):
        await ana.says("persona")
        await ana.rests()
        (number,) = (
            await talking.select(
                "select id from conversation where mode = 'human' and address = :at",
                at=ana.person.phone,
            )
        )[0]
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        await nora.says(f"/tomar {number}")
        await nora.sees("No hay una conversación")
        await nora.says("/soltar")
        await nora.sees("No tiene ninguna")
