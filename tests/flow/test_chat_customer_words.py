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
        "verificar": "Este chat es de",
        "no quiero recibir mensajes": "¿Qué desea hacer?",
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
        "is this real?": "This chat belongs to",
        "unsubscribe me please": "What would you like to do?",
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
        "é golpe?": "Este chat é de",
        "quero sair": "O que deseja fazer?",
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
        ("resivo", "comprobantes"),
        ("alluda", "PAGAR"),
        ("oagar", "Q150.00"),
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


async def test_a_word_of_every_language_changes_none(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        for word, answer in {"ok": "PAGAR", "menu": "SALDO", "no": "todo queda"}.items():
            await ana.says(word)
            await ana.sees(answer)


async def test_a_payment_is_verified_for_its_owner_only(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana, Chat(talking, channel) as eve:
        payment = await owes(talking, ana)
        await owes(talking, eve)
        await ana.says(f"VERIFICAR {payment['external_id']}")
        host = payment["links"][0]["url"].split("/")[2]
        await ana.sees("Paybot tiene un cobro suyo", payment["external_id"], "Q150.00", host)
        await eve.says(f"VERIFICAR {payment['external_id']}")
        of_another = await eve.sees("no encuentra", but_not=("150", host))
        await eve.says("VERIFICAR INV-NONE-1")
        assert await eve.sees() == of_another


async def test_who_has_not_paid_yet_is_not_taken_to_have(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("Todavía no he pagado")
        await ana.sees("Q150.00", "http")
        assert (await talking.read(payment))["alerts"] == []


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
