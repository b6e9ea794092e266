"""Who calls, behind proxies or not, and who is turned away too often."""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from bot.telemetry.metrics import Metrics

PER_SECOND = 10
"""How many refusals or unproven requests one address gets; after that only 429."""
_ADDRESSES = 10_000
_IPV6_NETWORK = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The addresses whose word about others is taken."""

    def __init__(self, trusted: Collection[str] = ()) -> None:
        """Take addresses or networks.

        Raises:
            ValueError: one is neither.
        """
        self._trusted = tuple(ipaddress.ip_network(each, strict=False) for each in trusted)
        self._is_trusted = lru_cache(1024)(self._look_up)

    def speaks_for_many(self, peer: str) -> bool:
        """Whether connections from here may stand for any number of callers."""
        return is_loopback(peer) or self._is_trusted(peer)

    def caller(self, scope: Scope) -> str:
        """The address that a request comes from: the last one that no trusted proxy has."""
        peer = str((scope.get("client") or ("",))[0])
        if not self._is_trusted(peer):
            return peer
        told = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        for hop in reversed([part.strip() for part in told.split(",") if part.strip()]):
            if not self._is_trusted(hop):
                return hop[:64]
        return peer

    def _look_up(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


class Refusals:
    """Turns requests away, counts them, and answers 429 where one address is refused too often.

    A request with a right proof never comes here, so that no number of wrong ones keeps it out.
    """

    def __init__(
        self,
        metrics: Metrics,
        proxies: Proxies,
        *,
        per_second: int = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the limit; `clock` gives seconds."""
        self._metrics = metrics
        self._proxies = proxies
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._counts: Counter[str] = Counter()

    def status(self, scope: Scope, source: str, status: int) -> int:
        """The status to refuse a request with: the given one, or 429."""
        given = 429 if self.is_over(scope) else status
        self._metrics.refused.labels(source, given).inc()
        return given

    def refuse_proven(self, source: str, status: int) -> Response:
        """Refuse a request whose proof was right, however many there are."""
        self._metrics.refused.labels(source, status).inc()
        return Response(status_code=status)

    def refuse(self, scope: Scope, source: str, status: int) -> Response:
        """The same as an answer without content."""
        return Response(status_code=self.status(scope, source, status))

    def is_over(self, scope: Scope) -> bool:
        """Count an unproven request; whether its caller had too many within this second."""
        second = int(self._clock())
        if second != self._second or len(self._counts) >= _ADDRESSES:
            self._second = second
            self._counts.clear()
        caller = _owner(self._proxies.caller(scope))
        self._counts[caller] += 1
        return self._counts[caller] > self._per_second


def _owner(caller: str) -> str:
    """What one caller has of addresses: of IPv6 a whole network."""
    try:
        address = ipaddress.ip_address(caller)
    except ValueError:
        return caller
    if address.version == 4:
        return caller
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
