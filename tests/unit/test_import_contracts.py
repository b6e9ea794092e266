"""The import contracts hold, and each goes red when what it forbids is planted."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = {
    "The house has floors: imports only go down": (
        "bot/domain/planted.py",
        "import bot.store",
    ),
    "Channels know nothing of the bot": ("channels/planted.py", "import bot.domain.money"),
    "Channels do not know each other": ("channels/sms.py", "import channels.email"),
    "Only the registry names a concrete channel": (
        "bot/handlers/planted.py",
        "import channels.telegram",
    ),
    "Settings are read at the entrance only": ("bot/handlers/planted.py", "import bot.settings"),
    "The emulators share nothing with the code they test": (
        "bot/sandbox/planted.py",
        "import bot.domain.money",
    ),
    "The domain does no I/O": ("bot/domain/planted.py", "import asyncio"),
    "SQL has one doorway": ("bot/handlers/planted.py", "import sqlalchemy"),
    "Redis has one doorway": ("bot/handlers/planted.py", "import redis"),
    "aiogram has one doorway": ("bot/handlers/planted.py", "import aiogram"),
    "APScheduler has two doorways": ("bot/handlers/planted.py", "import apscheduler"),
    "dateparser has one doorway": ("bot/handlers/planted.py", "import dateparser"),
    "matplotlib has one doorway": ("bot/handlers/planted.py", "import matplotlib"),
    "Pillow has one doorway": ("bot/handlers/planted.py", "import PIL"),
    "openpyxl has one doorway": ("bot/handlers/planted.py", "import openpyxl"),
    "httpx has few doorways": ("bot/handlers/planted.py", "import httpx"),
}
"""For each contract a file, new or not, and the line that breaks the contract there."""


def contracts() -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [contract["name"] for contract in config["tool"]["importlinter"]["contracts"]]


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """The exit code, and each contract with KEPT or BROKEN."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert verdicts, done.stdout + done.stderr
    return done.returncode, verdicts


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code to plant in."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in ("bot", "channels"):
        shutil.copytree(ROOT / package, folder / package, ignore=_not_python)
    return folder


def _not_python(folder: str, names: list[str]) -> set[str]:
    is_kept = [name for name in names if name.endswith(".py") or (Path(folder) / name).is_dir()]
    return set(names) - set(is_kept) | {"__pycache__"}


def test_every_contract_has_a_case() -> None:
    assert set(PLANTED) == set(contracts())


def test_the_house_is_clean(house: Path) -> None:
    code, verdicts = lint(house)
    assert verdicts == dict.fromkeys(contracts(), "KEPT")
    assert code == 0


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_import_turns_its_contract_red(house: Path, contract: str) -> None:
    name, line = PLANTED[contract]
    path = house / name
    before = path.read_text("utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n", "utf-8")
    try:
        code, verdicts = lint(house)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, "utf-8")
    assert verdicts[contract] == "BROKEN"
    assert code == 1
