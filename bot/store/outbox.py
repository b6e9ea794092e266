"""Effects owed: the table is the queue. A row is one thing to do, found once by its key."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from bot.domain.delivery import Purpose
from bot.store.engine import Tx
from bot.store.rows import bound
from bot.store.schema import outbox
from channels.base import ChannelName

MIGO_LANE = "migo"
LANES = (MIGO_LANE, *(channel.value for channel in ChannelName))


def topic(lane: str) -> str:
    """What the loop of a lane waits for."""
    return f"outbox.{lane}"


CREATE_LINK = "create_link"
SEND = "send"
SET_COMMANDS = "set_commands"
FETCH_FILE = "fetch_file"
ASK = "ask"


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something to do; `key` makes it happen once however often it is planned."""

    kind: str
    lane: str
    key: str
    not_before: datetime
    give_up_at: datetime
    purpose: Purpose | None = None
    payment_id: str | None = None
    link_id: int | None = None
    attempt_id: int | None = None
    customer_id: int | None = None
    channel: ChannelName | None = None
    address: str | None = None
    route_left: tuple[str, ...] = ()
    payload: Mapping[str, object] = field(default_factory=dict)


def add(tx: Tx, items: Sequence[NewItem]) -> list[int]:
    """Plan things to do; those whose key is known are left as they are. Safe to repeat."""
    rows: list[dict[str, object]] = [
        {
            "kind": item.kind,
            "lane": item.lane,
            "key": item.key,
            "purpose": None if item.purpose is None else item.purpose.value,
            "payment_id": item.payment_id,
            "link_id": item.link_id,
            "attempt_id": item.attempt_id,
            "customer_id": item.customer_id,
            "channel": None if item.channel is None else item.channel.value,
            "address": item.address,
            "route_left": list(item.route_left),
            "payload": dict(item.payload),
            "not_before": item.not_before,
            "give_up_at": item.give_up_at,
            "created_at": tx.now,
            "updated_at": tx.now,
        }
        for item in items
    ]
    made = tx.insert_ignoring(outbox, rows, conflict=["key"])
    if made:
        for lane in {item.lane for item in items}:
            tx.wake(topic(lane))
    return made


def end(tx: Tx, item_id: int, status: str, *, error: str | None = None) -> None:
    """End a row as `done`, `uncertain`, `dead` or `cancelled`."""
    told = {"b_id": item_id, "b_status": status, "b_last_error": error, "b_now": tx.now}
    tx.run(_END, told)


_NOW = bound(outbox.c.updated_at, "now")
_it = outbox.c.id == bound(outbox.c.id)
_END = (
    outbox.update()
    .where(_it)
    .values(
        status=bound(outbox.c.status),
        last_error=bound(outbox.c.last_error),
        lease_until=None,
        deliver_by=None,
        updated_at=_NOW,
    )
)


def again(
    tx: Tx, item_id: int, *, at: datetime, error: str | None, uncertain_looks: int | None = None
) -> None:
    """Put a row back on the same channel, not before `at`.

    One that may have left is looked for `uncertain_looks` times before it is sent again.
    """
    told = {"b_id": item_id, "b_not_before": at, "b_last_error": error, "b_now": tx.now}
    if uncertain_looks is None:
        lane = tx.run(_AGAIN, told).scalar()
    else:
        lane = tx.run(_UNCERTAIN_AGAIN, told | {"b_looks_left": uncertain_looks}).scalar()
    if lane is not None:
        tx.wake(topic(lane))


_AGAIN = (
    outbox.update()
    .where(_it)
    .values(
        status="pending",
        not_before=bound(outbox.c.not_before),
        last_error=bound(outbox.c.last_error),
        lease_until=None,
        deliver_by=None,
        updated_at=_NOW,
    )
    .returning(outbox.c.lane)
)
_UNCERTAIN_AGAIN = _AGAIN.values(
    uncertain_count=outbox.c.uncertain_count + 1, looks_left=bound(outbox.c.looks_left)
)


