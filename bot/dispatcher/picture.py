"""Makes the picture that goes with a summary out of the numbers that its outbox row keeps."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from bot.store.claims import OutboxItem
from bot.texts.charts import Chart, draw_chart
from channels.base import Image, Limits, OutboundMessage

_log = logging.getLogger(__name__)


async def with_chart(
    item: OutboxItem, message: OutboundMessage, limits: Limits, say: Callable[[str], str]
) -> OutboundMessage:
    """The message with its chart, drawn in a thread; the text alone where none can go.

    `item.payload["chart"]` is `{"days": [ISO dates], "sent": […], "paid": […]}`; `say` words a
    phrase for whoever reads.
    """
    kept = item.payload.get("chart")
    most = limits.image_text_chars
    has_room = limits.has_image and (most is None or len(message.text) <= most)
    if not isinstance(kept, dict) or not has_room:
        return message
    try:
        chart = Chart(
            title=say("summary.chart_title"),
            days=tuple(str(date.fromisoformat(each).day) for each in kept["days"]),
            names=(say("summary.chart_sent"), say("summary.chart_paid")),
            values=(tuple(kept["sent"]), tuple(kept["paid"])),
        )
        drawn = await asyncio.to_thread(draw_chart, chart)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        _log.warning("no chart for item %d: %s", item.id, type(error).__name__)
        return message
    return replace(message, image=Image(drawn, "summary.png"))
