"""The staff chat gets the day in numbers, with a picture where the channel has them."""

from dataclasses import replace
from datetime import time
from pathlib import Path

from bot.handlers import summary
from tests.flow.dialog import Chat
from tests.flow.people import DESK_ID, owes, pays, talking_service
from tests.flow.service import Service
from tests.services import eventually


async def told(service: Service) -> None:
    """Have the day told now; the service by itself never does."""
    rules = replace(service.app.rules, summary_at=time())
    await service.app.store.transact(lambda tx: summary.tell_day(tx, rules))


async def test_telegram_gets_text_and_picture(tmp_path: Path) -> None:
    async with talking_service(tmp_path) as service:
        service.sandbox.telegram.start(DESK_ID)
        async with Chat(service, "sms") as ana:
            await pays(service, await owes(service, ana))
            await owes(service, ana, amount_minor=4200)
        await told(service)
        await told(service)
        messages = service.sandbox.telegram.chats.chat(DESK_ID).messages
        await eventually(lambda: any("Resumen" in each.text for each in messages), 30)
        found = [each for each in messages if "Resumen" in each.text]
        assert len(found) == 1
        assert found[0].photo
        for part in ("Pagados: 1 (Q150.00)", "Pendientes: 1 (Q42.00)"):
            assert part in found[0].text.replace("\xa0", " ")


async def test_mail_gets_a_subject_and_the_picture(tmp_path: Path) -> None:
    async with Service(tmp_path, STAFF_NOTIFY="email:staff@example.com") as service:
        await told(service)
        box = service.sandbox.mailbox
        await eventually(lambda: bool(box.read_by("staff@example.com")), 30)
        [mail] = box.read_by("staff@example.com")
        assert "Resumen del" in mail.subject
        assert "Pagados: 0" in mail.text
        assert b"image/png" in mail.raw
