"""How far this machine's clock is from the database server's, by which leases go.

A worker whose clock is ahead would else take what another one holds. It is measured now and then,
and applied to the clock that the service was given, which tests and the sandbox move.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_MEASURE_EVERY_S = 60.0
_STEP_S = 1.0
"""A clock that jumps by more than this was set, or the machine slept."""


def machine_time() -> datetime:
    """What this machine takes for the present."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Measured:
    ahead: timedelta
    at_s: float
    drift_s: float


class ServerTime:
    """Compares this machine's clock with the server's; may be used by several threads."""

    def __init__(self, machine: Callable[[], datetime]) -> None:
        """Take the machine's own clock, not one that is moved."""
        self._machine = machine
        self._last: _Measured | None = None

    def ahead(self, conn: Connection) -> timedelta:
        """How far this machine's clock is ahead of the server's."""
        last, now_s = self._last, time.monotonic()
        drift_s = self._machine().timestamp() - now_s
        if (
            last is None
            or now_s - last.at_s >= _MEASURE_EVERY_S
            or abs(drift_s - last.drift_s) >= _STEP_S
        ):
            at: datetime = conn.execute(_SERVER_TIME).scalar_one()
            self._last = last = _Measured(self._machine() - at, now_s, drift_s)
        return last.ahead


_SERVER_TIME = sa.select(sa.func.clock_timestamp())
