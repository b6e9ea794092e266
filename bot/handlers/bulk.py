"""A file of payments sent from a staff chat: fetched, checked, confirmed, and shown as it goes.

What is fetched comes back through `relay` as a value; nothing is sent before somebody says so.
"""

from collections.abc import Mapping
from datetime import timedelta

from bot.domain.bulk import MAX_BYTES, FileError, Summary
from bot.domain.delivery import Done, FileFetched, Outcome, Refused, backoff_s
from bot.domain.money import Money
from bot.domain.staff import Action, may
from bot.handlers import bulk_approval
from bot.handlers.batches import BatchError, Opened, amounts_of, move_batch, open_batch
from bot.handlers.bulk_card import show_card
from bot.handlers.bulk_report import error_report
from bot.handlers.limits import judge, within_limits
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store import batches, claims, conversations, outbox
from bot.store import staff as staff_store
from bot.store.batches import Batch
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import Address, InboundMessage

_FETCH_FOR = timedelta(minutes=10)
_SHOWN_COUNTRIES = 6
_MOVES = {
    "bulk_confirm": batches.SENDING,
    "bulk_cancel": batches.CANCELLED,
    "bulk_pause": batches.PAUSED,
    "bulk_resume": batches.SENDING,
    "bulk_stop": batches.CANCELLED,
}


def on_document(
    tx: Tx,
    rules: Rules,
    staff: Staff,
    message: InboundMessage,
    file: Mapping[str, object],
    *,
    inbox_id: int,
) -> None:
    """Owe the fetching of a file that a member of staff sent, where their role may.

    `file` is what the channel told of it: `file_id`, and where known `file_name` and `size`. It
    came with `message`, or with one before if a PIN was asked for.
    """
    key = f"reply:{inbox_id}:bulk"
    filename = str(file.get("file_name", "archivo"))[:100]
    if not may(staff.role, Action.BULK):
        _say(tx, staff, message.sender, "not_allowed", {}, key=key)
        return
    if int(str(file.get("size", "0"))) > MAX_BYTES:
        error = FileError("too_large", str(MAX_BYTES // 1024 // 1024))
        _say_unreadable(tx, staff, message.sender, filename, error, key=key)
        return
    _say(tx, staff, message.sender, "reading", {"filename": {"text": filename}}, key=key)
    outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.FETCH_FILE,
                lane=message.sender.channel.value,
                key=f"fetch:{inbox_id}",
                channel=message.sender.channel,
                address=message.sender.value,
                not_before=tx.now,
                give_up_at=tx.now + _FETCH_FOR,
                payload={
                    "file_id": file["file_id"],
                    "filename": filename,
                    "staff": staff.id,
                },
            )
        ],
    )


def on_fetched(tx: Tx, rules: Rules, item: OutboxItem, outcome: Outcome) -> None:
    """Answer with what a fetched file adds up to, or why there is none; fetching again is safe."""
    staff = staff_store.read(tx, int(str(item.payload["staff"])))
    to = claims.resolve(item)
    if staff is None or staff.removed_at is not None or to is None:
        outbox.end(tx, item.id, "cancelled", error="who sent it is no longer in")
        return
    filename, key = str(item.payload["filename"]), f"{item.key}:answer"
    if not isinstance(outcome, Done):
        if not isinstance(outcome, Refused) and tx.now < item.give_up_at:
            wait = timedelta(seconds=backoff_s(item.attempts, rules.random))
            outbox.again(tx, item.id, at=tx.now + wait, error=outcome.reason)
            return
        outbox.end(tx, item.id, "dead", error=outcome.reason)
        _say(tx, staff, to, "not_fetched", {"filename": {"text": filename}}, key=key)
        return
    outbox.end(tx, item.id, "done")
    if not isinstance(outcome.result, FileFetched):
        raise TypeError("fetching a file ends with a file")
    checked = outcome.result.checked
    if isinstance(checked, FileError):
        _say_unreadable(tx, staff, to, filename, checked, key=key)
        return
    notify = f"{to.channel.value}:{to.value}"
    rows = within_limits(rules, staff, checked)
    opened = open_batch(tx, rules, rows, filename=filename, created_by=staff.actor, notify=notify)
    judged = judge(tx, rules, staff, amounts_of(opened.rows))
    if judged.room is not None:
        batches.move(tx, opened.batch.id, batches.CANCELLED)
        _say_over_day(tx, staff, to, opened.batch, judged.room, key=key)
    else:
        _say_summary(tx, staff, to, opened, key=key, over_alone=judged.over_alone)


def _say_summary(
    tx: Tx, staff: Staff, to: Address, opened: Opened, *, key: str, over_alone: int
) -> None:
    """One message: the sums, the wrong rows as a file, and the question."""
    batch, summary = opened.batch, opened.summary
    choices: tuple[Choice, ...] = ()
    if summary.right:
        choices = (
            _button(tx, staff, to, "confirm", batch.id, {"right": summary.right}),
            _button(tx, staff, to, "cancel", batch.id),
        )
    else:
        batches.move(tx, batch.id, batches.CANCELLED)
    errors = error_report(opened.rows)
    file = None
    if errors:
        file = {"report": "errors", "filename": batch.filename, "lines": errors}
    phrase = "bulk.summary" if summary.right else "bulk.nothing_right"
    values = _sums(batch.filename, summary) | {"over_alone": over_alone}
    reply = Reply(phrase, values, choices=choices, file=file)
    owe_reply(tx, to, reply, key=key, customer_id=None, locale=staff.locale)


