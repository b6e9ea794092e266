"""A file of payments sent to the bot by staff: the check, the question, the card, the result."""

import csv
import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from bot.domain.staff import Role
from bot.sandbox.telegram.chats import ChatMessage
from bot.store import staff as staff_store
from bot.store.engine import Tx
from channels.base import Address, ChannelName
from tests.flow.dialog import StaffChat
from tests.flow.service import Service
from tests.services import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONTH = """Teléfono;Monto;Moneda;Referencia;Nombre
+502{a};15.00;GTQ;{ref}-1;Ana
+502{b};20.00;GTQ;{ref}-2;Beto
123;5.00;GTQ;{ref}-3;=cmd()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder: Path = tmp_path_factory.mktemp("bulk")
    rates = "whatsapp=20,sms=1000,email=1000,telegram=1000"
    async with Service(folder, SEND_RATES=rates) as running:
        yield running


@asynccontextmanager
async def member(service: Service, role: Role) -> AsyncIterator[StaffChat]:
    """Somebody who just joined the staff by an invitation."""
    token = secrets.token_urlsafe(12)
    await service.app.store.transact(
        lambda tx: staff_store.invite_staff(tx, token, role=role, name=None, by="test")
    )
    async with StaffChat(service, "telegram") as chat:
        await chat.opens(token)
        yield chat


def month(first: int, ref: str) -> bytes:
    return MONTH.format(a=first, b=first + 1, ref=ref).encode()


def sends(service: Service, staff: StaffChat, content: bytes, name: str = "marzo.csv") -> None:
    telegram = service.sandbox.telegram
    telegram.send_document(staff.person.telegram_id, name, "text/csv", content)


def messages(service: Service, staff: StaffChat) -> list[ChatMessage]:
    chat = service.sandbox.telegram.chats.chat(staff.person.telegram_id)
    return [message for message in chat.messages if message.is_from_bot]


def document(service: Service, message: ChatMessage) -> list[dict[str, str]]:
    file = service.sandbox.telegram.chats.files[message.document]
    text = file.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_file_is_checked_confirmed_shown_as_it_goes_and_comes_back(
    service: Service,
) -> None:
    async with member(service, Role.MANAGER) as eva:
        sends(service, eva, month(30010001, "chat"))
        await eva.sees("Revisando marzo.csv")
        await eva.sees("2 filas listas", "Q35.00", "1 fila con error", "GT 2", "Enviar 2")
        summary = messages(service, eva)[-1]
        [wrong] = document(service, summary)
        assert wrong["fila"] == "4"
        assert "dígitos" in wrong["motivo"]
        assert wrong["Nombre"] == "'=cmd()"
        received = service.sandbox.twilio.handsets.received_by
        assert not received("whatsapp:+50230010001")
        await eva.chooses("Enviar 2")
        await eva.sees("marzo.csv", "de 2 preparados")
        card = messages(service, eva)[-1].message_id
        await eva.sees("Resultado de marzo.csv")
        lines = document(service, messages(service, eva)[-1])
        assert [line["estado"] == "con error" for line in lines] == [False, False, True]
        chat = service.sandbox.telegram.chats.chat(eva.person.telegram_id)

        def is_edited() -> bool:
            shown = chat.find(card)
            return shown is not None and shown.text.startswith("✅ Terminado")

        await eventually(is_edited)
        assert [len(received(f"whatsapp:+5023001000{n}")) for n in (1, 2)] == [1, 1]
        await eva.rests()
    files = await service.select("select count(*) from outbox where payload like '%\"lines\"%'")
    assert files == [(0,)]
    [(who,)] = await service.select("select created_by from batch where filename = 'marzo.csv'")
    assert who.startswith("staff:")
    assert await service.select("select count(*) from audit where what like 'bulk file%'") == [(1,)]


async def test_a_file_that_is_not_confirmed_sends_nothing(service: Service) -> None:
    async with member(service, Role.MANAGER) as eva:
        sends(service, eva, month(30010101, "drop"), "abril.csv")
        await eva.sees("Revisando")
        await eva.sees("2 filas listas")
        await eva.chooses("Cancelar")
        await eva.sees("de abril.csv no se envía nada")
        await eva.chooses("Enviar 2")
        await eva.sees()
        await eva.rests()
    assert not service.sandbox.twilio.handsets.received_by("whatsapp:+50230010101")


async def test_a_second_press_sends_nobody_a_second_link(service: Service) -> None:
    async with member(service, Role.MANAGER) as eva:
        sends(service, eva, month(30010201, "twice"), "mayo.csv")
        await eva.sees("Revisando")
        await eva.sees("2 filas listas")
        await eva.chooses("Enviar 2")
        await eva.chooses("Enviar 2")
        received = service.sandbox.twilio.handsets.received_by
        await eventually(lambda: bool(received("whatsapp:+50230010202")), 15)
        await eva.rests()
        assert [len(received(f"whatsapp:+5023001020{n}")) for n in (1, 2)] == [1, 1]


async def test_sending_is_paused_and_stopped_from_the_card(service: Service) -> None:
    rows = "\n".join(f"+502{30011000 + n};5.00;GTQ;stop-{n}" for n in range(300))
    async with member(service, Role.MANAGER) as eva:
        sends(service, eva, f"telefono;monto;moneda;referencia\n{rows}".encode(), "largo.csv")
        await eva.sees("Revisando")
        await eva.sees("300 filas listas")
        await eva.chooses("Enviar 300")
        await eva.sees("Enviando largo.csv")
        await eva.chooses("Pausar")
        chat = service.sandbox.telegram.chats.chat(eva.person.telegram_id)

        def shows(words: str) -> bool:
            return any(words in each.text for each in chat.messages if each.is_from_bot)

        await eventually(lambda: shows("En pausa largo.csv"))
        [(made,)] = await service.select(
            "select count(*) from batch_row where payment_id is not null and batch_id ="
            " (select id from batch where filename = 'largo.csv')"
        )
        assert made < 300
        await eva.chooses("Detener")
        await eventually(lambda: shows("Detenido largo.csv"))
        await eventually(lambda: shows("Resultado de largo.csv"), 15)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no tiene filas"),
        (b"\x89PNG\r\n\x1a\n\0", "no es un archivo CSV ni XLSX"),
        (b"hola;mundo\n1;2\n", "faltan columnas (phone, amount)"),
        (b"telefono;monto\n1;1\n", "ninguna de las 1 filas"),
    ],
)
async def test_what_cannot_be_sent_is_said_in_words(
    service: Service, content: bytes, words: str
) -> None:
    async with member(service, Role.ADMIN) as eva:
        sends(service, eva, content, "foto.csv")
        await eva.sees("Revisando foto.csv")
        await eva.sees(words)


async def test_a_file_that_is_too_large_is_not_even_fetched(service: Service) -> None:
    async with member(service, Role.MANAGER) as eva:
        sends(service, eva, b"x" * (5 * 1024 * 1024 + 1))
        await eva.sees("pesa más de 5 MB")


async def test_an_agent_may_not_send_files(service: Service) -> None:
    async with member(service, Role.AGENT) as leo:
        sends(service, leo, month(30010301, "agent"))
        await leo.sees(but_not=("Revisando",))
        await leo.hears_nothing()


async def test_who_is_removed_while_a_file_is_fetched_gets_no_answer(service: Service) -> None:
    async with member(service, Role.MANAGER) as eva:
        service.sandbox.faults.order("telegram", "getFile", "delay", seconds=1.0)
        sends(service, eva, month(30010401, "gone"), "junio.csv")
        await eva.sees("Revisando")
        at = Address(ChannelName.TELEGRAM, str(eva.person.telegram_id))

        def remove(tx: Tx) -> None:
            found = staff_store.find_active(tx, at, at.value)
            assert found is not None
            staff_store.remove(tx, found.id, by="test")

        await service.app.store.transact(remove)
        await eva.hears_nothing()
    assert await service.select("select id from batch where filename = 'junio.csv'") == []


async def test_a_fetch_that_fails_is_tried_again(service: Service) -> None:
    async with member(service, Role.MANAGER) as eva:
        service.sandbox.faults.order("telegram", "getFile", "server_error")
        sends(service, eva, month(30010501, "again"), "julio.csv")
        await eva.sees("Revisando")
        await eva.sees("2 filas listas")
        assert len([each for each in messages(service, eva) if each.document]) == 1
