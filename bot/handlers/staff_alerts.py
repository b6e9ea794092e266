"""Staff look at what waits for a person, and say that it is done."""

from collections.abc import Mapping

from bot.domain.commands import Asked
from bot.domain.staff import Action
from bot.handlers.alerts import close_alert
from bot.handlers.staff_desk import Desk
from bot.store import ledger
from bot.store.ledger import OpenAlert

_LISTED = 8


def show(desk: Desk, asked: Asked) -> None:
    """List what waits, the oldest first, each with a button that closes it."""
    found = ledger.open_alerts(desk.tx, limit=_LISTED + 1)
    shown = found[:_LISTED]
    choices = tuple(
        desk.choice("alert_done", "alert_done", {"id": alert.id}, alert=alert.id) for alert in shown
    )
    values = {"alerts": [_line(alert) for alert in shown], "has_more": len(found) > _LISTED}
    desk.say("alerts", values, choices=choices)


def done(desk: Desk, data: Mapping[str, object]) -> None:
    """Close the alert of a button."""
    if not desk.may(Action.CLOSE_ALERTS):
        desk.say("forbidden")
        return
    number = int(str(data["alert"]))
    closed = close_alert(desk.tx, number, by=desk.staff.actor)
    desk.say("alert_closed" if closed is not None else "alert_gone", {"id": number})


def _line(alert: OpenAlert) -> dict[str, object]:
    return {
        "id": alert.id,
        "kind": {"word": f"kind.{alert.kind.value}"},
        "why": {"reason": alert.detail},
        "payment": alert.payment_id,
    }
