"""What the service tells about itself: one log line an event, and numbers to watch.

Never a text that a person wrote or was sent, never a full address, never a secret.
"""

import functools
import re
from typing import TYPE_CHECKING

from bot.telemetry.logs import configure_logging, correlated, correlation_id
from bot.telemetry.masking import Mask

if TYPE_CHECKING:
    from bot.telemetry.prometheus import Metrics

__all__ = [
    "Mask",
    "configure_logging",
    "correlated",
    "correlation_id",
    "count_event",
    "count_outcome",
    "count_refused",
    "metrics",
]


@functools.cache
def metrics() -> "Metrics":
    """This process's numbers, made when first asked for: their library is slow to import."""
    from bot.telemetry.prometheus import Metrics

    return Metrics()


def count_event(source: str, verdict: str) -> None:
    """Count something that came in, by its source and what was made of it."""
    metrics().events.labels(source, verdict).inc()


def count_refused(source: str, status: int) -> None:
    """Count a request that a door turned away with this HTTP status."""
    metrics().refused.labels(source, str(status)).inc()


def count_outcome(lane: str, purpose: str, outcome: object, seconds: float | None = None) -> None:
    """Count how a call to a provider ended, and how long it took where that is known.

    Args:
        lane: the provider's queue.
        purpose: what the call was for.
        outcome: a value of `bot.domain.delivery`; its class names the label, as `retry_later`.
        seconds: from the call to its end.
    """
    ended = re.sub(r"(?<!^)(?=[A-Z])", "_", type(outcome).__name__).lower()
    metrics().outcomes.labels(lane, purpose, ended).inc()
    if seconds is not None:
        metrics().call_seconds.labels(lane).observe(seconds)
