"""The sandbox's time: it goes with the machine's and may jump ahead."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.sandbox.config import utc_now


class TravelClock:
    """A clock that a person moves; emulators and a service beside them may share one."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Give the aware present time, as it is here."""
        return self._now() + self._ahead

    def move_to(self, at: datetime) -> None:
        """Jump ahead; a time that has passed changes nothing, so that doing it twice does not."""
        self._ahead = max(self._ahead, at - self._now())
