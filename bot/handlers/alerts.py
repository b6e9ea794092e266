"""What waits for a person is closed by one, and who did it is kept."""

from bot.handlers import cards
from bot.store import ledger
from bot.store import staff as staff_store
from bot.store.engine import Tx
from bot.store.ledger import OpenAlert


def close_alert(tx: Tx, alert_id: int, *, by: str) -> OpenAlert | None:
    """Say that an alert needs nobody any more; None if no open one has this id."""
    closed = ledger.close_alert_by_id(tx, alert_id, by=by)
    if closed is None:
        return None
    what = {"id": alert_id, "kind": closed.kind.value}
    staff_store.audit(tx, by, "alert closed", closed.payment_id, None, what)
    if closed.payment_id is not None:
        cards.refresh(tx, closed.payment_id)
    return closed
