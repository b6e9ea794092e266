"""What `paybot doctor` asks providers, against the sandbox."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.cli.findings import Finding, Level
from bot.cli.probes import probe_all
from bot.sandbox.app import Sandbox
from bot.settings import Settings


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start(port=0, smtp_port=0)
    yield sandbox
    await sandbox.stop()


async def probed(sandbox: Sandbox, **changed: str) -> dict[str, Finding]:
    settings = Settings.load({**sandbox.environment(), **changed})
    found = await asyncio.to_thread(lambda: list(probe_all(settings)))
    return {each.subject: each for each in found}


async def test_the_sandbox_knows_its_own_settings(sandbox: Sandbox) -> None:
    found = await probed(sandbox)
    assert {"migo answers", "twilio", "mail relay", "telegram bot", "clock"} <= found.keys()
    assert {each.level for each in found.values()} == {Level.OK}


@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({"TWILIO_AUTH_TOKEN": "1" * 32}, "twilio"),
        ({"TWILIO_ACCOUNT_SID": "AC" + "1" * 32}, "twilio"),
        ({"TELEGRAM_BOT_TOKEN": "1000000000:AA" + "x" * 33}, "telegram bot"),
    ],
)
async def test_wrong_credentials_are_a_failure_that_names_no_secret(
    sandbox: Sandbox, changed: dict[str, str], subject: str
) -> None:
    wrong = (await probed(sandbox, **changed))[subject]
    assert wrong.level is Level.FAIL
    assert not any(secret in wrong.text for secret in changed.values())


async def test_a_provider_that_is_away_is_a_warning(sandbox: Sandbox) -> None:
    away = {
        "MIGO_BASE_URL": "http://127.0.0.1:1/migo",
        "TWILIO_BASE_URL": "http://127.0.0.1:1",
        "TELEGRAM_API_URL": "http://127.0.0.1:1",
        "SMTP_URL": "smtp://127.0.0.1:1?tls=off",
    }
    found = await probed(sandbox, **away)
    assert {each.level for each in found.values()} == {Level.WARN}
    assert sandbox.config.telegram.token not in str(found)


async def test_a_relay_that_is_no_safe_one_is_not_ok(sandbox: Sandbox) -> None:
    url = sandbox.environment()["SMTP_URL"].removesuffix("?tls=off")
    assert (await probed(sandbox, SMTP_URL=url))["mail relay"].level is not Level.OK
