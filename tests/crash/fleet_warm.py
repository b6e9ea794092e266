"""Imported by the process that the fleet is forked from: it has lived through one start itself.

What a service does once, as bringing in libraries and reading certificates, no fork does again.
"""

import asyncio
import tempfile

from bot.app import Application
from bot.memory import spare_what_stays
from bot.sandbox.app import Sandbox
from bot.settings import Settings
from tests.crash.fleet_child import START_ONLY
from tests.services import free_port


async def _live_once(folder: str) -> None:
    told = {
        **Sandbox().environment(),
        "DATABASE_URL": f"sqlite:///{folder}/paybot.db",
        "DATA_DIR": folder,
        "PORT": str(free_port()),
        **START_ONLY,
    }
    application = Application(Settings.load(told))
    await application.start()
    await application.stop()


with tempfile.TemporaryDirectory(prefix="paybot-warm-") as name:
    asyncio.run(_live_once(name))
# Else each fork would look at all that is here, and so have a copy made of every page of it.
spare_what_stays()
