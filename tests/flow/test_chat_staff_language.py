"""Staff read everything in their own language: cards, reasons, refusals and news."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.dialog import new_person
from tests.flow.service import Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("languages")) as running:
        yield running


@pytest.mark.parametrize(
    ("asked", "said", "refusal", "history"),
    [
        (
            "en",
            "I write to you in English",
            "a payment that is cancelled needs no link",
            "asked by",
        ),
        (
            "pt",
            "escrevo para você em português",
            "um pagamento que está cancelado não precisa de link",
            "pedido por",
        ),
        (
            "es-GT",
            "le escribo en español",
            "un cobro que está cancelado no necesita enlace",
            "lo pidió",
        ),
    ],
)
async def test_a_language_is_chosen_and_kept(
    service: Service, asked: str, said: str, refusal: str, history: str
) -> None:
    async with seller(service, "telegram", "manager") as marta:
        customer = new_person(service)
        number = await marta.charges(customer.phone)
        await marta.says(f"/reenviar {number} sms")
        await marta.skips()
        await marta.says(f"/idioma {asked}")
        await marta.has(said)
        await marta.skips()
        await marta.says(f"/cancelar {number}")
        await marta.skips()
        await marta.says(f"/reenviar {number} sms")
        await marta.sees(refusal)
        await marta.says(f"/porque {number}")
        await marta.sees(history)


async def test_a_card_says_why_in_words(service: Service) -> None:
    async with seller(service, "telegram") as marta:
        customer = new_person(service)
        handsets = service.sandbox.twilio.handsets
        handsets.landlines.add(customer.phone)
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros por sms")
        await marta.sees("Por: SMS")
        await marta.chooses("Confirmar")
        await marta.has("No se pudo entregar por SMS", "Twilio no lo aceptó: no es un número móvil")


async def test_news_of_trouble_come_in_the_members_language(service: Service) -> None:
    async with seller(service, "telegram") as marta:
        await marta.says("/idioma")
        await marta.sees("¿En qué idioma le escribo?")
        await marta.chooses("Português")
        await marta.has("em português")
        customer = new_person(service)
        service.sandbox.twilio.handsets.landlines.add(customer.phone)
        await marta.says(f"/cobrar {customer.phone} 150.00 Livros por sms")
        await marta.has("Livros")
        await marta.chooses("Confirmar")
        await marta.has("não foi possível entregar por nenhum canal", "não é um número de celular")
