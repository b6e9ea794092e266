"""Every named point of death, on either engine, again and again with other moments around it."""

import tempfile
import time
from pathlib import Path

import pytest

from bot.store.migrate import migrate
from tests.contract.databases import empty
from tests.crash.cuts import POINTS
from tests.crash.progress import shown
from tests.crash.report import Report
from tests.crash.test_crash_points import AFTER_PAYING, live


async def points(engine: str, *, repeats: int, postgres_url: str | None = None) -> Report:
    """Die at each point `repeats` times; where news came already also with news out of order."""
    report, began = Report("points", {"engine": engine, "reps": repeats}), time.monotonic()
    broken: list[str] = []
    for point in shown(POINTS, "points"):
        for _ in range(repeats):
            for is_shuffled in (False, True)[: 1 + (point in AFTER_PAYING)]:
                try:
                    await _die_at(point, postgres_url, is_shuffled=is_shuffled)
                except AssertionError as error:
                    broken.append(f"{point}: {error}"[:300])
    report.figures["points"] = f"{len(POINTS)}/{len(POINTS)}"
    report.figures["secs"] = time.monotonic() - began
    report.none_of("violations", broken)
    return report


async def _die_at(point: str, postgres_url: str | None, *, is_shuffled: bool) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="paybot-point-") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        url = postgres_url or f"sqlite:///{name}/paybot.db"
        migrate(url)
        if postgres_url is not None:
            empty(url)
        await live(Path(name), url, patch, point, is_shuffled=is_shuffled)
