"""A customer does not recognise a payment: it rests until a person has settled it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flow.dialog import Chat
from tests.flow.people import CHANNELS, count, owes, talking_service
from tests.flow.service import Json, Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")
everywhere = pytest.mark.parametrize("channel", CHANNELS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("dispute")) as running:
        yield running


async def disputed(service: Service, payment: Json) -> list[tuple[bool, str | None]]:
    """Whether the payment is marked, and the words kept with it."""
    rows = await service.select(
        "select disputed_at is not null, dispute_words from payment where id = :id",
        id=payment["id"],
    )
    return [(bool(marked), words) for marked, words in rows]


async def alerts(service: Service, payment: Json) -> list[str]:
    return [each["kind"] for each in (await service.read(payment))["alerts"]]


@everywhere
@pytest.mark.parametrize(
    ("locale", "words", "asked", "yes", "taken"),
    [
        ("es", "NO RECONOZCO este cobro", "No reconoce el pago", "Sí, no lo", "Gracias por"),
        ("en", "I don't recognise this", "do not recognise", "Yes, I do not", "Thank you"),
        ("pt-BR", "não reconheço", "não reconhece o pagamento", "Sim, não", "Obrigado por avisar"),
    ],
)
async def test_it_is_asked_confirmed_and_given_to_a_person(
    talking: Service, channel: str, locale: str, words: str, asked: str, yes: str, taken: str
) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana, locale)
        await ana.says(words)
        await ana.sees(asked, "150", yes)
        assert await disputed(talking, payment) == [(False, None)]
        await ana.chooses(yes)
        await ana.sees(taken, "150")
        assert await disputed(talking, payment) == [(True, words)]
        assert await alerts(talking, payment) == ["disputed"]


@everywhere
async def test_yes_and_no_are_answers_too(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("no reconozco este pago")
        await ana.sees("No reconoce")
        await ana.says("no")
        await ana.sees("todo queda como está")
        assert await disputed(talking, payment) == [(False, None)]
        await ana.says("no reconozco este pago")
        await ana.sees("No reconoce")
        await ana.says("sí")
        await ana.sees("Gracias por avisarnos")
        assert await disputed(talking, payment) == [(True, "no reconozco este pago")]


@everywhere
async def test_one_of_several_is_chosen(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        march = await owes(talking, ana, concept="Marzo")
        april = await owes(talking, ana, amount_minor=20000, concept="Abril")
        await ana.says("no reconozco ese cobro")
        await ana.sees("Cuál", "Marzo", "Abril")
        await ana.chooses("Abril")
        await ana.sees("No reconoce el pago de Q200.00")
        await ana.chooses("Sí, no lo reconozco")
        await ana.sees("Gracias por avisarnos", "Q200.00")
        assert (await disputed(talking, april))[0][0]
        assert not (await disputed(talking, march))[0][0]
        await ana.says("pagar " + april["external_id"])
        await ana.sees("revisando una persona", but_not=("http",))
        await ana.says("pagar " + march["external_id"])
        await ana.sees("Q150.00", march["links"][0]["url"])


@everywhere
async def test_nothing_is_disputed_by_mistake(talking: Service, channel: str) -> None:
    """Another's payment, nothing owed, a button used twice, one dispute told once."""
    async with Chat(talking, channel) as ana, Chat(talking, channel) as eve:
        payment = await owes(talking, ana)
        await eve.says(f"no reconozco {payment['external_id']}")
        await eve.sees("no le pedimos ningún pago", but_not=("150",))
        await ana.says("no reconozco")
        await ana.sees("No reconoce")
        await ana.chooses("Sí, no lo reconozco")
        await ana.sees("Gracias por avisarnos")
        await ana.says("no reconozco")
        await ana.sees("ya revisa")
        statement = "select count(*) from alert where payment_id = :id"
        assert await count(talking, statement, id=payment["id"]) == 1


async def test_reminders_wait_until_staff_settled_it(talking: Service) -> None:
    reminders = (
        "select count(*) from outbox where payment_id = :id and purpose = 'reminder'"
        " and status = 'pending'"
    )
    async with seller(talking, "telegram", "manager") as marta, Chat(talking, "whatsapp") as ana:
        payment_id = await marta.charges(ana.person.phone)
        await ana.sees("Q150.00")
        await ana.rests()
        planned = await count(talking, reminders, id=payment_id)
        await ana.says("no reconozco este cobro, yo no compré nada")
        await ana.sees("No reconoce")
        await ana.chooses("Sí, no lo reconozco")
        await ana.sees("Gracias por avisarnos")
        assert await count(talking, reminders, id=payment_id) == 0
        await marta.has("no lo reconoce", "yo no compré nada", "/resuelto")
        await marta.says(f"/reenviar {payment_id}")
        await ana.sees("http")
        await marta.says(f"/resuelto {payment_id}")
        await marta.has("se pide otra vez", payment_id)
        assert await disputed(talking, {"id": payment_id}) == [
            (False, "no reconozco este cobro, yo no compré nada")
        ]
        assert await alerts(talking, {"id": payment_id}) == []
        assert await count(talking, reminders, id=payment_id) == planned
        await marta.says(f"/resuelto {payment_id}")
        await marta.has("no está en disputa")
        await ana.says("no reconozco")
        await ana.sees("No reconoce")
        await ana.chooses("Sí, no lo reconozco")
        await ana.sees("Gracias por avisarnos")
        assert await alerts(talking, {"id": payment_id}) == ["disputed"]


async def test_who_may_not_cancel_may_not_settle(talking: Service) -> None:
    async with seller(talking, "telegram", "viewer") as vera, Chat(talking, "telegram") as ana:
        payment = await owes(talking, ana)
        await ana.says("no reconozco")
        await ana.sees("No reconoce")
        await ana.chooses("Sí, no lo reconozco")
        await ana.sees("Gracias")
        await vera.says(f"/resuelto {payment['id']}")
        await vera.skips()
        assert (await disputed(talking, payment))[0][0]
