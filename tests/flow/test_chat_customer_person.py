"""Who is who, and handing a conversation to a person and back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.handlers import handoff
from bot.sandbox.people import Person
from bot.store import people
from bot.store.engine import Tx
from bot.store.schema import conversation, staff
from tests.flow.dialog import Chat, StaffChat
from tests.flow.people import CHANNELS, DESK_ID, count, owes, talking_service
from tests.flow.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
everywhere = pytest.mark.parametrize("channel", CHANNELS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("person")) as running:
        await running.app.store.transact(_employ)
        async with StaffChat(running, "telegram", running.sandbox.people.get("desk")) as marta:
            await marta.opens()
        yield running


def _employ(tx: Tx) -> None:
    row = {
        "name": "Marta",
        "role": "manager",
        "telegram_user_id": str(DESK_ID),
        "telegram_chat_id": str(DESK_ID),
        "invited_by": "test",
        "created_at": tx.now,
    }
    tx.run(staff.insert().values(row))


def desk(service: Service) -> StaffChat:
    return StaffChat(service, "telegram", service.sandbox.people.get("desk"))


async def number_of(service: Service, chat: Chat) -> int:
    """The number of this person's conversation."""
    at = str(chat.person.telegram_id) if chat.channel == "telegram" else chat.person.phone
    statement = "select id from conversation where address = :at and channel = :channel"
    return await count(service, statement, at=at, channel=chat.channel)


