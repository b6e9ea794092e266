"""`paybot schedule` against a running service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.service import PHONE, Service
from tests.flow.test_cli import Shop

ADD = (
    *("schedule", "add", "--phone", PHONE, "--amount", "150.00", "--currency", "GTQ"),
    *("--channel", "sms", "--concept", "Mensualidad"),
)


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.chdir(tmp_path)
    async with Service(tmp_path, TELEGRAM_BOT_TOKEN="") as service:
        yield Shop(service, tmp_path)


async def test_a_schedule_is_added_looked_at_moved_and_ended(shop: Shop) -> None:
    result = await shop.run(*ADD, "--rule", "cada mes el 31", "--time-zone", "America/Guatemala")
    assert result.exit_code == 0, result.output
    made, _, coming = result.stdout.partition(" is active; next dates: ")
    dates = coming.strip().split(", ")
    assert (made[:4], len(dates)) == ("sch_", 5)
    shown = (await shop.run("schedule", "show", made)).stdout
    assert "monthly 31 09:00, America/Guatemala" in shown
    assert ", ".join(dates) in shown
    listed = (await shop.run("schedule", "list")).stdout
    assert made in listed
    assert "GTQ 150.00" in listed
    skipped = await shop.run("schedule", "skip", made, "--on", dates[1])
    assert dates[1] not in skipped.stdout
    assert f"{dates[1]}  skipped" in (await shop.run("schedule", "show", made)).stdout
    assert "is paused; next dates: none" in (await shop.run("schedule", "pause", made)).stdout
    assert "is active" in (await shop.run("schedule", "resume", made)).stdout
    assert "is ended" in (await shop.run("schedule", "remove", made)).stdout
    gone = await shop.run("schedule", "resume", made)
    assert (gone.exit_code, gone.stderr.count("\n")) == (1, 1)
    assert (await shop.run("schedule", "list", "--status", "active")).stdout == "no schedules\n"


async def test_adding_is_safe_to_repeat_under_a_key(shop: Shop) -> None:
    args = (*ADD, "--rule", "daily 09:00", "--key", "fee-ana")
    first, again = await shop.json(*args), await shop.json(*args)
    assert first["id"] == again["id"]
    assert first["created_by"].startswith("cli")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rule", "sometimes"), "rule write the rule as one of these"),
        (("--rule", "monthly 32"), "rule day must be 1 to 31"),
        (("--rule", "daily", "--starts-on", "soon"), "starts_on must be a date"),
        (("--rule", "daily", "--time-zone", "Mars"), "time_zone must be a time zone"),
        (("--rule", "daily", "--route", "sms"), "give either --channel or --route"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    shop: Shop, args: tuple[str, ...], said: str
) -> None:
    result = await shop.run(*ADD, *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


async def test_the_preview_lists_what_is_planned(shop: Shop) -> None:
    assert "nothing is planned" in (await shop.run("schedule", "preview")).stdout
    made = await shop.json(*ADD, "--rule", "daily 09:00")
    result = await shop.run("schedule", "preview", "--days", "3")
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()[1:]
    assert len([row for row in rows if "payment" in row]) == 3
    # How many reminders of them fall into three days is told by the hour and the weekday.
    assert all(made["id"] in row and ("payment" in row or "reminder" in row) for row in rows)
    found = await shop.json("schedule", "preview", "--days", "3")
    assert len(found["planned"]) == len(rows)


async def test_an_id_that_is_none_is_said_so(shop: Shop) -> None:
    for wrong, code in (("../x", 2), ("sch_nobody", 2)):
        result = await shop.run("schedule", "show", wrong)
        assert (result.exit_code, result.stderr.count("\n")) == (code, 1)
