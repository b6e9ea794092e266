"""A file of payments sent by staff over WhatsApp: the PIN first, then as on Telegram."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.service import Service
from tests.flow.staff import PIN, Seller, seller
from tests.services import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
_NUMBERS = itertools.count(30020001, 10)
CSV = "text/csv"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("media")) as running:
        yield running


async def sends(member: Seller, content: bytes, name: str = "marzo.csv", kind: str = CSV) -> None:
    handsets = member.service.sandbox.twilio.handsets
    posted = await handsets.send_document(member.address, name, kind, content)
    assert posted is not None
    assert posted.status == 200


def month(first: int) -> bytes:
    rows = [
        "Teléfono;Monto;Moneda;Referencia;Nombre",
        f"+502{first};15.00;GTQ;M-{first}-1;Ana",
        f"+502{first + 1};20.00;GTQ;M-{first}-2;Beto",
        f"123;5.00;GTQ;M-{first}-3;Caro",
    ]
    return "\n".join(rows).encode()


async def test_a_file_over_whatsapp_needs_the_pin_and_goes_out(service: Service) -> None:
    first = next(_NUMBERS)
    received = service.sandbox.twilio.handsets.received_by
    async with seller(service, "whatsapp", "manager", "Eva") as eva:
        await sends(eva, month(first))
        await eva.proves()
        await eva.sees("Revisando marzo.csv")
        await eva.sees("2 filas listas", "1 fila con error", "4 · ", "dígitos", "1. ✅ Enviar 2")
        await eva.chooses("Enviar 2")
        await eva.sees("Enviando marzo.csv")
        await eva.sees("Terminado marzo.csv")
        await eva.sees("Resultado de marzo.csv", "4 · con error")
        made = (await service.http.get("/v1/payments?limit=2")).json()["payments"]
        assert {each["external_id"] for each in made} == {f"M-{first}-1", f"M-{first}-2"}
        await eventually(
            lambda: bool(received(f"+502{first}") or received(f"whatsapp:+502{first}"))
        )


async def test_a_wrong_pin_reads_no_file(service: Service) -> None:
    async with seller(service, "whatsapp", "manager", "Eva") as eva:
        await sends(eva, month(next(_NUMBERS)))
        await eva.sees("PIN")
        await eva.says(PIN[::-1])
        await eva.sees("PIN incorrecto")
        await eva.hears_nothing()


async def test_who_may_not_send_files_is_told_so(service: Service) -> None:
    async with seller(service, "whatsapp", "agent") as marta:
        await sends(marta, month(next(_NUMBERS)))
        await marta.sees("rol no permite")


async def test_a_photo_is_no_file_and_a_broken_one_is_told_of(service: Service) -> None:
    async with seller(service, "whatsapp", "manager", "Eva") as eva:
        await sends(eva, b"\x89PNG", "foto.png", "image/png")
        await eva.sees("esto puede hacer aquí")
        await sends(eva, b"PK\x03\x04 no workbook", "abril.xlsx", "application/octet-stream")
        await eva.proves()
        await eva.sees("Revisando abril.xlsx")
        await eva.sees("abril.xlsx")
