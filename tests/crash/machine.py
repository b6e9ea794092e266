"""The state machine of the books, for millions of steps: a failure tells its shortest story."""

import time
import traceback

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from bot.store.engine import make_engine
from bot.store.migrate import upgrade
from tests.contract.books_machine import Books
from tests.crash.progress import shown
from tests.crash.report import Report

STEPS = 50
"""Of one story; a short one explains more."""

STORIES = 100
"""Between two looks at the clock."""


def drive(url: str, *, steps: int, first_seed: int, is_shrunk: bool = True) -> Report:
    """Live `steps` random steps on a database and look at everything after each of them."""
    engine, began, done = make_engine(url), time.monotonic(), 0
    report = Report("machine", {"engine": engine.dialect.name, "seed": first_seed})
    upgrade(engine)
    try:
        for number in shown(range(0, steps, STEPS * STORIES), engine.dialect.name):
            machine = seed(first_seed + number)(type("Machine", (Books,), {"engine": engine}))
            stories = min(STORIES, -(-(steps - number) // STEPS))
            run_state_machine_as_test(machine, settings=_settings(stories, is_shrunk=is_shrunk))
            done += stories * STEPS
    except (Exception, HypothesisException, BaseExceptionGroup) as error:  # noqa: BLE001
        report.violations.append("".join(traceback.format_exception_only(error))[-3000:])
    finally:
        engine.dispose()
    took_s = time.monotonic() - began
    report.figures |= {"steps": done, "secs": took_s, "per_s": done / took_s}
    return report


def _settings(stories: int, *, is_shrunk: bool) -> settings:
    return settings(
        max_examples=stories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if is_shrunk else [])],
        suppress_health_check=list(HealthCheck),
    )
