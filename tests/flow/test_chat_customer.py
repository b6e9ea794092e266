"""What customers get done in a chat, on every channel that has one."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import unquote_plus

import pytest
import pytest_asyncio

from tests.flow.dialog import Chat
from tests.flow.people import (
    CHANNELS,
    count,
    expire,
    owes,
    pays,
    replay_last_update,
    talking_service,
)
from tests.flow.service import Service

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("channel", CHANNELS),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with talking_service(tmp_path_factory.mktemp("chat")) as running:
        yield running


async def test_a_single_debt_is_shown_at_once(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("pagar")
        await ana.sees("Q150.00", payment["links"][0]["url"])


async def test_several_debts_are_a_list_to_choose_from(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana, amount_minor=15000, concept="Marzo")
        april = await owes(talking, ana, amount_minor=20000, concept="Abril")
        await ana.says("Pagar")
        await ana.sees("2 pagos", "Q350.00", "Marzo", "Abril")
        await ana.chooses("Abril")
        await ana.sees("Q200.00", april["links"][0]["url"])


async def test_the_balance_lists_without_links(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        await ana.says("¿Cuánto debo?")
        await ana.sees("Q150.00", "Pagar", but_not=("http",))


async def test_nothing_owed(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("saldo")
        await ana.sees("No tiene pagos pendientes")


async def test_a_receipt_comes_again(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await ana.says("recibo")
        await ana.sees("no hay comprobantes")
        await pays(talking, payment)
        await ana.skips()
        await ana.says("resibo")
        await ana.sees("Q150.00", "pagado")


async def test_one_payment_is_asked_for_by_its_reference(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana, amount_minor=11100)
        second = await owes(talking, ana, amount_minor=22200)
        await ana.says(f"quiero pagar {second['external_id'].lower()}")
        await ana.sees("Q222.00", second["links"][0]["url"])
        await ana.says(second["external_id"])
        await ana.sees("Q222.00")


async def test_nobody_sees_the_payment_of_another(talking: Service, channel: str) -> None:
    """Whatever is guessed, the answer is the one for what does not exist."""
    async with Chat(talking, channel) as bea, Chat(talking, channel) as eve:
        payment = await owes(talking, bea, amount_minor=77700)
        link = payment["links"][0]
        await eve.says("pagar NO-EXISTE-1")
        unknown = await eve.sees("No encontramos")
        guesses = [
            f"pagar {payment['external_id']}",
            f"saldo {payment['id']}",
            f"recibo {payment['external_id']}",
            f"renovar {payment['id']}",
            f"pagar {link['reference']}",
            f"pagar {link['uid']}",
        ]
        for guess in guesses:
            await eve.says(guess)
            said = await eve.sees(but_not=("777", link["url"]))
            if not guess.startswith("saldo"):
                assert said.splitlines()[0] == unknown.splitlines()[0]


async def test_resending_brings_the_same_url(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        for word in ("reenviar", "renovar", "otro link"):
            await ana.says(word)
            await ana.sees("Q150.00", payment["links"][0]["url"])
        assert len((await talking.read(payment))["links"]) == 1


async def test_an_expired_payment_is_renewed_when_asked(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        payment = await owes(talking, ana)
        await talking.app.store.transact(lambda tx: expire(tx, payment))
        await ana.says("pagar")
        await ana.sees("Renovar Q150.00")
        await ana.says("renovar")
        await ana.sees("Q150.00", payment["links"][0]["url"])
        assert (await talking.read(payment))["status"] == "linked"


async def test_already_paid_is_answered_with_what_is_known(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("ya pagué")
        await ana.sees("ningún cobro pendiente")
        payment = await owes(talking, ana)
        await ana.says("Ya pagué!!")
        await ana.sees("Todavía no nos confirman" if channel != "sms" else "Aún no nos confirman")
        await ana.says("ya pague")
        await ana.skips()
        alerts = (await talking.read(payment))["alerts"]
        assert [each["kind"] for each in alerts] == ["claimed_paid"]
        paused = await talking.select(
            "select count(*) from customer where phone = :phone and reminders_paused_until > 0",
            phone=ana.person.phone,
        )
        assert paused == [(1,)]
        await pays(talking, payment)
        await ana.skips()
        await ana.says("ya pagué")
        await ana.sees("recibimos su pago de Q150.00")


async def test_something_is_bought_from_the_catalogue(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("catálogo")
        await ana.sees("Mensualidad", "Q150.00", "Cuaderno", "Q25.00")
        await ana.chooses("Cuaderno")
        await ana.sees("del 1 al 5")
        await ana.says("9")
        await ana.sees("del 1 al 5")
        await ana.says("3")
        await ana.sees("3 ", "Cuaderno", "Q75.00", "Confirma")
        await ana.says("sí")
        await ana.sees("Listo", "Q75.00")
        await ana.sees("Q75.00", "http")


async def test_a_purchase_can_be_dropped(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("quiero comprar")
        await ana.sees("Mensualidad")
        await ana.chooses("Mensualidad")
        await ana.sees("Q150.00", "Confirma")
        await ana.says("no")
        await ana.sees("no se compró nada")
        await ana.says("sí")
        await ana.sees(but_not=("Listo",))
        assert await _payments_of(talking, ana) == 0


async def _payments_of(service: Service, chat: Chat) -> int:
    statement = (
        "select count(*) from payment join customer on customer.id = payment.customer_id"
        " where phone = :phone"
    )
    return await count(service, statement, phone=chat.person.phone)


async def test_confirming_twice_buys_once(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("comprar")
        await ana.sees("Mensualidad")
        await ana.chooses("Mensualidad")
        await ana.sees("Confirma")
        await asyncio.gather(ana.chooses("confirmar"), ana.chooses("confirmar"))
        await ana.skips()
        assert await _payments_of(talking, ana) == 1


async def test_an_old_number_is_no_second_purchase(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("comprar")
        await ana.sees("Mensualidad")
        await ana.chooses("Mensualidad")
        await ana.sees("Confirma")
        await ana.chooses("confirmar")
        await ana.sees("Listo")
        await ana.sees("http")
        await ana.chooses("confirmar")
        await ana.sees("ya se usó o venció")
        assert await _payments_of(talking, ana) == 1


async def test_what_is_not_understood_ends_with_a_person(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("blablabla wxyz")
        await ana.sees("no entendí")
        await ana.says("qwerty asdf")
        await ana.sees("¿Quiere hablar con una persona?")
        await ana.says("zxcvb poiuy")
        await ana.sees("una persona")
        await ana.says("mnbvc lkjhg")
        await ana.hears_nothing()


async def test_being_understood_forgives_what_was_not(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        for _ in range(3):
            await ana.says("blablabla wxyz")
            await ana.sees("no entendí")
            await ana.says("ayuda")
            await ana.sees("PAGAR")


async def test_no_to_the_offered_person_is_a_way_out(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("blablabla wxyz")
        await ana.sees("no entendí")
        await ana.says("qwerty asdf")
        await ana.sees("¿Quiere hablar con una persona?")
        await ana.says("no")
        await ana.sees("PAGAR")


async def test_a_card_number_is_covered_and_warned_of(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await ana.says("mi tarjeta es 4111 1111 1111 1111, cobre ahí")
        await ana.sees("nunca envíe números de tarjeta")
        await ana.says("persona")
        await ana.sees("una persona")
        await ana.says("le repito: 5555-5555-5555-4444")
        await ana.sees("nunca envíe números de tarjeta")
        for table, column in (
            ("outbox", "payload"),
            ("consent", "wording"),
            ("alert", "detail"),
            ("conversation", "slots"),
        ):
            rows = await talking.select(f"select cast({column} as text) from {table}")  # noqa: S608
            kept = "".join(str(row[0]) for row in rows)
            assert "4111 1111" not in kept
            assert "5555-5555" not in kept
        bodies = await talking.select("select body from inbox")
        received = "".join(unquote_plus(bytes(body).decode()) for (body,) in bodies)
        assert "4111 1111" not in received
        assert "5555-5555" not in received
        assert "1111, cobre ah" in received


async def test_a_repeated_update_changes_nothing(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as ana:
        await owes(talking, ana)
        before = len(ana.shown())
        if channel == "telegram":
            await ana.says("saldo")
            await ana.sees("Q150.00")
            await talking.app.store.transact(replay_last_update)
        else:
            await ana.says("saldo", MessageSid="SM" + ana.person.phone[1:].rjust(32, "0"))
            await ana.sees("Q150.00")
            await ana.says("saldo", MessageSid="SM" + ana.person.phone[1:].rjust(32, "0"))
        await ana.hears_nothing()
        assert len(ana.shown()) == before + 1


async def test_two_phones_of_one_person_do_not_mix(talking: Service, channel: str) -> None:
    other = "sms" if channel != "sms" else "whatsapp"
    async with Chat(talking, channel) as first, Chat(talking, other, first.person) as second:
        payment = await owes(talking, first)
        await asyncio.gather(first.says("pagar"), second.says("comprar"))
        await first.sees(payment["links"][0]["url"])
        await second.sees("Mensualidad")
        await second.chooses("Mensualidad")
        await second.sees("Confirma")
        await first.says("no")
        await first.sees("todo queda como está")
        await second.says("sí")
        await second.sees("Listo")


async def test_the_numbers_of_a_chat_are_its_own(talking: Service, channel: str) -> None:
    async with Chat(talking, channel) as bea, Chat(talking, channel) as eve:
        await owes(talking, bea, amount_minor=77700, concept="Uno")
        await owes(talking, bea, amount_minor=88800, concept="Dos")
        await bea.says("saldo")
        await bea.sees("Uno", "Dos")
        await eve.says("1")
        await eve.sees(but_not=("777", "888", "Uno"))
        await bea.says("2")
        await bea.sees("Q888.00", "http")
