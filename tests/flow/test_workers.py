"""Several processes on one PostgreSQL and Redis share the work and double none of it."""

from pathlib import Path

from bot.app import Application, Role
from tests.flow.service import Service

DELIVERED = ("delivered", "read")


class OnlyWeb(Service):
    """Takes requests and callbacks; the work is left to others."""

    async def start(self, roles: frozenset[Role] = frozenset({Role.WEB})) -> None:
        await super().start(roles)


async def test_two_workers_double_nothing(tmp_path: Path, shared_settings: dict[str, str]) -> None:
    url = shared_settings.pop("DATABASE_URL")
    async with OnlyWeb(tmp_path, url, TELEGRAM_BOT_TOKEN="", **shared_settings) as service:
        roles = (Role.WORKER, Role.SCHEDULER)
        workers = [Application(service.settings(), roles=roles) for _ in range(2)]
        for worker in workers:
            await worker.start()
        try:
            payments = [await service.create("sms") for _ in range(10)]
            for payment in payments:
                await service.until_message(payment, "link", *DELIVERED)
                service.sandbox.migo.approve(service.uid_of(await service.read(payment)), times=3)
            for payment in payments:
                await service.until_message(payment, "receipt", *DELIVERED)
        finally:
            for worker in workers:
                await worker.stop()
        assert len(list(service.sandbox.twilio.messages)) == 2 * len(payments)
        assert len(list(service.sandbox.migo.transactions)) == len(payments)
