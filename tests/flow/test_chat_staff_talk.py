"""Staff take a customer's conversation, answer in it, and give it back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from bot.store.engine import Tx
from bot.store.schema import address
from tests.flow.dialog import Chat
from tests.flow.people import talking_service
from tests.flow.service import Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("talk")) as running:
        await Chat(running, "telegram", running.sandbox.people.get("desk")).opens()
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


async def conversation_of(service: Service, chat: Chat) -> int:
    at = str(chat.person.telegram_id) if chat.channel == "telegram" else chat.person.phone
    statement = "select id from conversation where address = :at and channel = :channel"
    return int((await service.select(statement, at=at, channel=chat.channel))[0][0])


async def test_a_manager_frees_what_somebody_absent_holds(talking: Service) -> None:
    async with (
        Chat(talking, "sms") as ana,
        seller(talking, "telegram") as marta,
        seller(talking, "telegram", "manager", "Eva") as eva,
    ):
        await ana.says("persona")
        await ana.rests()
        number = await conversation_of(talking, ana)
        await eva.says(f"/tomar {number}")
        await eva.sees("es suya")
        await marta.says(f"/soltar {number}")
        await marta.sees("No tiene ninguna")
        await eva.says(f"/soltar {number}")
        await eva.sees("De vuelta con el bot")
        await marta.says(f"/soltar {number}")
        await marta.sees("No tiene ninguna")
        await ana.says("persona")
        await ana.rests()
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        await eva.says(f"/soltar {number}")
        await eva.sees("De vuelta con el bot")


async def test_words_under_a_picture_do_not_go_without_it(talking: Service) -> None:
    async with Chat(talking, "sms") as ana, seller(talking, "whatsapp") as marta:
        await ana.says("persona")
        await ana.rests()
        await ana.skips()
        await marta.says(f"/tomar {await conversation_of(talking, ana)}")
        await marta.sees("es suya")
        picture = {"NumMedia": "1", "MediaContentType0": "image/jpeg", "MediaUrl0": "ME1"}
        await marta.says("Firme aquí", **picture)
        await marta.sees("no se envió nada")
        await ana.hears_nothing()
        await marta.says("/soltar")
        await marta.sees("De vuelta")


async def test_words_that_reach_no_customer_come_back_to_who_wrote_them(talking: Service) -> None:
    async with Chat(talking, "telegram") as ana, seller(talking, "telegram") as marta:
        await ana.says("persona")
        await ana.rests()
        number = await conversation_of(talking, ana)
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        talking.sandbox.telegram.block(ana.person.telegram_id)
        await ana.rests()
        await marta.says("Ya está resuelto")
        await marta.sees(f"{number}", "no le llegó", "Ya está resuelto")
        alerts = await talking.select("select detail from alert where kind = 'undeliverable'")
        assert any(f"conversation {number}: what staff wrote" in each for (each,) in alerts)


async def test_words_that_do_not_reach_who_holds_the_talk_go_to_the_desk(
    talking: Service,
) -> None:
    desk = Chat(talking, "telegram", talking.sandbox.people.get("desk"))
    async with Chat(talking, "whatsapp") as ana, seller(talking, "whatsapp") as marta:
        await ana.says("persona")
        await ana.rests()
        number = await conversation_of(talking, ana)
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        await talking.app.store.transact(lambda tx: _close_window(tx, marta.person.phone))
        await desk.skips()
        await ana.says("¿Hay alguien ahí?")
        await desk.rests()
        assert any("¿Hay alguien ahí?" in said for said in desk.shown())
        alerts = await talking.select("select detail from alert where kind = 'undeliverable'")
        assert any(f"conversation {number}: what the customer" in each for (each,) in alerts)


def _close_window(tx: Tx, phone: str) -> None:
    """Let it be more than a day since this member wrote."""
    then = tx.now - timedelta(hours=25)
    tx.run(address.update().where(address.c.value == phone).values(last_inbound_at=then))


async def test_without_a_desk_everybody_who_may_talk_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with (
        Service(tmp_path_factory.mktemp("deskless")) as service,
        seller(service, "telegram") as marta,
        seller(service, "whatsapp", "manager", "Eva") as eva,
        seller(service, "telegram", "viewer", "Luis") as luis,
        Chat(service, "sms") as ana,
    ):
        await ana.says("persona")
        await ana.sees("una persona")
        await marta.sees("espera a una persona")
        await eva.sees("espera a una persona")
        await luis.hears_nothing()
        number = await conversation_of(service, ana)
        await marta.says(f"/tomar {number}")
        await marta.sees("es suya")
        await ana.says("sigo aquí, no me cuadra")
        await marta.sees("no me cuadra")
        await eva.hears_nothing()
