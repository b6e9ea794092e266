"""Yes and no to being written to: what is said, what follows, and what is kept for ever."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.domain.delivery import Purpose
from bot.store import waiting
from tests.flow.dialog import Chat
from tests.flow.people import CHANNELS, count, owes, pays, talking_service
from tests.flow.service import Json, Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
everywhere = pytest.mark.parametrize("channel", CHANNELS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("consent")) as running:
        yield running


async def asks_over(service: Service, chat: Chat, channel: str) -> Json:
    """Let the merchant ask this person for money over a channel."""
    return await service.create(channel, customer={"phone": chat.person.phone, "email": None})


async def consents(service: Service, chat: Chat) -> list[tuple[bool, str]]:
    """What was kept of this person's words, oldest first: yes or no, and about what."""
    rows = await service.select(
        "select is_given, scope from consent where address in (:phone, :chat) order by id",
        phone=chat.person.phone,
        chat=str(chat.person.telegram_id),
    )
    return [(bool(is_given), str(scope)) for is_given, scope in rows]


@everywhere
async def test_who_floods_is_told_once_and_their_stop_is_heard(
    talking: Service, channel: str
) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.rests()
        before = len(ana.shown())
        for _ in range(90):
            await ana.says("saldo")
        await ana.says("BAJA")
        await ana.rests()
        said = ana.shown()[before:]
        told = [text for text in said if "rapid" in text or "rápid" in text]
        # Their minute may have ended in between.
        assert 1 <= len(told) <= 2
        assert len(said) <= 2 * 20 + len(told) + 1
        assert (await consents(talking, ana))[-1][0] is False


