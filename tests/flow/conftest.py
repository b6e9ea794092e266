"""A running service for each flow test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.flow.service import Service

BOT_SECRET = "telegram-webhook-secret"
QUICK = "whatsapp=2,sms=2,email=2,telegram=2"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Sandbox and service on the embedded default."""
    async with Service(tmp_path, FALLBACK_AFTER=QUICK) as running:
        yield running


@pytest.fixture
def shared_settings(postgres_url: str, redis_url: str, redis_prefix: str) -> dict[str, str]:
    """The settings of a service on PostgreSQL and Redis, both empty."""
    migrate(postgres_url)
    empty(postgres_url)
    return {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "REDIS_PREFIX": redis_prefix}


@pytest.fixture
async def shared_service(tmp_path: Path, shared_settings: dict[str, str]) -> AsyncIterator[Service]:
    """Sandbox and service on PostgreSQL and Redis."""
    url = shared_settings.pop("DATABASE_URL")
    async with Service(tmp_path, url, FALLBACK_AFTER=QUICK, **shared_settings) as running:
        yield running


@pytest.fixture(params=["service", "shared_service"])
def any_service(request: pytest.FixtureRequest) -> Service:
    """The service on either pair of engines."""
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def called_service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """A service that Telegram calls rather than being polled, on either engine."""
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("shared_settings")["DATABASE_URL"]
    async with Service(tmp_path, url, TELEGRAM_WEBHOOK_SECRET=BOT_SECRET) as running:
        yield running