def look_again(tx: Tx, item_id: int, *, at: datetime) -> None:
    """Put back a row that was looked for in vain; nothing was sent, so it counts as no attempt."""
    lane = tx.run(
        outbox.update()
        .where(outbox.c.id == item_id)
        .values(
            status="pending",
            not_before=at,
            looks_left=outbox.c.looks_left - 1,
            attempts=outbox.c.attempts - 1,
            lease_until=None,
            updated_at=tx.now,
        )
        .returning(outbox.c.lane)
    ).scalar_one()
    tx.wake(topic(lane))


def put_back(tx: Tx, when: Mapping[int, datetime], *, counting: Collection[int] = ()) -> None:
    """Put back claimed rows of which nothing was tried, each until its time.

    Their tries are not counted, but for those that are `counting`.
    """
    rows: list[dict[str, object]] = [
        {"b_id": each, "b_at": at, "b_tries": int(each not in counting), "b_now": tx.now}
        for each, at in when.items()
    ]
    tx.run_many(_PUT_BACK, rows)


_PUT_BACK = (
    outbox.update()
    .where(outbox.c.id == sa.bindparam("b_id"), outbox.c.status == "sending")
    .values(
        status="pending",
        not_before=sa.bindparam("b_at", type_=outbox.c.not_before.type),
        attempts=outbox.c.attempts - 1,
        tries=outbox.c.tries - sa.bindparam("b_tries"),
        lease_until=None,
        updated_at=_NOW,
    )
)


def uncount_try(tx: Tx, item_id: int) -> None:
    """Take back the try that a claim counted, where nothing was tried after all."""
    tx.run(_UNCOUNT, {"b_id": item_id})


_UNCOUNT = (
    outbox.update().where(_it).values(attempts=outbox.c.attempts - 1, tries=outbox.c.tries - 1)
)


def reroute(
    tx: Tx, item_id: int, *, channel: ChannelName, route_left: Sequence[str], why: str
) -> None:
    """Aim a row at its next channel, at once and with a fresh count of tries."""
    tx.run(
        outbox.update()
        .where(outbox.c.id == item_id)
        .values(
            status="pending",
            lane=channel.value,
            channel=channel.value,
            address=None,
            route_left=list(route_left),
            attempts=0,
            uncertain_count=0,
            looks_left=0,
            not_before=tx.now,
            last_error=why,
            lease_until=None,
            deliver_by=None,
            updated_at=tx.now,
        )
    )
    tx.wake(topic(channel.value))


def is_current(tx: Tx, item_id: int, *, provider_id: str | None) -> bool:
    """Whether a row stands as accepted under just this provider's id."""
    return tx.run(_CURRENT, {"b_id": item_id, "b_provider_id": provider_id}).first() is not None


_is_under = outbox.c.provider_id == bound(outbox.c.provider_id)
_CURRENT = sa.select(outbox.c.id).where(_it, _is_under, outbox.c.status == "done")


def recall(tx: Tx, item_id: int, *, provider_id: str | None, channel: str) -> str | None:
    """Take back a row that waits for another channel, since an earlier one delivered it.

    Returns:
        The payment that the row is about; None if it has none, or nothing was waiting.
    """
    told: dict[str, object] = {"b_id": item_id, "b_provider_id": provider_id}
    return tx.run(_RECALL, told | {"b_channel": channel, "b_now": tx.now}).scalar()


_RECALL = (
    outbox.update()
    .where(_it, _is_under, outbox.c.status == "pending")
    .values(
        status="done",
        channel=bound(outbox.c.channel),
        lane=bound(outbox.c.channel),
        updated_at=_NOW,
    )
    .returning(outbox.c.payment_id)
)


def next_due(tx: Tx, lane: str) -> datetime | None:
    """When the next waiting row of a lane may be taken."""
    return tx.run(_NEXT_DUE, {"b_lane": lane}).scalar()


_NEXT_DUE = (
    sa.select(outbox.c.not_before)
    .where(outbox.c.status == "pending", outbox.c.lane == bound(outbox.c.lane))
    .order_by(outbox.c.lane, outbox.c.not_before, outbox.c.id)
    .limit(1)
)
