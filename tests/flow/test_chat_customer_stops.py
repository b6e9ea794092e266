"""A no holds for a person, not for an address, and what providers say of it is kept as well."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.people import Person
from tests.flow.dialog import Chat
from tests.flow.people import owes, talking_service
from tests.flow.service import Json, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("stops")) as running:
        yield running


async def asks(service: Service, chat: Chat, channel: str, **customer: str) -> Json:
    """Let the merchant ask this person for money over a channel."""
    known = {"phone": chat.person.phone, "email": None, **customer}
    return await service.create(channel, customer=known)


async def kept(service: Service, address: str) -> list[tuple[object, ...]]:
    """What was kept of this address: yes or no, who said it, how, and in which words."""
    return await service.select(
        "select is_given, who, how, wording from consent where address = :at order by id",
        at=address,
    )


@pytest.mark.parametrize(
    ("known_as", "writes_as"),
    [
        ("+525512345678", "+5215512345678"),
        ("+5491123456789", "+541123456789"),
        ("+5511987654321", "+551187654321"),
    ],
)
async def test_a_stop_from_an_old_form_of_the_number_is_obeyed(
    talking: Service, known_as: str, writes_as: str
) -> None:
    known = Chat(talking, "whatsapp", Person(known_as, "Luz", phone=known_as))
    await owes(talking, known, locale="es")
    person = talking.sandbox.people.add(Person(writes_as, "Luz", phone=writes_as))
    writer = Chat(talking, "whatsapp", person)
    await writer.says("baja")
    await writer.sees("Listo")
    payment = await asks(talking, known, "whatsapp")
    await talking.until_message(payment, "link", "dead")
    await known.hears_nothing()
    await writer.says("alta")
    await writer.sees("Volverá a recibir")
    # To WhatsApp both forms are one account.
    talking.sandbox.twilio.handsets.set_window(known.address, is_open=True)
    payment = await asks(talking, known, "whatsapp")
    await talking.until_message(payment, "link", "delivered", "read")


async def test_a_stop_from_an_id_without_number_is_obeyed(talking: Service) -> None:
    async with Chat(talking, "whatsapp") as ana:
        await owes(talking, ana)
        alias = "GT." + ana.person.phone[1:]
        await ana.says("saldo", ExternalUserId=f"whatsapp:{alias}")
        await ana.sees("Q150.00")
        later = Chat(talking, "whatsapp", Person(alias, "Ana", phone=alias))
        await later.says("baja")
        await later.sees("Listo")
        payment = await asks(talking, ana, "whatsapp")
        await talking.until_message(payment, "link", "dead")
        await ana.hears_nothing()


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_stop_of_everything_is_obeyed_whatever_comes_later(
    talking: Service, is_known: bool
) -> None:
    async with Chat(talking, "whatsapp") as ana:
        first = await owes(talking, ana) if is_known else None
        await ana.says("baja de todo")
        await ana.sees("ningún canal")
        chat_id = str(ana.person.telegram_id)
        for payment in (
            await asks(talking, ana, "sms"),
            await asks(talking, ana, "email", email="ana.new@example.com"),
            await asks(talking, ana, "telegram", telegram_chat_id=chat_id),
        ):
            await talking.until_message(payment, "link", "dead")
        if first is not None:
            await ana.says(f"pagar {first['external_id']}")
            await ana.sees("Q150.00", "http")


async def test_a_number_that_twilio_keeps_out_is_learnt_of(talking: Service) -> None:
    async with Chat(talking, "sms") as ana:
        talking.sandbox.twilio.handsets.opted_out.add(ana.person.phone)
        payment = await asks(talking, ana, "sms")
        await talking.until_message(payment, "link", "dead")
        [(is_given, who, how, wording)] = await kept(talking, ana.person.phone)
        assert (bool(is_given), who, how) == (False, "provider", "sms refused a message")
        assert str(wording).startswith("21610: ")
        again = await asks(talking, ana, "sms")
        await talking.until_message(again, "link", "dead")
        assert len(await kept(talking, ana.person.phone)) == 1
        reach = await talking.select(
            "select reach from address where value = :at and channel = 'sms'", at=ana.person.phone
        )
        assert reach == [("blocked",)]
        await ana.hears_nothing()


async def test_blocking_on_telegram_and_coming_back_is_kept(talking: Service) -> None:
    async with Chat(talking, "telegram") as ana:
        telegram, person = talking.sandbox.telegram, ana.person
        telegram.block(person.telegram_id)
        await ana.rests()
        telegram.block(person.telegram_id, is_blocked=False)
        await ana.rests()
        assert [row[:3] for row in await kept(talking, str(person.telegram_id))] == [
            (0, "provider", "blocked us on telegram"),
            (1, "provider", "unblocked us on telegram"),
        ]
