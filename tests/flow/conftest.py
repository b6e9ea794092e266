"""A running service for each flow test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.service import Service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Sandbox and service on the embedded default."""
    async with Service(tmp_path, FALLBACK_AFTER="whatsapp=2,sms=2,email=2,telegram=2") as running:
        yield running