@everywhere
async def test_a_person_takes_over_and_gives_back(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana, desk(talking) as marta:
        await ana.says("persona")
        await ana.sees("una persona")
        await marta.sees("espera a una persona", "persona")
        number = await number_of(talking, ana)
        await ana.says("saldo por favor, no me cuadra")
        await marta.sees("no me cuadra")
        await ana.hears_nothing()
        await marta.says(f"/tomar {number}")
        await marta.sees()
        await marta.says("Hola Ana, ya lo reviso")
        await ana.sees("Hola Ana, ya lo reviso")
        await marta.skips()
        await ana.says("gracias")
        await marta.sees("gracias")
        await marta.says(f"/soltar {number}")
        await ana.sees("el asistente")
        await ana.says("saldo")
        await ana.sees("pendientes")


@everywhere
async def test_stop_is_heard_while_a_person_talks(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana, desk(talking) as marta:
        await ana.says("persona")
        await ana.sees("una persona")
        await marta.sees("espera")
        await ana.says("baja")
        await ana.sees("Listo")
        await talking.app.store.transact(
            lambda tx: tx.run(conversation.update().values(mode="bot"))
        )


@everywhere
async def test_an_idle_conversation_goes_back_to_the_bot(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana, desk(talking) as marta:
        await ana.says("persona")
        await ana.sees("una persona")
        await marta.sees("espera")
        await talking.app.store.transact(lambda tx: _age(tx, timedelta(hours=11)))
        assert await _return_idle(talking) == 0
        await talking.app.store.transact(lambda tx: _age(tx, timedelta(hours=13)))
        assert await _return_idle(talking) == 1
        await marta.sees("volvió al asistente")
        await ana.says("saldo")
        await ana.sees("pendientes")


async def _return_idle(service: Service) -> int:
    rules = service.app.rules
    return await service.app.store.transact(lambda tx: handoff.return_idle(tx, rules))


def _age(tx: Tx, age: timedelta) -> None:
    then = tx.now - age
    held = conversation.c.mode == "human"
    values = {"last_inbound_at": then, "mode_since": then}
    tx.run(conversation.update().where(held).values(values))


async def test_a_chat_without_contact_sees_nothing(talking: Service) -> None:
    stranger = Chat(talking, "telegram")
    await stranger.opens()
    for word in ("saldo", "pagar INV-1", "recibo", "ya pagué", "renovar", "ayuda"):
        await stranger.says(word)
        await stranger.sees("Compartir mi número")


async def test_the_card_of_somebody_else_is_refused(talking: Service) -> None:
    async with Chat(talking, "whatsapp") as bea:
        await owes(talking, bea)
        eve = Chat(talking, "telegram")
        await eve.opens()
        talking.sandbox.telegram.share_contact(eve.person.telegram_id, phone=bea.person.phone)
        await eve.sees("no se puede usar")
        await eve.says("saldo")
        await eve.sees("Compartir mi número", but_not=("150",))


async def test_an_invitation_binds_one_chat_once(talking: Service) -> None:
    async with Chat(talking, "sms") as ana:
        await owes(talking, ana)
        await talking.app.store.transact(lambda tx: _invite(tx, ana.person.phone))
        chat = Chat(talking, "telegram", ana.person)
        talking.sandbox.telegram.start(ana.person.telegram_id, "invitation-of-ana")
        await chat.sees("confirmado")
        await chat.says("saldo")
        await chat.sees("Q150.00")
        thief = Chat(talking, "telegram")
        talking.sandbox.telegram.start(thief.person.telegram_id, "invitation-of-ana")
        await thief.sees("ya se usó o venció")
        await thief.says("saldo")
        await thief.sees("Compartir mi número", but_not=("150",))


def _invite(tx: Tx, phone: str) -> None:
    customer = people.find_customer(tx, phone=phone)
    assert customer is not None
    people.invite_customer(tx, customer.id, "invitation-of-ana", by="test")


@pytest.mark.parametrize(
    ("known_as", "writes_as"),
    [
        ("+525512345678", "+5215512345678"),
        ("+5491123456789", "+541123456789"),
        ("+5511987654321", "+551187654321"),
    ],
)
async def test_old_and_new_forms_are_one_person(
    talking: Service, known_as: str, writes_as: str
) -> None:
    known = Chat(talking, "whatsapp", Person(known_as, "Luz", phone=known_as))
    await owes(talking, known, locale="es", amount_minor=4200)
    person = talking.sandbox.people.add(Person(writes_as, "Luz", phone=writes_as))
    writer = Chat(talking, "whatsapp", person)
    await writer.says("saldo")
    await writer.sees("42")


async def test_a_whatsapp_id_without_number_is_known_by_its_alias(talking: Service) -> None:
    async with Chat(talking, "whatsapp") as ana:
        await owes(talking, ana)
        alias = "GT." + ana.person.phone[1:]
        await ana.says("saldo", ExternalUserId=f"whatsapp:{alias}")
        await ana.sees("Q150.00")
        later = Chat(talking, "whatsapp", Person(alias, "Ana", phone=alias))
        await later.says("saldo")
        await later.sees("Q150.00")
        stranger = Chat(talking, "whatsapp", Person("GT.999", "Nadie", phone="GT.999"))
        await stranger.says("saldo")
        await stranger.sees("no nos muestra su número", but_not=("150",))


PICTURE = {
    "NumMedia": "1",
    "MediaContentType0": "image/jpeg",
    "MediaUrl0": "ME0123",
}


async def sends_slip(service: Service, chat: Chat, words: str = "") -> str:
    """Let this person send a file of their own; give how staff are told of its kind."""
    if chat.channel == "whatsapp":
        await chat.says(words, **PICTURE)
        return "una foto"
    telegram = service.sandbox.telegram
    telegram.send_document(chat.person.telegram_id, "boleta.pdf", "application/pdf", b"%PDF")
    return "un archivo"


@pytest.mark.parametrize("channel", ["telegram", "whatsapp"])
async def test_a_file_is_for_a_person_and_no_miss(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana, desk(talking) as marta:
        kind = await sends_slip(talking, ana)
        await ana.sees("lo recibí", "una persona", but_not=("no entendí",))
        number = await number_of(talking, ana)
        await marta.sees(f"Conversación {number}", f"envió {kind}")
        await sends_slip(talking, ana)
        await marta.sees(f"{number}", f"Envió {kind}")
        await ana.hears_nothing()
        await marta.says(f"/soltar {number}")
        await marta.skips()


async def test_a_file_with_words_is_answered_and_told(talking: Service) -> None:
    async with Chat(talking, "whatsapp") as ana, desk(talking) as marta:
        await owes(talking, ana)
        await ana.says("ya pagué", **PICTURE)
        await ana.sees(but_not=("no entendí", "una persona de"))
        await ana.rests()
        assert any("una foto" in said and "ya pagué" in said for said in marta.shown())


async def test_a_sticker_is_a_greeting(talking: Service) -> None:
    async with Chat(talking, "whatsapp") as ana:
        await owes(talking, ana)
        await ana.says("", **PICTURE | {"MediaContentType0": "image/webp"})
        await ana.sees("SALDO", but_not=("no entendí",))


async def test_a_taken_conversation_is_nobody_elses(talking: Service) -> None:
    async with Chat(talking, "sms") as ana, desk(talking) as marta:
        await ana.says("persona")
        await ana.sees("una persona")
        await marta.sees("espera")
        number = await number_of(talking, ana)
        await talking.app.store.transact(lambda tx: _give_to_another(tx, number))
        await marta.says(f"/tomar {number}")
        await marta.sees()
        owner = await count(talking, "select owner_id from conversation where id = :id", id=number)
        assert owner != 1


def _give_to_another(tx: Tx, number: int) -> None:
    row = {"name": "Luis", "role": "agent", "invited_by": "test", "created_at": tx.now}
    other = tx.run(staff.insert().values(row).returning(staff.c.id)).scalar_one()
    tx.run(sa.update(conversation).where(conversation.c.id == number).values(owner_id=other))
