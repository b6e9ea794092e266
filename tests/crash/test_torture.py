"""The torture scenarios, each a few times; `make torture` runs them at full length."""

import pytest

from bot.store.migrate import migrate
from tests.conftest import OPTIONAL
from tests.crash.powerloss import NoCompilerError
from tests.crash.report import Report
from tests.crash.scenarios import SCENARIOS, Place

SEED = 20481


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.postgres if each.needs_postgres else ())
        for name, each in SCENARIOS.items()
        if each.short
    ],
)
async def test_the_promises_hold(name: str, request: pytest.FixtureRequest) -> None:
    scenario, url = SCENARIOS[name], None
    if scenario.needs_postgres:
        url = request.getfixturevalue("postgres_url")
        migrate(url)
    try:
        report = await scenario.run(Place(SEED, url), scenario.short)
    except NoCompilerError as error:
        pytest.skip(f"{OPTIONAL} {error}")
    assert report.is_ok, report.line()


def test_a_fault_that_never_bit_fails_the_run() -> None:
    report = Report("kill9")
    report.must_bite(0, "nobody died while sending")
    assert not report.is_ok
    assert "suspicious zero" in report.line()


def test_a_broken_promise_is_named() -> None:
    report = Report("kill9")
    report.none_of("lost", [b"callback 7"])
    assert "lost=1" in report.line()
    assert "callback 7" in report.line()
    assert report.line().splitlines()[0].endswith("FAIL")
