"""The second person is another one, however many chats the first has."""

import pytest

from tests.flow.dialog import Chat, new_person
from tests.flow.service import Service
from tests.flow.staff import Seller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("is_known", [True, False])
async def test_one_person_on_two_channels_is_no_second_person(
    tmp_path_factory: pytest.TempPathFactory, is_known: bool
) -> None:
    async with Service(tmp_path_factory.mktemp("second")) as service:
        person = new_person(service, "Olga")
        by_telegram = Seller(service, "telegram", "manager", person)
        by_whatsapp = Seller(service, "whatsapp", "manager", person)
        if is_known:
            async with Chat(service, "telegram", person):
                await by_telegram.skips()
        await by_telegram.joins("manager")
        await by_whatsapp.joins("manager")
        await by_telegram.skips()
        charged = await by_telegram.charges(new_person(service).phone, "30000.00", "Mesa")
        await by_whatsapp.skips()
        await by_whatsapp.says(f"/aprobar {charged}")
        await by_whatsapp.proves()
        await by_whatsapp.sees("No puede aprobar su propio" if is_known else "Aprobado")
        status = (await service.read({"id": charged}))["status"]
        assert (status == "held") is is_known
