"""What would happen to whom and when, if nothing came in between: one row of a preview. Pure."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.money import Money


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that is planned; `rule` says in a few words why it is.

    `what` is `payment` for one that a schedule will make, else the purpose of a message.
    """

    at: datetime
    what: str
    phone: str
    name: str | None
    channel: str
    money: Money
    concept: str | None
    rule: str
    payment_id: str | None = None
    schedule_id: str | None = None
