"""Whether a provider is worth calling: a short memory of whether calls get through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FAILURES_TO_OPEN = 10
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=5)


class Change(StrEnum):
    """What one more end of a call changed."""

    NOTHING = "nothing"
    """Still as it was."""
    OPENED = "opened"
    """The provider is left alone from now on, but for a try now and then."""
    CLOSED = "closed"
    """Calls get through, for the first time since we began or after an outage."""


@dataclass(slots=True)
class Breaker:
    """Opens after ten calls in a row that did not get through; one try at a time closes it."""

    failures: int = 0
    wait: timedelta = _FIRST_WAIT
    retry_at: datetime | None = None
    is_proven: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the provider is left alone."""
        return self.retry_at is not None

    def allowed(self, wanted: int, *, under_way: int, now: datetime) -> int:
        """How many of `wanted` calls may begin: all, none, or one to try it."""
        if self.retry_at is None:
            return wanted
        return 0 if under_way or now < self.retry_at else min(1, wanted)

    def note_through(self) -> Change:
        """A call got through, whatever it was answered."""
        is_news = self.is_open or not self.is_proven
        self.failures, self.wait, self.retry_at, self.is_proven = 0, _FIRST_WAIT, None, True
        return Change.CLOSED if is_news else Change.NOTHING

    def note_failure(self, now: datetime, *, is_last: bool = False) -> Change:
        """A call did not get through.

        Args:
            now: the present time.
            is_last: it shows by itself that no other can, as a key that is not accepted.
        """
        self.failures += 1
        if self.retry_at is None:
            if self.failures < FAILURES_TO_OPEN and not is_last:
                return Change.NOTHING
            self.retry_at = now + self.wait
            return Change.OPENED
        # Calls that were under way when it opened say nothing new.
        if now >= self.retry_at:
            self.wait = min(self.wait * 2, _LONGEST_WAIT)
            self.retry_at = now + self.wait
        return Change.NOTHING
