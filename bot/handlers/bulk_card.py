"""The message in a staff chat that shows a file being sent: edited as it goes, then the result."""

from collections.abc import Mapping

from bot.handlers.bulk_report import result_report
from bot.handlers.planning import parse_target
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store import batch_results, batches, conversations
from bot.store import staff as staff_store
from bot.store.batches import Batch
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import Address

_BUTTONS: Mapping[str, tuple[str, ...]] = {
    batches.SENDING: ("pause", "stop"),
    batches.PAUSED: ("resume", "stop"),
}
_OVER = (batches.DONE, batches.CANCELLED)


def show_card(
    tx: Tx, batch: Batch, staff: Staff, *, key: str | None = None, answers: str | None = None
) -> None:
    """Edit a batch's card, or begin it; with its own `key` it is said whatever was said before.

    Edits that have not left are dropped: a newer one says more.
    """
    to = parse_target(batch.notify or "")
    if to is None:
        return
    first = f"bulk:{batch.id}:card"
    begun = batches.card(tx, first)
    if begun is not None and begun.provider_id is None and key is None:
        return
    batches.drop_waiting_cards(tx, lane=to.channel.value, address=to.value, prefix=f"{first}:")
    reply = Reply(
        f"bulk.card_{batch.status}",
        _figures(tx, batch),
        choices=tuple(
            _button(tx, batch, staff, to, what) for what in _BUTTONS.get(batch.status, ())
        ),
        replaces=None if begun is None else begun.provider_id,
    )
    number = key or str(int(tx.now.timestamp()))
    edit = first if begun is None else f"{first}:{number}"
    owe_reply(tx, to, reply, key=edit, customer_id=None, locale=staff.locale, answers=answers)


def _figures(tx: Tx, batch: Batch) -> dict[str, object]:
    progress = batch_results.progress(tx, batch.id)
    return {
        "filename": {"text": batch.filename},
        "created": progress.created,
        "total": batch.total - progress.wrong,
        "sent": progress.sent,
        "later": progress.later,
        "stuck": progress.stuck,
        "failed": progress.failed,
    }


def _button(tx: Tx, batch: Batch, staff: Staff, to: Address, what: str) -> Choice:
    data = {"batch": batch.id}
    token = conversations.offer(tx, to, staff.telegram_user_id, f"bulk_{what}", data)
    return Choice(f"bulk.label_{what}", payload=token)


def show_progress(tx: Tx, rules: Rules) -> int:
    """Bring every card up to date, and end the batches of which nothing is under way any more.

    Where messages cannot be edited, only the end is told.
    """
    shown = 0
    for batch in batches.unended(tx):
        is_over = batch.status in _OVER and not batch_results.progress(tx, batch.id).waiting
        if is_over:
            batches.end(tx, batch.id)
        staff = who_sent(tx, batch)
        if staff is None or (batch.status == batches.PAUSED and not is_over):
            continue
        if is_over or _can_edit(rules, batch):
            show_card(tx, batch, staff)
        if is_over:
            _send_result(tx, batch, staff)
        shown += 1
    return shown


def _can_edit(rules: Rules, batch: Batch) -> bool:
    to = parse_target(batch.notify or "")
    return to is not None and to.channel in rules.edits


def who_sent(tx: Tx, batch: Batch) -> Staff | None:
    """Whose chat a batch is told to, as long as they are in."""
    to = parse_target(batch.notify or "")
    # A private chat with a Telegram bot has the number of the person in it.
    return None if to is None else staff_store.find_active(tx, to, to.value)


def _send_result(tx: Tx, batch: Batch, staff: Staff) -> None:
    to = parse_target(batch.notify or "")
    if to is None:
        return
    lines = result_report(tx, batch.id)
    reply = Reply(
        "bulk.result",
        {"filename": {"text": batch.filename}},
        file={"report": "result", "filename": batch.filename, "lines": lines},
    )
    key = f"bulk:{batch.id}:result"
    owe_reply(tx, to, reply, key=key, customer_id=None, locale=staff.locale)
