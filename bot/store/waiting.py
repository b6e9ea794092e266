"""What waits in the outbox and is no longer wanted as it is: cancelled, aimed anew, or revived."""

from collections.abc import Collection

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.store.engine import Tx
from bot.store.outbox import CREATE_LINK, topic
from bot.store.rows import bound
from bot.store.schema import link, outbox
from channels.base import ChannelName


def revive(tx: Tx, *, customer_id: int, channel: ChannelName) -> int:
    """Send what was given up for want of an address on this channel, now that there is one."""
    result = tx.run(
        outbox.update()
        .where(
            outbox.c.customer_id == customer_id,
            outbox.c.channel == channel.value,
            outbox.c.status == "dead",
            outbox.c.tries == 0,
            outbox.c.give_up_at > tx.now,
        )
        .values(status="pending", not_before=tx.now, updated_at=tx.now)
    )
    if result.rowcount:
        tx.wake(topic(channel.value))
    return result.rowcount


def cancel_waiting(
    tx: Tx, *, purposes: Collection[Purpose], why: str, payment_id: str, with_create: bool = False
) -> list[int]:
    """Cancel what has not left yet; rows being sent right now are past recall.

    What was accepted of these purposes is no longer watched for a delivered report.

    Args:
        tx: the transaction.
        purposes: messages of these.
        why: kept in the rows.
        payment_id: of this payment only.
        with_create: links not yet asked for too.
    """
    values: dict[str, object] = {
        "b_payment": payment_id,
        "b_purposes": [purpose.value for purpose in purposes],
        "b_kind": CREATE_LINK if with_create else None,
        "b_why": why,
        "b_now": tx.now,
    }
    tx.run(_UNWATCH, {name: values[name] for name in ("b_payment", "b_purposes")})
    return list(tx.run(_CANCEL, values).scalars())


_NOW = bound(outbox.c.updated_at, "now")
_of_payment = outbox.c.payment_id == sa.bindparam("b_payment")
_of_purpose = outbox.c.purpose.in_(sa.bindparam("b_purposes", expanding=True))
_UNWATCH = (
    outbox.update()
    .where(_of_payment, outbox.c.deliver_by.is_not(None), _of_purpose)
    .values(deliver_by=None)
)
_CANCEL = (
    outbox.update()
    .where(
        _of_payment,
        outbox.c.status == "pending",
        _of_purpose | (outbox.c.kind == sa.bindparam("b_kind")),
    )
    .values(
        status="cancelled",
        last_error=sa.bindparam("b_why"),
        updated_at=_NOW,
    )
    .returning(outbox.c.id)
)


def with_link(link_id: int) -> sa.ColumnElement[bool]:
    """Rows of a link; each has its payment as well, by which they are found in a large table."""
    owner = sa.select(link.c.payment_id).where(link.c.id == link_id).scalar_subquery()
    return (outbox.c.payment_id == owner) & (outbox.c.link_id == link_id)


def cancel_of_link(tx: Tx, link_id: int, *, why: str) -> None:
    """Cancel what has not left yet of a link that goes out of use, and watch for no more reports.

    Reminders wait on: they go with the link that takes its place.
    """
    of_link = with_link(link_id)
    tx.run(outbox.update().where(of_link, outbox.c.deliver_by.is_not(None)).values(deliver_by=None))
    tx.run(
        outbox.update()
        .where(
            of_link,
            outbox.c.status == "pending",
            outbox.c.purpose != Purpose.REMINDER.value,
        )
        .values(status="cancelled", last_error=why, updated_at=tx.now)
    )


def aim_reminders(tx: Tx, payment_id: str, link_id: int) -> None:
    """Have the reminder of a payment that waits carry this link."""
    tx.run(_AIM, {"b_payment": payment_id, "b_link_id": link_id, "b_now": tx.now})


_AIM = (
    outbox.update()
    .where(
        _of_payment,
        outbox.c.status == "pending",
        outbox.c.purpose == Purpose.REMINDER.value,
    )
    .values(link_id=bound(outbox.c.link_id), updated_at=_NOW)
)


def others_with_link(tx: Tx, link_id: int, *, but: int) -> int:
    """How many other rows with this link's URL were ever claimed or still wait.

    Reminders that wait do not count: they go out of use with the link.
    """
    is_foreseen = (outbox.c.purpose == Purpose.REMINDER.value) & (outbox.c.tries == 0)
    statement = sa.select(sa.func.count()).where(
        with_link(link_id),
        outbox.c.id != but,
        outbox.c.status != "cancelled",
        ~((outbox.c.status == "pending") & sa.func.coalesce(is_foreseen, sa.false())),
    )
    return int(tx.run(statement).scalar_one())
