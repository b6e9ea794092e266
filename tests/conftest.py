"""What every test may ask for: a database of its own, Redis under a prefix of its own.

A test that needs a server which is not there is skipped with the reason, or fails where
`REQUIRE_SERVICES=1` asks for all of them.
"""

import os
import secrets
import sys
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import pytest
import redis

from tests.services import find_postgres, find_redis, fresh_database, services_are_required

OPTIONAL = "optional:"
"""How the reason of a skip begins that is fine even where services are required."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A fresh database, one for each worker process, dropped at the end."""
    server_url = find_postgres(os.environ)
    if server_url is None:
        pytest.skip("no PostgreSQL: set TEST_POSTGRES_URL")
    with fresh_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis server, shared with others: keep to keys under `redis_prefix`."""
    url = find_redis(os.environ)
    if url is None:
        pytest.skip("no Redis: set TEST_REDIS_URL")
    return url


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """What this test's keys and topics begin with; they are gone afterwards."""
    prefix = f"paybot-test-{secrets.token_hex(6)}:"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match=f"*{prefix}*", count=1000):
            client.delete(key)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server by what it asks for, so that `-m "not postgres"` leaves it out."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        for service in ("postgres", "redis"):
            if f"{service}_url" in names:
                item.add_marker(service)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where every service is required."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and services_are_required():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if OPTIONAL not in reason:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: REQUIRE_SERVICES is set, but: {reason}"
    return report


def _keep_to_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse any connection that would leave the machine, but to the servers that were named."""
    if event != "socket.connect" or not isinstance(address := arguments[1], tuple):
        return
    host = str(address[0])
    named = {urlsplit(os.environ.get(name, "")).hostname for name in _SERVER_NAMES}
    if not (host in {"localhost", "::1"} or host.startswith("127.") or host in named):
        raise RuntimeError(f"a test tried to reach {host}")


_SERVER_NAMES = ("TEST_POSTGRES_URL", "TEST_REDIS_URL")
sys.addaudithook(_keep_to_this_machine)
