"""What the service tells about itself: one log line an event, and numbers to watch.

Never a text that a person wrote or was sent, never a full address, never a secret. The numbers
are in `bot.telemetry.metrics`, apart, since their library takes a while to import.
"""

from bot.telemetry.logs import configure_logging, correlated, correlation_id
from bot.telemetry.masking import Mask

__all__ = ["Mask", "configure_logging", "correlated", "correlation_id"]
