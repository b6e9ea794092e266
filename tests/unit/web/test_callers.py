"""Who calls is not what callers say, and who is refused too often hears only that."""

from typing import Any

import pytest

from bot.telemetry.metrics import Metrics
from bot.web.callers import PER_SECOND, Proxies, Refusals

OUTSIDE, PROXY = "203.0.113.9", "10.0.0.5"


def scope_of(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return {"type": "http", "client": peer and (peer, 4711), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        (OUTSIDE, (), OUTSIDE),
        (OUTSIDE, ("198.51.100.1",), OUTSIDE),
        ("127.0.0.1", ("198.51.100.1",), "127.0.0.1"),
        (PROXY, (), PROXY),
        (PROXY, ("198.51.100.1",), "198.51.100.1"),
        (PROXY, ("6.6.6.6, 198.51.100.1",), "198.51.100.1"),
        (PROXY, ("6.6.6.6", "198.51.100.1, 10.0.0.7"), "198.51.100.1"),
        (PROXY, ("10.0.0.7",), PROXY),
        (PROXY, (" , ",), PROXY),
        (None, (), ""),
    ],
)
def test_only_a_trusted_proxy_is_believed(
    peer: str | None, forwarded: tuple[str, ...], caller: str
) -> None:
    assert Proxies(["10.0.0.0/24"]).caller(scope_of(peer, *forwarded)) == caller


def test_this_machine_and_proxies_speak_for_many() -> None:
    proxies = Proxies([PROXY])
    peers = ("127.0.0.1", "::1", PROXY, OUTSIDE, "", "no address")
    assert [proxies.speaks_for_many(peer) for peer in peers] == [True] * 3 + [False] * 3


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def statuses(refusals: Refusals, count: int, peer: str = OUTSIDE) -> list[int]:
    return [refusals.status(scope_of(peer), "migo", 401) for _ in range(count)]


def test_too_many_refusals_within_a_second_are_429_for_their_caller_alone() -> None:
    clock, metrics = Clock(), Metrics()
    refusals = Refusals(metrics, Proxies(), clock=clock)
    assert statuses(refusals, PER_SECOND + 3) == [401] * PER_SECOND + [429] * 3
    assert statuses(refusals, 1, "203.0.113.10") == [401]
    clock.seconds += 1
    assert statuses(refusals, 1) == [401]
    figures = metrics.render().decode()
    assert 'paybot_refused_total{source="migo",status="429"} 3.0' in figures


def test_a_network_of_ipv6_is_one_caller() -> None:
    refusals = Refusals(Metrics(), Proxies(), clock=Clock())
    given = [statuses(refusals, 1, f"2001:db8::{number:x}")[0] for number in range(12)]
    assert given == [401] * PER_SECOND + [429] * 2


def test_a_flood_of_addresses_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.callers._ADDRESSES", 50)
    refusals = Refusals(Metrics(), Proxies(), clock=Clock())
    for number in range(1000):
        statuses(refusals, 1, f"198.51.{number // 250}.{number % 250}")
        assert len(refusals._counts) <= 50
