"""What Migo does not say: callbacks that were lost can be found by nobody but a person."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from bot.domain.payment import Alert
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import ledger, silence
from bot.store.engine import Tx

_SILENT_AFTER = timedelta(hours=24)
_DAY = timedelta(days=1)
_SHOWN = 20
_NO_NEWS_FOR = timedelta(hours=24)
_TIME_TO_PAY = timedelta(hours=1)
_ENOUGH_LINKS = 10
"""With so many links shown, not one try to pay in a day is no chance any more."""


def list_silent(tx: Tx, rules: Rules) -> int:
    """Once a day list the links that have been silent for a day, to be compared with Migo's books.

    Each link is on one day's list; that list closes the one before.
    """
    today = tx.now.astimezone(ZoneInfo(rules.time_zone)).date()
    if ledger.was_raised(tx, Alert.SILENT_LINKS, key=today.isoformat()):
        return 0
    until = tx.now - _SILENT_AFTER
    found = silence.silent_links(tx, since=until - _DAY, until=until, limit=_SHOWN)
    if not found:
        return 0
    total = silence.count_silent(tx, since=until - _DAY, until=until)
    listed = "; ".join(f"{each.payment_id} (uid {each.uid})" for each in found)
    detail = (
        f"{total} links were sent more than 24 hours ago and nothing was reported; if one of them "
        f"is paid in Migo's dashboard, its callback was lost: {listed}"
    )
    ledger.close_alert(tx, Alert.SILENT_LINKS, key=(today - _DAY).isoformat(), by="the next list")
    alarm(tx, rules, Alert.SILENT_LINKS, key=today.isoformat(), detail=detail)
    return len(found)


def notice_no_callbacks(tx: Tx, rules: Rules) -> int:
    """Tell, once a silence, that links go out and Migo reports nothing at all."""
    last_at = silence.last_news_at(tx)
    since = tx.now - _NO_NEWS_FOR
    if last_at is not None and last_at > since:
        return 0
    number = silence.count_silent(tx, since=since, until=tx.now - _TIME_TO_PAY)
    if number < _ENOUGH_LINKS:
        return 0
    key = "never" if last_at is None else last_at.isoformat()
    detail = (
        f"{number} links were sent in the last 24 hours and Migo reported nothing; "
        "check that callbacks still reach us (address, header, key)"
    )
    alarm(tx, rules, Alert.NO_CALLBACKS, key=key, detail=detail)
    return 1
