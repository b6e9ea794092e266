"""The books under random steps on both engines; a failure prints the shortest story of it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.engine import Engine

from bot.store.engine import make_engine
from bot.store.migrate import upgrade
from tests.contract.books_machine import Books

STEPS = 50
EXAMPLES = {"sqlite": 60, "postgresql": 20}
"""Other ones at every run; `make torture` lives millions of steps."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A migrated database, in memory where it can be."""
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("empty_postgres_url") if is_postgres else "sqlite://"
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


def test_the_invariants_hold_after_every_step(engine: Engine) -> None:
    machine = type("BooksOnEngine", (Books,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[engine.dialect.name],
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
