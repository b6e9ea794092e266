"""What a database that was restored from a copy no longer knows.

All that it owed when the copy was made may have been done since: a link made at Migo, a message
sent. Done again, it would be a second payable link or a second receipt. So none of it is done by
itself; a person looks.
"""

from dataclasses import dataclass
from datetime import timedelta

from bot.domain.delivery import MANNERS, OnUncertain, Purpose
from bot.handlers.creation import doubt_create
from bot.handlers.fallback import NEED_NOT_ARRIVE, decide, tell_undeliverable
from bot.handlers.rules import Rules
from bot.handlers.series import GIVE_UP
from bot.store import claims, links, outbox, reminder_rows
from bot.store.claims import OutboxItem
from bot.store.engine import Tx

WHY = "the database was restored from a copy; it may have been done since that was made"
_REMIND_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Doubted:
    """How much is left to a person: links to be made, messages, and links perhaps seen since."""

    creates: int = 0
    messages: int = 0
    exposed: int = 0


def doubt_all(tx: Tx, rules: Rules) -> Doubted:
    """Take everything that is owed by now for perhaps done. Safe to repeat.

    What is owed for a later time stays, and so does what staff are told; a reminder whose time has
    come waits for a day.
    """
    creates = messages = 0
    for item in claims.owed(tx):
        if item.kind == outbox.CREATE_LINK:
            doubt_create(tx, rules, item, WHY)
            creates += 1
        elif item.purpose is Purpose.REMINDER:
            at = tx.now + _REMIND_AFTER
            reminder_rows.put_off(tx, item.id, at=at, give_up_at=at + GIVE_UP, why=WHY)
        elif item.purpose is not Purpose.STAFF:
            _doubt(tx, rules, item, item.purpose or Purpose.REPLY)
            messages += 1
    exposed = links.expose(tx, links.unseen(tx))
    return Doubted(creates, messages, len(exposed))


def _doubt(tx: Tx, rules: Rules, item: OutboxItem, purpose: Purpose) -> None:
    outbox.end(tx, item.id, "uncertain", error=WHY)
    decide(tx, item, f"{purpose.value} not sent", WHY)
    is_dropped = MANNERS[purpose].on_uncertain is OnUncertain.DROP
    if not is_dropped and purpose not in NEED_NOT_ARRIVE:
        tell_undeliverable(tx, rules, item, WHY)