def _sums(filename: str, summary: Summary) -> dict[str, object]:
    countries = list(summary.countries.items())[:_SHOWN_COUNTRIES]
    return {
        "filename": {"text": filename},
        "right": summary.right,
        "wrong": summary.wrong,
        "sums": [
            {"amount": {"minor": minor, "currency": code}} for code, minor in summary.sums.items()
        ],
        "countries": [{"code": code, "rows": rows} for code, rows in countries],
        "without_reference": summary.without_reference,
        "again": summary.again,
    }


def _button(
    tx: Tx,
    staff: Staff,
    to: Address,
    what: str,
    batch_id: str,
    values: Mapping[str, object] | None = None,
) -> Choice:
    data = {"batch": batch_id}
    token = conversations.offer(tx, to, staff.telegram_user_id, f"bulk_{what}", data)
    return Choice(f"bulk.label_{what}", payload=token, values=values or {})


def on_button(
    tx: Tx,
    rules: Rules,
    staff: Staff,
    message: InboundMessage,
    action: str,
    data: Mapping[str, object],
    *,
    inbox_id: int,
) -> None:
    """Do what a pressed button of a file says: its token is used up, the role looked at again."""
    to, key = message.sender, f"reply:{inbox_id}:bulk"
    batch = batches.read(tx, str(data.get("batch")))
    if not may(staff.role, Action.BULK):
        _say(tx, staff, to, "not_allowed", {}, key=key, answers=message.tap_id)
        return
    if batch is None:
        _say(tx, staff, to, "too_late", {}, key=key, answers=message.tap_id)
        return
    is_new = action == "bulk_confirm" and batch.status == batches.CHECKED
    if is_new and not _may_go_now(tx, rules, staff, message, batch, key=key):
        return
    moved = _move(tx, batch, action)
    if moved is None:
        _say(tx, staff, to, "too_late", {}, key=key, answers=message.tap_id)
        return
    staff_store.audit(
        tx, staff.actor, f"bulk file {moved.status}", None, {"was": batch.status}, {"id": batch.id}
    )
    if action == "bulk_cancel":
        values = {"filename": {"text": batch.filename}}
        _say(tx, staff, to, "dropped", values, key=key, answers=message.tap_id)
    else:
        show_card(tx, moved, staff, answers=message.tap_id, key=key)


def _may_go_now(
    tx: Tx, rules: Rules, staff: Staff, message: InboundMessage, batch: Batch, *, key: str
) -> bool:
    """Whether a file may go without more ado: limits are looked at again, for others went since."""
    to = message.sender
    judged = judge(tx, rules, staff, batches.ready_amounts(tx, batch.id))
    if judged.room is not None:
        _say_over_day(tx, staff, to, batch, judged.room, key=key, answers=message.tap_id)
    elif judged.over_limit:
        values = {"filename": {"text": batch.filename}, "rows": judged.over_limit}
        _say(tx, staff, to, "over_limit", values, key=key, answers=message.tap_id)
    elif judged.over_alone:
        told = bulk_approval.ask_others(tx, rules, staff, batch, over_alone=judged.over_alone)
        values = {"filename": {"text": batch.filename}, "told": told}
        _say(tx, staff, to, "waits_for_second", values, key=key, answers=message.tap_id)
    else:
        return True
    return False


def _say_over_day(
    tx: Tx,
    staff: Staff,
    to: Address,
    batch: Batch,
    room: Money,
    *,
    key: str,
    answers: str | None = None,
) -> None:
    values = {
        "filename": {"text": batch.filename},
        "room": {"minor": room.minor, "currency": room.currency},
    }
    _say(tx, staff, to, "over_day", values, key=key, answers=answers)


def _move(tx: Tx, batch: Batch, action: str) -> Batch | None:
    """Move a batch as its button says; None where it has gone elsewhere since it was shown."""
    is_first_answer = action in ("bulk_confirm", "bulk_cancel")
    if is_first_answer is not (batch.status == batches.CHECKED):
        return None
    try:
        return move_batch(tx, batch.id, _MOVES[action])
    except BatchError:
        return None


def _say(
    tx: Tx,
    staff: Staff,
    to: Address,
    phrase: str,
    values: Mapping[str, object],
    *,
    key: str,
    answers: str | None = None,
) -> None:
    reply = Reply(f"bulk.{phrase}", values)
    owe_reply(tx, to, reply, key=key, customer_id=None, locale=staff.locale, answers=answers)


def _say_unreadable(
    tx: Tx, staff: Staff, to: Address, filename: str, error: FileError, *, key: str
) -> None:
    values = {"filename": {"text": filename}, "detail": error.detail}
    _say(tx, staff, to, f"file.{error.code}", values, key=key)
