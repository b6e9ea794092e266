"""The sandbox has something to sell, so that buying can be tried on the phones."""

from pathlib import Path

from bot.sandbox.app import Sandbox
from tests.flow.dialog import Chat
from tests.flow.service import Service


async def test_a_customer_buys_from_the_sample_catalogue(tmp_path: Path) -> None:
    async with Service(tmp_path, **Sandbox().shop()) as service, Chat(service, "whatsapp") as ana:
        await ana.says("comprar")
        await ana.sees("Mensualidad", "Cuaderno", "Uniforme")
        await ana.chooses("Cuaderno")
        await ana.sees("25.00", "1 al 5")
        await ana.says("2")
        await ana.sees("Q50.00", "Confirma")
        await ana.says("sí")
        await ana.sees("Q50.00")
        await ana.sees("http")
