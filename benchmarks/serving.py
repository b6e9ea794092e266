"""What a `serve` process is told, where a benchmark starts one."""

import os
from pathlib import Path

from tests.services import free_port


def environment(database_url: str, folder: Path, **more: str) -> dict[str, str]:
    """Settings of a service with Migo and SMS on, and whatever else a benchmark wants."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "PORT": str(free_port()),
        "MIGO_CLIENT": "shop",
        "MIGO_TOKEN": "migo-token-0123456789",
        "MIGO_AMOUNT_UNIT": "minor",
        "MIGO_CALLBACK_SECRET": "callback-secret-0123456789",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0" * 32,
        "TWILIO_SMS_FROM": "+15005550006",
        **more,
    }
