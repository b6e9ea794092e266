"""A customer says when they will pay, and is left in peace until then."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.handlers import promises
from bot.store.engine import Tx
from tests.flow.dialog import Chat
from tests.flow.people import CHANNELS, count, owes, pays, talking_service
from tests.flow.service import Json, Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")
everywhere = pytest.mark.parametrize("channel", CHANNELS)

ZONE = ZoneInfo("America/Guatemala")
WEEKDAYS = {
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "pt-BR": (
        *("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira"),
        *("sábado", "domingo"),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("promise")) as running:
        yield running


def today() -> date:
    return datetime.now(ZONE).date()


async def promised(service: Service, payment: Json) -> list[tuple[str, str]]:
    """The promises about a payment: day and state, oldest first."""
    return [
        (str(day), str(state))
        for day, state in await service.select(
            "select promised_on, state from promise where payment_id = :id order by id",
            id=payment["id"],
        )
    ]


async def paused_until(service: Service, chat: Chat) -> datetime:
    rows = await service.select(
        "select reminders_paused_until from customer where phone = :phone", phone=chat.person.phone
    )
    return datetime.fromtimestamp(rows[0][0] / 1_000_000, UTC)


async def linked(service: Service, chat: Chat) -> Json:
    """A payment whose link came over this chat's channel."""
    customer = {"phone": chat.person.phone, "email": None}
    payment = await service.create(chat.channel, customer=customer)
    await chat.sees("Q150.00", "http")
    return await service.until_status(payment, "linked")


@everywhere
@pytest.mark.parametrize(
    ("locale", "sentence", "answer"),
    [
        ("es", "te pago el {day}", "Anotado"),
        ("en", "I'll pay on {day}", "Noted"),
        ("pt-BR", "pago {day}", "Anotado"),
    ],
)
async def test_a_promise_is_confirmed_and_kept(
    talking: Service, channel: str, locale: str, sentence: str, answer: str
) -> None:
    day = today() + timedelta(days=3)
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana, locale)
        await ana.says(sentence.format(day=WEEKDAYS[locale][day.weekday()]))
        await ana.sees(answer, "150", str(day.day))
        assert await promised(talking, payment) == [(day.isoformat(), "open")]
        begins = datetime.combine(day, datetime.min.time(), ZONE)
        assert await paused_until(talking, ana) == begins
        story = (await talking.read(payment))["timeline"]
        assert f"the customer promised to pay on {day}" in [each["why"] for each in story]


@everywhere
async def test_one_message_is_sent_on_the_day(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await linked(talking, ana)
        await ana.says("le pago mañana")
        await ana.sees("Anotado", "Ese día")
        rows = await talking.select(
            "select payload, not_before from outbox where payment_id = :id"
            " and purpose = 'reminder' and status = 'pending'",
            id=payment["id"],
        )
        assert len(rows) == 1
        assert "promised" in str(rows[0][0])
        day = datetime.fromtimestamp(rows[0][1] / 1_000_000, ZONE).date()
        assert day >= today() + timedelta(days=1)


@everywhere
async def test_an_unclear_day_is_chosen_from_buttons(talking: Service, channel: str) -> None:
    tomorrow = today() + timedelta(days=1)
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("le pago la otra semana")
        await ana.sees("Qué día", "Mañana", "viernes", "Otro día")
        await ana.chooses("Mañana")
        await ana.sees("Anotado", str(tomorrow.day))
        assert await promised(talking, payment) == [(tomorrow.isoformat(), "open")]


@everywhere
async def test_another_day_replaces_the_first(talking: Service, channel: str) -> None:
    first, second = today() + timedelta(days=5), today() + timedelta(days=2)
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("pago en 5 días")
        await ana.sees("Anotado", "Otro día")
        await ana.chooses("Otro día")
        await ana.sees("Escriba el día")
        await ana.says(str(second.day))
        await ana.sees("Anotado", str(second.day))
        assert await promised(talking, payment) == [
            (first.isoformat(), "replaced"),
            (second.isoformat(), "open"),
        ]
        begins = datetime.combine(second, datetime.min.time(), ZONE)
        assert await paused_until(talking, ana) == begins


@everywhere
async def test_days_that_cannot_be_are_not_taken(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("pago en 30 días")
        await ana.sees("Podemos esperar hasta")
        await ana.says("no pago mañana")
        await ana.sees("Qué día")
        await ana.says("pago el 32")
        await ana.sees("Qué día")
        assert await promised(talking, payment) == []


@everywhere
async def test_who_owes_nothing_promises_nothing(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as eve, Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await eve.says("le pago mañana")
        await eve.sees("No tiene pagos pendientes")
        await eve.says(f"pago {payment['external_id']} mañana")
        await eve.sees("No encontramos")
        statement = "select count(*) from promise where payment_id = :id"
        assert await count(talking, statement, id=payment["id"]) == 0


async def test_paying_keeps_the_promise(talking: Service) -> None:
    async with Chat(talking, "telegram") as ana:
        payment = await owes(talking, ana)
        await ana.says("pago mañana")
        await ana.sees("Anotado")
        await pays(talking, payment)
        await talking.app.store.transact(lambda tx: promises.end_promises(tx, talking.app.rules))
        assert [state for _, state in await promised(talking, payment)] == ["kept"]


async def test_a_day_that_passes_breaks_it_and_the_card_says_so(talking: Service) -> None:
    async with seller(talking, "telegram") as marta, Chat(talking, "whatsapp") as ana:
        payment_id = await marta.charges(ana.person.phone)
        await ana.sees("Q150.00")
        await ana.says("le pago mañana")
        await ana.sees("Anotado")
        await marta.has("Prometió pagar el")

        def two_days_on(tx: Tx) -> int:
            passed = (tx.now - timedelta(days=2)).date().isoformat()
            tx.run(sa.text("update promise set promised_on = :day"), {"day": passed})
            return promises.end_promises(tx, talking.app.rules)

        assert await talking.app.store.transact(two_days_on) >= 1
        await marta.has("Prometió pagar el", "y no llegó")
        assert [each[1] for each in await promised(talking, {"id": payment_id})] == ["broken"]
