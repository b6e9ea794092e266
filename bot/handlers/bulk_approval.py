"""The second person for a file: one with a large row waits until somebody else says yes to it all.

It stays merely checked meanwhile, and only whoever was asked learns its name.
"""

from bot.domain.staff import Action
from bot.handlers.batches import BatchError, move_batch
from bot.handlers.bulk_card import show_card, who_sent
from bot.handlers.limits import Judged, judge
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.rules import Rules
from bot.handlers.staff_approval import may_ask
from bot.handlers.staff_desk import Desk
from bot.store import batches, conversations
from bot.store import staff as staff_store
from bot.store.batches import Batch
from bot.store.engine import Tx
from bot.store.staff import Staff

PREFIX = "bulk_"
"""What a file's name begins with, and no payment's."""


def ask_others(tx: Tx, rules: Rules, asker: Staff, batch: Batch, *, over_alone: int) -> int:
    """Tell everybody who may agree, whoever sent the file excepted; give how many were told."""
    others = [each for each in staff_store.active(tx) if may_ask(tx, rules, asker, each)]
    for member in others:
        _ask(tx, rules, asker, batch, member, over_alone=over_alone)
    return len(others)


def _ask(
    tx: Tx, rules: Rules, asker: Staff, batch: Batch, member: Staff, *, over_alone: int
) -> None:
    to = member.at
    if to is None:
        return
    choices: tuple[Choice, ...] = ()
    # Numbered choices would take the place of whatever this person is answering right now.
    if to.channel in rules.edits:
        data = {"batch": batch.id}
        choices = tuple(
            Choice(
                f"staff.button.{label}",
                payload=conversations.offer(tx, to, member.telegram_user_id, action, data),
            )
            for label, action in (("approve", "file_approve"), ("refuse", "file_refuse"))
        )
    values = _view(tx, batch) | {"who": asker.name, "over_alone": over_alone}
    owe_reply(
        tx,
        to,
        Reply("staff.file_approval", values, choices),
        key=f"approval:{batch.id}:{member.id}",
        customer_id=None,
        locale=member.locale,
    )


def _view(tx: Tx, batch: Batch) -> dict[str, object]:
    sums: dict[str, int] = {}
    amounts = batches.ready_amounts(tx, batch.id)
    for money in amounts:
        sums[money.currency] = sums.get(money.currency, 0) + money.minor
    return {
        "id": batch.id,
        "filename": {"text": batch.filename},
        "rows": len(amounts),
        "sums": [
            {"amount": {"minor": minor, "currency": code}} for code, minor in sorted(sums.items())
        ],
    }


def approve(desk: Desk, batch_id: str) -> None:
    """Let a file go, if it is somebody else's and still within the limits of whoever sent it."""
    found = _waiting(desk, batch_id)
    if found is None:
        return
    batch, asker, judged = found
    if judged.room is not None or judged.over_limit:
        desk.say("file_over_limits", _view(desk.tx, batch))
        return
    try:
        moved = move_batch(desk.tx, batch.id, batches.SENDING)
    except BatchError:
        desk.say("nothing_to_approve", {"id": batch_id})
        return
    _audit(desk, "approved", batch)
    desk.say("file_approved", _view(desk.tx, batch), replaces=desk.tapped)
    show_card(desk.tx, moved, asker, key=f"approved:{desk.inbox_id}")


def refuse(desk: Desk, batch_id: str) -> None:
    """Drop a file that waits for a second person, and tell whoever sent it."""
    found = _waiting(desk, batch_id)
    if found is None:
        return
    batch, asker, _ = found
    values = _view(desk.tx, batch) | {"who": desk.staff.name}
    batches.move(desk.tx, batch.id, batches.CANCELLED)
    _audit(desk, "refused", batch)
    desk.say("file_refused", values, replaces=desk.tapped)
    if asker.at is not None:
        reply, key = Reply("staff.file_refused", values), f"refused:{batch.id}"
        owe_reply(desk.tx, asker.at, reply, key=key, customer_id=None, locale=asker.locale)


def _waiting(desk: Desk, batch_id: str) -> tuple[Batch, Staff, Judged] | None:
    """The file that this person may decide on, and whose it is; None after saying why not."""
    batch = batches.read(desk.tx, batch_id)
    asker = None if batch is None else who_sent(desk.tx, batch)
    if not desk.may(Action.APPROVE):
        desk.say("forbidden")
        return None
    if batch is None or asker is None or batch.status != batches.CHECKED:
        desk.say("nothing_to_approve", {"id": batch_id})
        return None
    if not may_ask(desk.tx, desk.rules, asker, desk.staff):
        desk.say("not_your_own")
        return None
    judged = judge(desk.tx, desk.rules, asker, batches.ready_amounts(desk.tx, batch.id))
    if not judged.over_alone:
        desk.say("nothing_to_approve", {"id": batch_id})
        return None
    return batch, asker, judged


def _audit(desk: Desk, what: str, batch: Batch) -> None:
    after = {"id": batch.id}
    staff_store.audit(desk.tx, desk.staff.actor, f"bulk file {what}", None, None, after)