@everywhere
async def test_stop_is_confirmed_kept_and_obeyed(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        first = await owes(talking, ana)
        await ana.says("BAJA")
        await ana.sees("Listo", "ALTA")
        payment = await asks_over(talking, ana, channel)
        await talking.until_message(payment, "link", "dead")
        await ana.hears_nothing()
        await ana.says(f"pagar {first['external_id']}")
        await ana.sees("Q150.00", first["links"][0]["url"])
        assert await consents(talking, ana) == [(False, "channel")]


@everywhere
async def test_start_brings_messages_back(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("baja")
        await ana.sees("Listo")
        await ana.says("alta")
        await ana.sees("Volverá a recibir")
        await asks_over(talking, ana, channel)
        await ana.sees("Q150.00", "http")
        assert await consents(talking, ana) == [(False, "channel"), (True, "all")]


async def test_start_brings_reminders_back(talking: Service) -> None:
    async with Chat(talking, "telegram") as ana:
        owed = await asks_over(talking, ana, "telegram")
        await ana.sees("Q150.00", "http")
        await ana.says("baja")
        await ana.sees("Listo")
        await talking.app.store.transact(
            lambda tx: waiting.cancel_waiting(
                tx, payment_id=owed["id"], purposes=(Purpose.REMINDER,), why="opt-out"
            )
        )
        await ana.says("alta")
        await ana.sees("Volverá a recibir")
        statement = (
            "select count(*) from outbox"
            " where payment_id = :id and purpose = 'reminder' and status = 'pending'"
        )
        assert await count(talking, statement, id=owed["id"]) == 1


@everywhere
async def test_only_reminders_instead_of_everything(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says("baja")
        await ana.sees("Solo quitar recordatorios")
        await ana.chooses("Solo quitar recordatorios")
        await ana.sees("No recibirá más recordatorios")
        statement = "select count(*) from customer where phone = :phone and not wants_reminders"
        assert await count(talking, statement, phone=ana.person.phone) == 1
        await asks_over(talking, ana, channel)
        await ana.sees("Q150.00", "http")


@everywhere
async def test_stop_on_all_channels_is_obeyed_on_all(talking: Service, channel: str) -> None:
    other = "sms" if channel != "sms" else "whatsapp"
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says("baja de todo")
        await ana.sees("ningún canal")
        payment = await asks_over(talking, ana, other)
        await talking.until_message(payment, "link", "dead")
        async with Chat(talking, "whatsapp", ana.person) as elsewhere:
            await elsewhere.says("alta")
            await elsewhere.sees("Volverá a recibir")
        again = await asks_over(talking, ana, other)
        await talking.until_message(again, "link", "delivered", "read")
        assert (await consents(talking, ana))[0] == (False, "all")


@everywhere
async def test_receipts_come_to_those_who_said_stop(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await asks_over(talking, ana, channel)
        await ana.sees("http")
        await ana.says("no más mensajes")
        await ana.sees("Listo")
        await pays(talking, payment)
        await ana.sees("Q150.00")


@everywhere
async def test_cancel_alone_ends_nothing(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says("Cancelar")
        await ana.sees("¿Qué desea hacer?", "Ver lo pendiente", "No recibir más mensajes")
        await ana.chooses("Nada de esto")
        await ana.sees("todo queda como está")
        await ana.says("ya cancelé")
        await ana.sees("nos confirman")
        assert await consents(talking, ana) == []


@everywhere
async def test_a_slip_of_the_finger_ends_nothing(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("bajaa")
        await ana.sees("¿Qué desea hacer?")
        await ana.says("es para mañana")
        await ana.skips()
        assert await consents(talking, ana) == []
        await ana.says("cancelar")
        await ana.sees("¿Qué desea hacer?")
        await ana.chooses("No recibir más mensajes")
        await ana.sees("Listo")
        assert await consents(talking, ana) == [(False, "channel")]


@everywhere
async def test_buying_after_stop_asks_for_consent_first(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("baja")
        await ana.sees("Listo")
        await ana.says("comprar")
        await ana.sees("Mensualidad")
        await ana.chooses("Mensualidad")
        await ana.sees("pidió no recibir cobros")
        await ana.chooses("Volver a recibir mensajes")
        await ana.sees("Volverá a recibir")


@pytest.mark.parametrize("channel", ["whatsapp", "sms"])
async def test_what_the_provider_acted_on_is_kept_in_silence(
    talking: Service, channel: str
) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("Basta", OptOutType="STOP")
        await ana.hears_nothing()
        payment = await asks_over(talking, ana, channel)
        await talking.until_message(payment, "link", "dead")
        await ana.says("Vuelvan", OptOutType="START")
        await ana.says("info", OptOutType="HELP")
        await ana.hears_nothing()
        assert await consents(talking, ana) == [(False, "channel"), (True, "channel")]


@pytest.mark.parametrize("fields", [{}, {"OptOutType": "START"}])
@pytest.mark.parametrize("yes", ["YES", "Sí", "si"])
async def test_yes_to_a_question_is_no_opt_in(
    talking: Service, yes: str, fields: dict[str, str]
) -> None:
    async with Chat(talking, "sms") as ana:
        for text in ("qwerty", "qwerty"):
            await ana.says(text)
            await ana.sees()
        await ana.says(yes, **fields)
        await ana.skips()
        assert "una persona de" in ana.shown()[-1]
        assert await consents(talking, ana) == []


async def test_yes_after_a_stop_is_an_opt_in_where_the_provider_says_so(talking: Service) -> None:
    async with Chat(talking, "sms") as ana:
        for text in ("qwerty", "qwerty"):
            await ana.says(text)
            await ana.sees()
        await ana.says("Basta", OptOutType="STOP")
        await ana.says("YES", OptOutType="START")
        await ana.sees("re-subscribed")
        await ana.hears_nothing()
        assert await consents(talking, ana) == [(False, "channel"), (True, "channel")]


async def test_blocking_the_bot_is_learnt_and_so_is_coming_back(talking: Service) -> None:
    async with Chat(talking, "telegram") as ana:
        talking.sandbox.telegram.block(ana.person.telegram_id)
        await ana.rests()
        payment = await asks_over(talking, ana, "telegram")
        await talking.until_message(payment, "link", "dead")
        talking.sandbox.telegram.block(ana.person.telegram_id, is_blocked=False)
        await ana.says("saldo")
        await ana.sees("pendiente")
