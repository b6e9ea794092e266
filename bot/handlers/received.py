"""Takes back what the dead held of the inbox."""

from bot.domain.payment import Alert
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import inbox
from bot.store.engine import Tx


def give_back_lapsed(tx: Tx, rules: Rules, *, all_claims: bool = False) -> int:
    """Give back what dead workers hold; what seems to kill them is set aside and told."""
    released, set_aside = inbox.release_lapsed(tx, all_claims=all_claims)
    for inbox_id in set_aside:
        alarm(
            tx,
            rules,
            Alert.UNREADABLE,
            key=str(inbox_id),
            detail=f"the process died {inbox.MAX_DEATHS} times over it; it is left alone now",
            inbox_id=inbox_id,
        )
    return released
