"""Why a reminder was moved, sent elsewhere or let go, as staff read it with /porque."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio

from bot.domain.calendars import Window
from bot.domain.payment import PaymentStatus
from bot.domain.reminding import DIGEST, Book, Go, Later, Never, Over, Skip, Verdict, judge
from bot.store import ledger
from bot.store.engine import Tx
from bot.store.schema import outbox
from bot.texts.reasons import WORDS
from tests.flow.dialog import new_person
from tests.flow.service import Json, Service, messages_of
from tests.flow.staff import seller
from tests.services import eventually
from tests.unit.domain.test_reminding import (
    COLOMBIA,
    NOW,
    REMINDING,
    ROW,
    ask,
    book,
    colombian,
    owing,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
SUNDAY = datetime.fromisoformat("2026-12-06T18:00:00+00:00")
CHRISTMAS = datetime.fromisoformat("2026-12-25T18:00:00+00:00")
FAR = Window(REMINDING.hours, replace(COLOMBIA, closes_on_holidays=True, days_between=3))
SOON_OVER = replace(
    owing(expires_at=NOW + timedelta(hours=20)), paused_until=NOW + timedelta(days=1)
)
BY_SMS = ask(30, is_reminder=False, channel="sms", payment_id="p1")
TOLD: list[tuple[str, Book, datetime, str]] = [
    ("status", owing(status=PaymentStatus.PAID), NOW, "estado: el cobro está pagado"),
    (
        "expiry",
        owing(expires_at=NOW),
        NOW,
        "plazo: se le acabó el plazo: 2026-12-01 10:00 hora del cliente",
    ),
    (
        "expiry",
        SOON_OVER,
        NOW,
        "plazo: pausa: el cliente pidió tiempo, hasta 2026-12-02 10:00 hora del cliente; para"
        " entonces ya se le acabó el plazo: podría salir 2026-12-02 10:00, y solo puede hasta"
        " 2026-12-02 06:00",
    ),
    ("dispute", owing(is_disputed=True), NOW, "reclamo: el cliente no lo reconoce"),
    (
        "opt-out",
        book(is_opted_out=True),
        NOW,
        "no quiere mensajes: el cliente pidió no recibir más",
    ),
    (
        "opt-out",
        book(wants_reminders=False),
        NOW,
        "no quiere mensajes: el cliente no quiere recordatorios",
    ),
    ("barred", book(barred_why="blocked at Migo"), NOW, "Migo no lo acepta: "),
    (
        "most",
        replace(owing(sent_again=2), slots={("p1", date(2026, 11, 29)): 50}),
        NOW,
        "límite por cobro: ya se mandaron 3; el máximo es 3; reenviados a mano: 2;"
        " recordatorios: 2026-11-29",
    ),
    (
        "pause",
        book(paused_until=NOW + timedelta(days=1)),
        NOW,
        "pausa: el cliente pidió tiempo, hasta 2026-12-02 10:00 hora del cliente",
    ),
    (
        "person",
        book(human_until=NOW + timedelta(hours=12)),
        NOW,
        "con una persona: una persona está hablando con el cliente, hasta 2026-12-01 22:00 hora"
        " del cliente",
    ),
    (
        "slot",
        book(slots={("p1", ROW.day): 9}),
        NOW,
        "uno por fecha: ya salió uno en esta fecha: fila de salida 9",
    ),
    (
        "gap",
        book(asks=(ask(2, is_reminder=False),)),
        NOW,
        "tiempo entre mensajes: el último mensaje de cobro salió hace menos de 20 h: por"
        " WhatsApp, 2026-12-01 08:00 hora del cliente, del cobro p0",
    ),
    (
        "reach",
        book(closed={"whatsapp": "the customer said stop on whatsapp"}),
        NOW,
        "canal cerrado: el cliente pidió no recibir más por WhatsApp",
    ),
    (
        "cap a day",
        book(asks=(ask(9),)),
        NOW,
        "límite por día: 1 al día como máximo: 2026-12-01 01:00 (p0) hora del cliente",
    ),
    (
        "cap a week",
        book(asks=(ask(24), ask(48))),
        NOW,
        "límite por semana: 2 a la semana como máximo: 2026-11-29 10:00 (p0), 2026-11-30 10:00"
        " (p0) hora del cliente",
    ),
    (
        "days between",
        book(asks=(ask(30),), window=FAR),
        NOW,
        "días de espera: 3 días entre uno y otro en CO: por WhatsApp, 2026-11-30 04:00 hora del"
        " cliente, del cobro p0",
    ),
    (
        "window",
        book(),
        SUNDAY,
        "horario: es domingo: el reloj del cliente marca 2026-12-06 12:00 en America/Guatemala",
    ),
    ("window", book(), NOW + timedelta(hours=9), "horario: allá ya pasaron las 18:00"),
    ("window", book(), NOW - timedelta(hours=3), "horario: allá todavía no son las 09:00"),
    ("window", book(window=FAR), CHRISTMAS, "horario: es feriado (Christmas Day)"),
    (
        "last channel",
        book(asks=(BY_SMS,)),
        NOW,
        "por donde llegó lo anterior: su último mensaje salió por SMS: 2026-11-30 04:00 hora del"
        " cliente",
    ),
    (
        "one channel a week",
        colombian(ask(21, channel="sms")),
        NOW,
        "un solo canal por semana: esta semana ya le llegó un mensaje por SMS: 2026-11-30 13:00"
        " (p0) hora del cliente",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("reminders")) as running:
        yield running


def _decided(verdict: Verdict) -> tuple[str, str, str]:
    """What the books keep of a verdict, its reason, and what staff read in front of it."""
    match verdict:
        case Later(rule=rule, why=why):
            return "reminder moved", f"{rule}: {why}", "recordatorio movido"
        case Never(rule=rule, why=why):
            return "reminder not sent", f"{rule}: {why}", "no se envió: el recordatorio"
        case Over(channel=channel, rule=rule, why=why):
            return f"reminder over {channel}", f"{rule}: {why}", "recordatorio por SMS"
        case Skip(rule=rule, why=why):
            return "reminder not sent", f"{rule}: {why}", "no se envió: el recordatorio"
        case Go():
            raise AssertionError("it goes")


async def test_every_rule_reads_well(service: Service) -> None:
    assert {rule for rule, *_ in TOLD} == {*WORDS["rule"].split("|")} - {DIGEST}
    async with seller(service, "telegram", "manager") as marta:
        number = await marta.charges(new_person(service).phone)
        await marta.skips()
        for rule, known, now, sentence in TOLD:
            what, why, told = _decided(judge(known, ROW, now))
            assert why.startswith(f"{rule}: ")
            await service.app.store.transact(partial(_keep, number, what, why))
            await marta.says(f"/porque {number}")
            said = await marta.sees("Historia de")
            assert f"· {told}: {sentence}" in said.splitlines()[-1]


async def test_every_decision_can_be_read_a_line_each(service: Service) -> None:
    async with seller(service, "whatsapp", "manager") as marta:
        number = await marta.charges(new_person(service).phone)
        for step in range(20):
            keep = partial(_keep, number, f"step {step:02}", "told")
            await service.app.store.transact(keep)
        await marta.skips()
        read: list[str] = []
        for page in range(1, 9):
            await marta.says(f"/porque {number} {page}")
            head, *lines = (await marta.sees("Historia de")).splitlines()
            assert all(line.startswith("• ") for line in lines)
            read = [*lines, *read]
            if f"/porque {number} {page + 1}" not in head:
                break
        assert len(read) > 20
        steps = [line.split("step ")[1][:2] for line in read if "step " in line]
        assert steps == [f"{step:02}" for step in range(20)]


def _keep(number: str, what: str, why: str, tx: Tx) -> None:
    ledger.decide(tx, number, what, why)


async def test_a_reminder_that_came_too_early_is_told(service: Service) -> None:
    async with seller(service, "telegram", "manager") as marta:
        number = await marta.charges(new_person(service).phone)
        await eventually(partial(_brought_forward, service, number), 20)
        await service.until({"id": number}, _is_moved, 30)
        await marta.skips()
        await marta.says(f"/porque {number}")
        await marta.sees(
            "recordatorio movido: tiempo entre mensajes: el último mensaje de cobro salió hace"
            " menos de 20 h: por WhatsApp, "
        )


async def _brought_forward(service: Service, number: str) -> bool:
    """Whether the payment's reminder is planned; it is due now, right behind the link."""
    mine = (outbox.c.payment_id == number) & (outbox.c.purpose == "reminder")
    sent = await service.read({"id": number})
    if not messages_of(sent, "link", "sent", "delivered", "read"):
        return False
    await service.app.store.transact(
        lambda tx: tx.run(outbox.update().where(mine).values(not_before=tx.now))
    )
    return True


def _is_moved(payment: Json) -> bool:
    return any(each["what"] == "reminder moved" for each in payment["timeline"])
