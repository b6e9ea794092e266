"""Staff sell from a chat: they join, charge, watch, and are stopped where they must be."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.store.engine import Tx
from tests.flow.dialog import Chat, new_person
from tests.flow.service import Service, messages_of
from tests.flow.staff import PIN, Seller, invited, seller

ARRIVED = ("delivered", "read")
DOORS = ("telegram", "whatsapp")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("door", DOORS),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    caps = "agent:GTQ=5000/9000/3000"
    async with Service(tmp_path_factory.mktemp("staff"), STAFF_CAPS=caps) as running:
        yield running


async def payments_of(service: Service, who: Seller) -> list[dict[str, object]]:
    found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
    return [each for each in found if each["created_by"].startswith(f"staff:{who.id} ")]


async def test_a_sale_is_one_line_and_one_confirmation(service: Service, door: str) -> None:
    customer = new_person(service, "Beto")
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {customer.phone} 150.00 Mensualidad marzo")
        await marta.sees("Q150.00", "GTQ", customer.phone, "GT", "nuevo", "Mensualidad marzo")
        await marta.chooses("Confirmar")
        await marta.proves()
        await marta.has("Entregado por whatsapp", "Q150.00", "Ref. CAMPGT")
        found = (await payments_of(service, marta))[0]
        assert found["created_by"] == f"staff:{marta.id} Marta"
        uid = service.uid_of(found)
        asked = service.sandbox.migo.transactions.get(uid).request
        assert found["created_by"] in str(asked)
        service.sandbox.migo.approve(uid)
        await marta.has("Pago recibido: Q150.00")
        if door == "telegram":
            await marta.has("✅ Pagado", "Mensualidad marzo")
        await service.until_message(found, "receipt", "delivered", "read")
        await marta.skips()
        await marta.says(f"/recibo {found['id']}")
        await marta.sees("sale otra vez")
        await service.until(found, lambda seen: len(messages_of(seen, "receipt", *ARRIVED)) == 2)


async def test_the_form_asks_one_thing_at_a_time(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.says("/cobrar")
        await marta.sees("¿A qué número?")
        await marta.says("12")
        await marta.sees("no es válido")
        await marta.sees("¿A qué número?")
        await marta.says(customer.phone)
        await marta.sees("¿Cuánto?")
        await marta.says("1,500")
        await marta.sees("dos maneras")
        await marta.sees("¿Cuánto?")
        await marta.says("Q1500.00")
        await marta.sees("concepto")
        await marta.chooses("Sin concepto")
        await marta.has("Q1,500.00", "(sin concepto)")
        await marta.chooses("No enviar")
        await marta.rests()
        await marta.has("no se envía nada")
        assert await payments_of(service, marta) == []


async def test_one_thing_can_be_changed_before_it_is_sent(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros")
        await marta.sees("Q150.00")
        await marta.chooses("Cambiar")
        await marta.has("¿Qué desea cambiar?")
        await marta.chooses("Monto")
        await marta.has("¿Cuánto?")
        await marta.says("175.50")
        await marta.has("Q175.50", "Libros", "Revise")
        await marta.chooses("Cambiar")
        await marta.rests()
        await marta.chooses("Por SMS")
        await marta.has("Q175.50", "Por: sms")
        await marta.chooses("Confirmar")
        await marta.rests()
        if door == "whatsapp":
            await marta.says(PIN)
        await marta.has("Entregado por sms")
        (found,) = await payments_of(service, marta)
        assert (found["amount_minor"], found["route"]) == (17550, ["sms"])


async def test_a_double_tap_of_confirm_makes_one_payment(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {customer.phone} 20.00 Lápiz")
        await marta.sees("Q20.00")
        if door == "telegram":
            await asyncio.gather(marta.chooses("Confirmar"), marta.chooses("Confirmar"))
        else:
            number = marta.number_of("Confirmar")
            await marta.says(number)
            await marta.sees("PIN")
            await asyncio.gather(marta.says(PIN), marta.says(PIN))
        await marta.rests()
        assert len(await payments_of(service, marta)) == 1


async def test_an_old_card_does_nothing_once_it_was_changed(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {customer.phone} 30.00 Uno")
        await marta.sees("Q30.00")
        old = _oldest_confirm(service, marta)
        await marta.says(f"/cobrar {customer.phone} 40.00 Dos")
        await marta.sees("Q40.00")
        if door == "telegram":
            service.sandbox.telegram.tap(marta.person.telegram_id, *old)
            await marta.sees("ya se usó o venció")
            await marta.rests()
            assert await payments_of(service, marta) == []
        await marta.chooses("Confirmar")
        await marta.proves()
        await marta.rests()
        assert [each["amount_minor"] for each in await payments_of(service, marta)] == [4000]


def _oldest_confirm(service: Service, marta: Seller) -> tuple[int, str]:
    """The first Confirm button on show: its message and data."""
    for message in service.sandbox.telegram.chats.chat(marta.person.telegram_id).messages:
        rows = (message.markup or {}).get("inline_keyboard")
        if isinstance(rows, list):
            return message.message_id, rows[0][0]["callback_data"]
    return 0, ""


async def test_the_same_sum_again_is_asked_about_first(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.charges(customer.phone, "60.00")
        await marta.says(f"/cobrar {customer.phone} 60.00 Libros")
        await marta.sees("Q60.00")
        await marta.chooses("Confirmar")
        await marta.has("ya se pidió", "Q60.00")
        await marta.chooses("No enviar")
        await marta.rests()
        assert len(await payments_of(service, marta)) == 1
        await marta.skips()
        await marta.says(f"/cobrar {customer.phone} 60.00 Libros")
        await marta.sees("Q60.00")
        await marta.chooses("Confirmar")
        await marta.rests()
        await marta.chooses("Sí, otra vez")
        await marta.rests()
        if door == "whatsapp":
            await marta.says(PIN)
            await marta.rests()
        assert len(await payments_of(service, marta)) == 2


async def test_limits_hold_for_one_payment_and_for_a_day(service: Service, door: str) -> None:
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {new_person(service).phone} 5000.01 Mucho")
        await marta.sees("límite por cobro es Q5,000.00")
        await marta.sees("¿Cuánto?")
        await marta.says("/cancelar")
        await marta.sees("no se envía nada")
        for _ in range(3):
            charged = await marta.charges(new_person(service).phone, "2900.00")
            await service.until_message({"id": charged}, "link", *ARRIVED)
            await marta.skips()
        await marta.says(f"/cobrar {new_person(service).phone} 300.01 Demasiado")
        await marta.sees("le quedan Q300.00")
        assert len(await payments_of(service, marta)) == 3


async def test_a_large_sum_waits_for_somebody_else(service: Service, door: str) -> None:
    async with (
        seller(service, door, "manager", "Olga") as olga,
        seller(service, door) as marta,
    ):
        charged = await marta.charges(new_person(service).phone, "3500.00", "Mesa")
        assert (await service.http.get(f"/v1/payments/{charged}")).json()["status"] == "held"
        await marta.has("visto bueno de otra persona")
        await olga.has("Marta pide su visto bueno", "Q3,500.00", charged)
        await marta.says(f"/aprobar {charged}")
        await marta.sees("rol no permite")
        await marta.says(f"/reenviar {charged}")
        await marta.sees("espera a otra persona")
        await olga.skips()
        await olga.says(f"/aprobar {charged}")
        await olga.proves()
        await olga.sees("Aprobado: Q3,500.00")
        await marta.has("Entregado por whatsapp", "Q3,500.00")
        await olga.says(f"/aprobar {charged}")
        await olga.proves()
        await olga.sees("no espera ningún visto bueno")
        assert len(await payments_of(service, marta)) == 1
        assert (await service.http.post(f"/v1/staff/{olga.id}/remove")).status_code == 200


async def test_a_managers_own_large_sum_needs_another_manager(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Olga") as olga:
        charged = await olga.charges(new_person(service).phone, "30000.00", "Bodega")
        await olga.has("no hay ninguna")
        await olga.says(f"/aprobar {charged}")
        await olga.proves()
        await olga.sees("No puede aprobar su propio cobro")
        assert (await service.http.get(f"/v1/payments/{charged}")).json()["status"] == "held"
        assert (await service.http.post(f"/v1/staff/{olga.id}/remove")).status_code == 200


async def test_whoever_is_removed_is_out_in_mid_dialogue(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros")
        await marta.sees("Revise")
        removed = await service.http.post(f"/v1/staff/{marta.id}/remove", json={"by": "boss"})
        assert removed.status_code == 200
        await marta.chooses("Confirmar")
        await marta.says(f"/cobrar {customer.phone} 150.00 Libros")
        await marta.rests()
        assert await payments_of(service, marta) == []
        assert not [said for said in marta.shown()[-2:] if "Revise" in said]


async def test_two_people_do_not_disturb_each_other(service: Service, door: str) -> None:
    one, other = new_person(service), new_person(service)
    async with seller(service, door) as marta, seller(service, door, name="Nora") as nora:
        await marta.says(f"/cobrar {one.phone} 70.00 Uno")
        await nora.says(f"/cobrar {other.phone} 80.00 Otro")
        await marta.sees("Q70.00", one.phone)
        await nora.sees("Q80.00", other.phone)
        await asyncio.gather(marta.chooses("Confirmar"), nora.chooses("Confirmar"))
        await marta.proves()
        await nora.proves()
        await marta.has("Entregado", "Q70.00")
        await nora.has("Entregado", "Q80.00")


async def test_what_others_sell_is_not_there_for_an_agent(service: Service, door: str) -> None:
    async with seller(service, door) as marta, seller(service, door, name="Nora") as nora:
        charged = await nora.charges(new_person(service).phone, "90.00")
        found = (await service.http.get(f"/v1/payments/{charged}")).json()
        await marta.says("/estado pay_0000000000")
        unknown = await marta.sees("No encuentro ese cobro")
        for command in ("estado", "porque", "qr", "reenviar", "cancelar", "recibo"):
            for name in (charged, found["links"][0]["reference"]):
                await marta.says(f"/{command} {name}")
                assert await marta.sees() == unknown
        await marta.says("/mis")
        await marta.sees("no hay cobros", but_not=("Q90.00",))


async def test_an_invitation_works_once_and_only_for_a_day(service: Service, door: str) -> None:
    token = (await invited(service, "admin"))["token"]
    async with seller(service, door) as marta:
        stranger = Chat(service, door, new_person(service, "Eva"))
        await _starts(service, stranger, token)
        await stranger.sees("Eva")
        late = Chat(service, door, new_person(service, "Leo"))
        await _starts(service, late, token)
        await late.rests()
        names = [each["name"] for each in (await service.http.get("/v1/staff")).json()["staff"]]
        assert "Eva" in names
        assert "Leo" not in names
        assert marta.id
        for each in (await service.http.get("/v1/staff")).json()["staff"]:
            if each["name"] == "Eva":
                await service.http.post(f"/v1/staff/{each['id']}/remove")


async def _starts(service: Service, chat: Chat, token: str) -> None:
    if chat.channel == "telegram":
        service.sandbox.telegram.start(chat.person.telegram_id, token)
    else:
        await chat.says(f"/start {token}")


async def test_the_qr_is_shown_at_the_counter(service: Service, door: str) -> None:
    async with seller(service, door) as marta:
        await marta.says(f"/cobrar {new_person(service).phone} 45.00 Café por qr")
        await marta.sees("Q45.00", "Por: código QR", "Café")
        await marta.chooses("Confirmar")
        await marta.proves()
        found = await marta.has("Q45.00 · Café", service.sandbox.base_url)
        (payment,) = await payments_of(service, marta)
        assert payment["links"][0]["migo_channel"] == "web"  # type: ignore[index]
        assert found
        if door == "telegram":
            chat = service.sandbox.telegram.chats.chat(marta.person.telegram_id)
            assert any(message.photo for message in chat.messages)
        await marta.skips()
        await marta.says(f"/qr {payment['id']}")
        await marta.sees("Q45.00", service.sandbox.base_url)


async def test_money_by_other_means_is_booked_by_name(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Olga") as olga:
        charged = await olga.charges(new_person(service).phone, "55.00")
        await service.until_message({"id": charged}, "link", "delivered", "read")
        await olga.skips()
        await olga.says(f"/confirmar {charged}")
        await olga.sees("¿", "Q55.00", "otro medio")
        await olga.chooses("Sí, ya pagó")
        await olga.proves()
        await olga.has("anotado como pagado por otro medio")
        paid = (await service.http.get(f"/v1/payments/{charged}")).json()
        assert paid["status"] == "paid"
        assert "paid by other means" in paid["timeline"][-2]["why"] + paid["timeline"][-3]["why"]
        assert not [each for each in paid["messages"] if each["purpose"] == "receipt"]
        service.sandbox.migo.approve(service.uid_of(paid))
        again = await service.until(paid, lambda seen: bool(seen["overpaid"]))
        assert again["status"] == "paid"
        assert (await service.http.post(f"/v1/staff/{olga.id}/remove")).status_code == 200


def _was_sent(seen: dict[str, Any]) -> bool:
    return bool(messages_of(seen, "link", "delivered", "read"))


async def test_a_link_is_replaced_by_a_manager_who_takes_the_risk(
    service: Service, door: str
) -> None:
    async with seller(service, door, "manager", "Olga") as olga:
        customer = new_person(service)
        charged = await olga.charges(customer.phone, "56.00")
        linked = await service.until({"id": charged}, _was_sent)
        old = linked["links"][0]
        await olga.skips()
        await olga.says(f"/reemplazar {charged}")
        await olga.sees("¿", "Q56.00", "podría pagar los dos", old["reference"])
        await olga.chooses("Sí, otro enlace")
        await olga.proves()
        await olga.has("Se hace otro enlace")
        again = await service.until(linked, lambda seen: len(seen["links"]) == 2)
        assert [link["superseded"] for link in again["links"]] == [True, False]
        assert again["multi_link"] is True
        await service.until(
            again, lambda seen: sum(each["purpose"] == "link" for each in seen["messages"]) == 2
        )
        for uid in (each["uid"] for each in again["links"]):
            service.sandbox.migo.approve(uid)
        paid = await service.until(again, lambda seen: bool(seen["overpaid"]))
        assert [each["kind"] for each in paid["alerts"]] == ["overpaid"]
        assert (await service.http.post(f"/v1/staff/{olga.id}/remove")).status_code == 200


async def test_another_amount_is_accepted_by_name(service: Service, door: str) -> None:
    async with seller(service, door, "manager", "Olga") as olga:
        charged = await olga.charges(new_person(service).phone, "57.00")
        linked = await service.until({"id": charged}, _was_sent)
        service.sandbox.migo.approve(service.uid_of(linked), amount_minor=5600)
        await service.until_status(linked, "held")
        await olga.skips()
        await olga.says(f"/aceptar {charged}")
        await olga.sees("Llegó Q56.00", "se pidió Q57.00")
        await olga.chooses("Sí, aceptarlo")
        await olga.proves()
        await olga.has("Q56.00", "aceptado como pago")
        paid = await service.until_status(linked, "paid")
        assert [each for each in paid["alerts"] if each["kind"] == "mismatch"] == []
        assert len([each for each in paid["messages"] if each["purpose"] == "receipt"]) == 1
        assert (await service.http.post(f"/v1/staff/{olga.id}/remove")).status_code == 200


async def test_a_stranger_gets_nothing_of_this(service: Service, door: str) -> None:
    stranger = Chat(service, door, new_person(service, "Eva"))
    victim = new_person(service)
    await stranger.says(f"/cobrar {victim.phone} 150.00 Robo")
    await stranger.rests()
    found = (await service.http.get("/v1/payments?limit=200")).json()["payments"]
    assert victim.phone not in [each["customer"]["phone"] for each in found]
    assert not [said for said in stranger.shown() if "Revise" in said]


async def test_replayed_updates_make_no_second_payment(service: Service, door: str) -> None:
    async with seller(service, door) as marta:
        (last,) = await service.select("select max(id) from inbox")
        charged = await marta.charges(new_person(service).phone, "35.00")
        await service.app.store.transact(lambda tx: replay_since(tx, last[0]))
        await marta.rests()
        assert [each["id"] for each in await payments_of(service, marta)] == [charged]


def replay_since(tx: Tx, last_id: int) -> None:
    """Have everything since then handled once more, as if its marks had been lost."""
    tx.run(sa.text("update inbox set status = 'new' where id > :id"), {"id": last_id})
    tx.wake("inbox")


async def test_whoever_was_put_out_hears_of_no_money(service: Service, door: str) -> None:
    customer = new_person(service)
    async with seller(service, door) as marta:
        found = await service.read({"id": await marta.charges(customer.phone)})
        removed = await service.http.post(f"/v1/staff/{marta.id}/remove", json={"by": "boss"})
        assert removed.status_code == 200
        await marta.rests()
        before = marta.shown()
        service.sandbox.migo.approve(service.uid_of(found))
        await service.until_status(found, "paid")
        await service.until_message(found, "receipt", *ARRIVED)
        await marta.rests()
        assert marta.shown() == before


async def test_the_card_says_where_the_customer_said_stop(service: Service, door: str) -> None:
    async with Chat(service, "sms") as ana, seller(service, door) as marta:
        await ana.says("baja")
        await ana.sees()
        await marta.says(f"/cobrar {ana.person.phone} 150.00 Libros")
        await marta.sees("Revise", "Pidió que no le escriban por SMS:")
        await ana.says("alta")
        await ana.rests()
        await marta.says(f"/cobrar {ana.person.phone} 160.00 Libros")
        await marta.sees("Revise", but_not=("Pidió que no",))
