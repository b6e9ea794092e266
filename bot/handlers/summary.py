"""The day in numbers for the staff chat, once a day at the merchant's hour."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.owing import money_value
from bot.domain.promising import start_of
from bot.handlers.planning import parse_target
from bot.handlers.replies import owe_message
from bot.handlers.rules import Rules
from bot.store import summary
from bot.store.engine import Tx
from bot.store.summary import Day

DAYS_SHOWN = 14


def tell_day(tx: Tx, rules: Rules) -> int:
    """Owe today's summary once its hour has come, whoever asks; what was missed stays untold."""
    to = None if rules.staff is None else parse_target(rules.staff)
    local = tx.now.astimezone(ZoneInfo(rules.time_zone))
    if to is None or to.channel not in rules.couriers or rules.summary_at is None:
        return 0
    key = f"summary:{local.date().isoformat()}"
    if local.time() < rules.summary_at or summary.is_planned(tx, key):
        return 0
    days = [local.date() - timedelta(days=ago) for ago in reversed(range(-1, DAYS_SHOWN))]
    day = summary.read_day(tx, [start_of(each, rules.time_zone) for each in days])
    payload = {
        "phrase": "summary.text",
        "values": _values(local.date(), day),
        "chart": {
            "days": [each.isoformat() for each in days[:-1]],
            "sent": list(day.sent),
            "paid": list(day.paid),
        },
    }
    made = owe_message(tx, to, Purpose.STAFF, payload, key=key, customer_id=None)
    return int(made is not None)


def _values(today: date, day: Day) -> dict[str, object]:
    return {
        "day": {"date": today.isoformat()},
        "sent": day.sent[-1],
        "paid": day.paid[-1],
        "income": _sums(day.income),
        "open": day.open,
        "owed": _sums(day.owed),
        "held": day.held,
        "failed": day.failed,
        "reminders": day.reminders,
        "dropped": day.reminders_dropped,
        "alerts": day.alerts,
    }


def _sums(monies: tuple[Money, ...]) -> list[dict[str, object]]:
    return [{"amount": money_value(money)} for money in monies]
