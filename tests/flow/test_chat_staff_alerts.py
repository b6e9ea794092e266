"""What waits for a person is listed in the staff chat and over the CLI, and closed by name."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.concurrency import run_in_threadpool

from bot.domain.payment import Alert
from bot.store import ledger
from tests.flow.people import count
from tests.flow.service import TOKEN, Service
from tests.flow.staff import seller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("alerts")) as running:
        yield running


async def raised(service: Service, key: str) -> int:
    detail = "the customer says it is paid, and Migo reported nothing"
    await service.app.store.transact(
        lambda tx: ledger.raise_alert(tx, Alert.CLAIMED_PAID, key=key, detail=detail)
    )
    return await count(service, "select max(id) from alert")


async def closed_by(service: Service, number: int) -> object:
    found = await service.select("select closed_by from alert where id = :id", id=number)
    return found[0][0]


async def test_a_manager_closes_what_is_done(service: Service) -> None:
    async with seller(service, "telegram", "manager", "Eva") as eva:
        number = await raised(service, "one")
        await eva.says("/alertas")
        await eva.sees("el cliente dice que ya pagó", f"Listo {number}")
        await eva.chooses(f"Listo {number}")
        await eva.sees(f"Aviso {number} cerrado")
        assert "Eva" in str(await closed_by(service, number))
        await eva.says("/alertas")
        await eva.sees("Nada espera")


async def test_a_seller_closes_nothing(service: Service) -> None:
    async with seller(service, "telegram") as marta:
        await marta.says("/alertas")
        await marta.sees("rol no permite")


async def test_the_cli_lists_and_closes(service: Service) -> None:
    number = await raised(service, "two")

    def paybot(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "bot", "alerts", *words],
            env={"PAYBOT_URL": service.base_url, "PAYBOT_TOKEN": TOKEN, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    assert "claimed_paid" in await run_in_threadpool(paybot)
    assert f"alert {number} is closed" in await run_in_threadpool(paybot, "close", str(number))
    assert "nothing waits" in await run_in_threadpool(paybot)
    assert "no open alert" in await run_in_threadpool(paybot, "close", str(number))
