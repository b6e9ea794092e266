"""What chat tests share: channels that have chats, debts, and paying them."""

from pathlib import Path

import sqlalchemy as sa

from bot.domain.payment import PaymentStatus
from bot.sandbox.people import Person
from bot.store import payments
from bot.store.engine import Tx
from tests.flow.dialog import Chat
from tests.flow.service import Json, Service

CHANNELS = ("telegram", "whatsapp", "sms")
DESK_ID = 899_000_001
"""The Telegram chat where news for staff goes."""

CATALOGUE = """
[[product]]
name = "Mensualidad"
price = "150.00"
currency = "GTQ"

[[product]]
name = "Cuaderno"
price = "25.00"
currency = "GTQ"
quantity = 5
"""


async def owes(service: Service, chat: Chat, locale: str | None = None, **fields: object) -> Json:
    """Let the merchant ask this person for money in a way that no message tells them of."""
    customer = {"phone": chat.person.phone, "name": "Ana", "email": None, "locale": locale}
    payment = await service.create("web", customer=customer, **fields)
    return await service.until_status(payment, "linked")


async def pays(service: Service, payment: Json) -> None:
    """Let the person pay on Migo's page."""
    linked = await service.read(payment)
    service.sandbox.migo.approve(service.uid_of(linked))
    await service.until_status(payment, "paid")


def talking_service(folder: Path, **extra: str) -> Service:
    """A service with a catalogue and somebody at the desk; to be entered."""
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE, "utf-8")
    settings = {"CATALOGUE": str(catalogue), "STAFF_NOTIFY": f"telegram:{DESK_ID}", **extra}
    service = Service(folder, **settings)
    desk = Person("desk", "Marta", phone="+50255569999", telegram_id=DESK_ID)
    service.sandbox.people.add(desk)
    return service


def expire(tx: Tx, payment: Json) -> None:
    """Let a payment's time run out now."""
    found = payments.read(tx, payment["id"])
    assert found is not None
    payments.move(tx, found, PaymentStatus.EXPIRED, why="its time ran out")


def replay_last_update(tx: Tx) -> None:
    """Have Telegram's newest update handled once more, as if its mark had been lost."""
    newest = sa.text(
        "update inbox set status = 'new', token = null"
        " where id = (select max(id) from inbox where source = 'telegram')"
    )
    tx.run(newest)
    tx.wake("inbox")


async def count(service: Service, statement: str, **values: object) -> int:
    """The one number that a statement gives."""
    return int((await service.select(statement, **values))[0][0])
