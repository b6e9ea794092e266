"""Every word a customer may write, in three languages, on every channel."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.dialog import Chat
from tests.flow.people import CHANNELS, count, owes, talking_service
from tests.flow.service import Service

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("channel", CHANNELS),
]

SAID = {
    "es": {
        "PAGAR": "Q150.00",
        "Saldo": "pago pendiente",
        "recibo": "no hay comprobantes",
        "REENVIAR": "Q150.00",
        "Ayuda": "PAGAR",
        "ya pagué": "confirman",
        "catalogo": "puede comprar",
        "Cancelar": "¿Qué desea hacer?",
        "baja": "Listo",
        "ALTA": "Volverá a recibir",
        "persona": "una persona de",
    },
    "en": {
        "PAY": "150.00",
        "Balance": "open payment",
        "receipt": "no receipts",
        "RESEND": "150.00",
        "Help": "BALANCE",
        "I already paid": "not confirmed yet",
        "catalogue": "can buy",
        "Cancel!": "What would you like to do?",
        "stop messages": "Done",
        "resume": "again",
        "person": "takes over",
    },
    "pt-BR": {
        "PAGAMENTO": "150,00",
        "quanto devo?": "em aberto",
        "comprovante": "não há comprovantes",
        "novo link": "150,00",
        "Ajuda": "SALDO",
        "já paguei": "não foi confirmado",
        "quero comprar": "pode comprar",
        "cancelamento": "O que deseja fazer?",
        "PARE": "Pronto",
        "voltar": "Voltará a receber",
        "atendente": "uma pessoa da",
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("words"), LINK_TTL_DAYS="3") as running:
        yield running


@pytest.mark.parametrize("language", SAID)
async def test_every_word_in_every_language(talking: Service, channel: str, language: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana, locale=language)
        for word, answer in SAID[language].items():
            await ana.says(word)
            await ana.sees(answer)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("pagr", "Q150.00"),
        ("SLADO", "pendiente"),
        ("ayuad", "PAGAR"),
        ("¡Recivo!", "comprobantes"),
    ],
)
async def test_typos_are_forgiven(talking: Service, channel: str, typed: str, answer: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says(typed)
        await ana.sees(answer)


@pytest.mark.parametrize(
    ("first", "answer"),
    [("balance please", "open payment"), ("quanto devo", "em aberto"), ("saldo", "pendiente")],
)
async def test_the_language_is_the_one_written(
    talking: Service, channel: str, first: str, answer: str
) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says(first)
        await ana.sees(answer)


async def test_a_language_asked_for_is_kept(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says("english")
        await ana.sees("English it is")
        await ana.says("saldo")
        await ana.sees("open payment")
        await ana.says("português")
        await ana.sees("seguimos em português")
        await ana.says("balance")
        await ana.sees("em aberto")
        statement = "select count(*) from customer where phone = :phone and locale = 'pt-BR'"
        assert await count(talking, statement, phone=ana.person.phone) == 1
