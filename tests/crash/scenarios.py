"""Every torture scenario: how often it runs before a release, and how often at every change."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.crash import (
    absence,
    backups,
    chaos,
    controls,
    described,
    disk,
    drain,
    failover,
    fuzz,
    kill9,
    machine,
    migrations,
    outage,
    points,
    powerloss,
    races,
    simulation,
    soak,
    stops,
)
from tests.crash.report import Report


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scenario runs: the seed of all its chance, and a migrated PostgreSQL database."""

    seed: int
    postgres_url: str | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A function of place and count, and the count of each tier; 0 leaves it out of the short."""

    run: Callable[[Place, int], Coroutine[Any, Any, Report]]
    full: int
    short: int
    needs_postgres: bool = False


async def _kill9_sqlite(place: Place, count: int) -> Report:
    return await kill9.kill9("sqlite", cycles=count, seed=place.seed)


async def _kill9_postgres(place: Place, count: int) -> Report:
    url = place.postgres_url
    return await kill9.kill9("postgres", cycles=count, seed=place.seed, postgres_url=url)


def _race(name: str) -> Scenario:
    async def run(place: Place, count: int) -> Report:
        assert place.postgres_url is not None
        return await races.race(name, place.postgres_url, count=count)

    return Scenario(run, 20_000, races.short(name), needs_postgres=True)


def _fuzz(name: str) -> Scenario:
    async def run(place: Place, count: int) -> Report:
        return await fuzz.fuzz(name, cases=count, seed=place.seed)

    return Scenario(run, 1_000_000, 1500)


async def _machine_sqlite(place: Place, count: int) -> Report:
    return machine.drive("sqlite://", steps=count, first_seed=place.seed)


async def _machine_postgres(place: Place, count: int) -> Report:
    assert place.postgres_url is not None
    return machine.drive(place.postgres_url, steps=count, first_seed=place.seed)


async def _virtual(place: Place, count: int) -> Report:
    return await simulation.simulate(stories=count, first_seed=place.seed)


async def _powerloss(place: Place, count: int) -> Report:
    return powerloss.powerloss(cuts=count, seed=place.seed)


async def _controls(place: Place, count: int) -> Report:
    assert place.postgres_url is not None
    return await controls.controls(place.postgres_url, count=count)


async def _db(place: Place, count: int) -> Report:
    return await outage.database_away(restarts=count, seed=place.seed)


async def _absence(place: Place, count: int) -> Report:
    return await absence.database_gone(for_s=count, seed=place.seed)


async def _failover(place: Place, count: int) -> Report:
    return await failover.failed_over(times=count, seed=place.seed)


async def _redis(place: Place, count: int) -> Report:
    assert place.postgres_url is not None
    return await outage.redis_away(place.postgres_url, times=count, seed=place.seed)


async def _points_sqlite(place: Place, count: int) -> Report:
    return await points.points("sqlite", repeats=count)


async def _points_postgres(place: Place, count: int) -> Report:
    return await points.points("postgres", repeats=count, postgres_url=place.postgres_url)


async def _chaos(place: Place, count: int) -> Report:
    return await chaos.chaos(stretches=count, seed=place.seed)


async def _stops_sqlite(place: Place, count: int) -> Report:
    return await stops.stops("sqlite", times=count, seed=place.seed)


async def _stops_postgres(place: Place, count: int) -> Report:
    url = place.postgres_url
    return await stops.stops("postgres", times=count, seed=place.seed, postgres_url=url)


async def _disk(place: Place, count: int) -> Report:
    return await disk.disk_ill(times=count, seed=place.seed)


async def _migrate(place: Place, count: int) -> Report:
    return await migrations.migrations_killed(kills=count, postgres_url=place.postgres_url)


async def _drain(place: Place, count: int) -> Report:
    url = place.postgres_url
    return await drain.drain_killed(rounds=count, seed=place.seed, postgres_url=url)


async def _backup_sqlite(place: Place, count: int) -> Report:
    return await backups.file_copied(times=count, seed=place.seed)


async def _backup_postgres(place: Place, count: int) -> Report:
    assert place.postgres_url is not None
    return await backups.database_dumped(place.postgres_url, times=count, seed=place.seed)


async def _soak(place: Place, count: int) -> Report:
    assert place.postgres_url is not None
    return await soak.soak(place.postgres_url, for_s=count, seed=place.seed)


async def _schema(place: Place, count: int) -> Report:
    return await described.described(examples=count, seed=place.seed)


SCENARIOS = {
    "kill9-sqlite": Scenario(_kill9_sqlite, 1000, 12),
    "kill9-postgres": Scenario(_kill9_postgres, 1000, 6, needs_postgres=True),
    **{f"races-{name}": _race(name) for name in races.RACES},
    **{f"fuzz-{name}": _fuzz(name) for name in fuzz.DOORS},
    "stops-sqlite": Scenario(_stops_sqlite, 200, 2),
    "stops-postgres": Scenario(_stops_postgres, 200, 1, needs_postgres=True),
    "disk": Scenario(_disk, 100, 3),
    "migrate": Scenario(_migrate, 100, 2),
    "drain": Scenario(_drain, 200, 2),
    "backup-sqlite": Scenario(_backup_sqlite, 100, 0),
    "backup-postgres": Scenario(_backup_postgres, 100, 0, needs_postgres=True),
    "schema": Scenario(_schema, 2000, 2),
    # The crash-point tests die at each of them at every change.
    "points-sqlite": Scenario(_points_sqlite, 50, 0),
    "points-postgres": Scenario(_points_postgres, 50, 0, needs_postgres=True),
    "controls": Scenario(_controls, len(controls.CONTROLS), 4, needs_postgres=True),
    "chaos": Scenario(_chaos, 300, 4),
    "db": Scenario(_db, 60, 2, needs_postgres=True),
    # Its count is seconds.
    "absence": Scenario(_absence, 600, 0, needs_postgres=True),
    "failover": Scenario(_failover, 20, 1, needs_postgres=True),
    "redis": Scenario(_redis, 200, 3, needs_postgres=True),
    # Its count is seconds.
    "soak": Scenario(_soak, 600, 0, needs_postgres=True),
    # Its count is stories of three days.
    "virtual": Scenario(_virtual, 500, 1),
    "powerloss": Scenario(_powerloss, 20_000, 100),
    "machine-sqlite": Scenario(_machine_sqlite, 2_000_000, 100),
    "machine-postgres": Scenario(_machine_postgres, 200_000, 50, needs_postgres=True),
}
