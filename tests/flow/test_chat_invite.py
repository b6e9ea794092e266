"""A customer comes to Telegram by a link that another channel brought, once."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.dialog import Chat, new_person
from tests.flow.people import owes, talking_service
from tests.flow.service import Service
from tests.flow.staff import seller
from tests.services import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINK = re.compile(r"https://t\.me/\w+\?start=([\w-]+)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("invite")) as running:
        yield running


def token_in(said: str) -> str:
    found = LINK.search(said)
    assert found is not None, said
    return found[1]


async def taps(service: Service, chat: Chat, token: str) -> None:
    service.sandbox.telegram.start(chat.person.telegram_id, token)


async def test_an_sms_opens_telegram_once(talking: Service) -> None:
    sms = Chat(talking, "sms")
    customer = {"phone": sms.person.phone, "name": "Ana", "email": None, "locale": "es"}
    payment = await talking.create("telegram", "sms", customer=customer)
    # The first message of a fresh service waits for aiogram to be loaded.
    await eventually(lambda: bool(sms.shown()), 45)
    await sms.sees("Q150.00")
    token = token_in(await sms.sees("Telegram", "Iniciar"))
    chat = Chat(talking, "telegram", sms.person)
    await taps(talking, chat, token)
    await chat.sees("confirmado")
    await chat.says("PAGAR")
    await chat.sees("Q150.00")
    thief = Chat(talking, "telegram")
    await taps(talking, thief, token)
    await thief.sees("ya se usó o venció")
    await thief.says("saldo")
    await thief.sees("Compartir mi número", but_not=("150",))
    seen = await talking.read(payment)
    assert "invited to Telegram" in [each["what"] for each in seen["timeline"]]


async def test_one_invitation_is_enough_for_a_while(talking: Service) -> None:
    sms = Chat(talking, "sms")
    customer = {"phone": sms.person.phone, "name": "Ana", "email": None, "locale": "es"}
    await talking.create("telegram", "sms", customer=customer)
    await sms.sees("Q150.00")
    await sms.sees("t.me")
    await talking.create("telegram", "sms", customer=customer)
    await sms.sees("Q150.00")
    await sms.hears_nothing()
    invited = await talking.select(
        "select count(*) from outbox where key like 'invite:%' and customer_id ="
        " (select id from customer where phone = :phone)",
        phone=sms.person.phone,
    )
    assert invited == [(1,)]


@pytest.mark.parametrize("channel", ["whatsapp", "sms"])
async def test_whoever_writes_telegram_is_shown_the_way(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana, locale="pt-BR")
        await ana.says("TELEGRAM")
        token = token_in(await ana.sees("Iniciar", "só seu"))
        chat = Chat(talking, "telegram", ana.person)
        await taps(talking, chat, token)
        await chat.sees("confirmado")
        await chat.says("telegram")
        await chat.sees("Você já está no Telegram")


async def test_staff_invite_by_number_and_by_payment(talking: Service) -> None:
    ana = Chat(talking, "sms")
    async with seller(talking, "telegram") as marta:
        await marta.says("/invitar")
        await marta.sees("¿A quién?")
        await marta.says(f"/invitar {ana.person.phone}")
        await marta.sees("sale ahora")
        token_in(await ana.sees("Telegram"))
        await marta.says(f"/invitar {ana.person.phone}")
        await marta.sees("ya se le invitó hoy")
        bea = Chat(talking, "sms", new_person(talking, "Bea"))
        number = await marta.charges(bea.person.phone)
        await bea.skips()
        await marta.says(f"/invitar {number}")
        await marta.has("sale ahora")


async def test_staff_invite_to_nothing_that_is_not_theirs(talking: Service) -> None:
    ana = Chat(talking, "sms")
    payment = await owes(talking, ana)
    async with seller(talking, "telegram") as marta, seller(talking, "telegram", "viewer") as vera:
        await marta.says(f"/invitar {payment['id']}")
        await marta.sees("No encuentro ese cobro")
        await vera.says(f"/invitar {ana.person.phone}")
        await vera.sees("rol no permite")
        await ana.hears_nothing()
