"""What staff are told of providers that let nothing through, and of ends that cannot be written."""

from bot.domain.breaker import Change
from bot.domain.payment import Alert
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import ledger
from bot.store.claims import OutboxItem
from bot.store.engine import Tx

_ITSELF = "the service itself"


def on_change(tx: Tx, rules: Rules, lane: str, change: Change, *, why: str) -> None:
    """Tell once that a provider is out, and close the alert when it is back."""
    if change is Change.OPENED:
        detail = (
            f"nothing gets through to {lane} ({why}); it is tried now and then, nothing is lost"
        )
        alarm(tx, rules, Alert.PROVIDER_OUT, key=lane, detail=detail, reopens=True)
    elif change is Change.CLOSED:
        ledger.close_alert(tx, Alert.PROVIDER_OUT, key=lane, by=_ITSELF)


def tell_unsettled(tx: Tx, rules: Rules, item: OutboxItem) -> None:
    """Have a person look at a row whose end cannot be written."""
    alarm(
        tx,
        rules,
        Alert.UNSETTLED,
        key=str(item.id),
        detail=f"how the call for outbox row {item.id} ended cannot be written; see the log",
        payment=item.payment,
    )
