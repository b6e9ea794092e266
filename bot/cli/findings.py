"""What `paybot doctor` prints: one line for each thing looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

_SKEW_S = 30.0


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """Nothing to do."""
    WARN = "warn"
    """Works, but look at it before real money moves."""
    FAIL = "fail"
    """Does not work until something is done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, and what to do."""

    level: Level
    subject: str
    text: str


def clock(date: str | None, *, of: str = "PUBLIC_URL") -> Iterator[Finding]:
    """Compare this machine's clock with the one behind a Date header, which is in GMT."""
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    skew_s = abs((datetime.now(UTC) - there).total_seconds())
    if skew_s > _SKEW_S:
        text = f"{skew_s:.0f} s apart from {of}'s; run NTP, since reminders go by it"
        yield Finding(Level.FAIL, "clock", text)
    else:
        yield Finding(Level.OK, "clock", f"within {_SKEW_S:.0f} s of {of}'s")
