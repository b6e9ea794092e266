"""Tries at messages: how each ended, and what its provider said of it later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.delivery import Purpose
from bot.store import claims
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from bot.store.listed import among, given
from bot.store.rows import bound
from bot.store.schema import SILENT_DELIVERY, delivery, outbox
from bot.store.waiting import with_link
from channels.base import ChannelName, DeliveryState


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A provider took a message; `deliver_by` is when the next channel gets it without news."""

    item: OutboxItem
    provider_id: str
    deliver_by: datetime | None


def accept(tx: Tx, accepted: Sequence[Acceptance]) -> set[int]:
    """End a batch of sends that providers took, in few statements whatever its size.

    Returns:
        Those rows that were still claimed by their token; the others are left as they are.
    """
    if not accepted:
        return set()
    if not tx.is_sqlite:
        return _accept_at_once(tx, accepted)
    mine = claims.still_mine(tx, [each.item for each in accepted])
    accepted = [each for each in accepted if each.item.id in mine]
    tx.run_many(
        _ACCEPT,
        [
            {
                "b_id": each.item.id,
                "b_provider_id": each.provider_id,
                "b_deliver_by": each.deliver_by,
                "b_now": tx.now,
            }
            for each in accepted
        ],
    )
    tx.insert_many(
        delivery,
        [
            _delivery_row(tx, each.item, "accepted", provider_id=each.provider_id)
            for each in accepted
        ],
    )
    return mine


def _accept_at_once(tx: Tx, accepted: Sequence[Acceptance]) -> set[int]:
    """The same where each row of a statement would be a message to a server."""
    told: dict[str, object] = {
        "b_id": [each.item.id for each in accepted],
        "b_token": [each.item.token for each in accepted],
        "b_address": [each.item.address or "" for each in accepted],
        "b_provider_id": [each.provider_id for each in accepted],
        "b_deliver_by": [each.deliver_by for each in accepted],
        "b_now": tx.now,
    }
    return set(tx.run(_ACCEPT_ALL, told).scalars())


_NOW = bound(outbox.c.updated_at, "now")
_taken = given(
    "taken",
    *(outbox.c[name] for name in ("id", "token", "address", "provider_id", "deliver_by")),
)
_ended = (
    outbox.update()
    .where(
        outbox.c.id == _taken.c.id,
        outbox.c.token == _taken.c.token,
        outbox.c.status == "sending",
    )
    .values(
        status="done",
        provider_id=_taken.c.provider_id,
        delivery=None,
        deliver_by=_taken.c.deliver_by,
        lease_until=None,
        last_error=None,
        updated_at=_NOW,
    )
    .returning(
        outbox.c.id,
        outbox.c.tries,
        sa.func.coalesce(outbox.c.channel, "").label("channel"),
        _taken.c.address,
        outbox.c.provider_id,
    )
    .cte("ended")
)
_ACCEPT_ALL = (
    delivery.insert()
    .from_select(
        [
            "outbox_id",
            "try_no",
            "channel",
            "address",
            "provider_id",
            "outcome",
            "at",
            "updated_at",
        ],
        sa.select(*_ended.c, sa.literal("accepted"), _NOW, _NOW),
    )
    .returning(delivery.c.outbox_id)
)
_ACCEPT = (
    outbox.update()
    .where(outbox.c.id == sa.bindparam("b_id"))
    .values(
        status="done",
        provider_id=sa.bindparam("b_provider_id"),
        delivery=None,
        deliver_by=sa.bindparam("b_deliver_by"),
        lease_until=None,
        last_error=None,
        updated_at=sa.bindparam("b_now"),
    )
)


def _delivery_row(
    tx: Tx,
    item: OutboxItem,
    outcome: str,
    *,
    provider_id: str | None = None,
    code: str | None = None,
    reason: str | None = None,
) -> dict[str, object]:
    return {
        "outbox_id": item.id,
        "try_no": item.tries,
        "channel": "" if item.channel is None else item.channel.value,
        "address": item.address or "",
        "outcome": outcome,
        "provider_id": provider_id,
        "code": None if code is None else code[:32],
        "reason": None if reason is None else reason[:300],
        "at": tx.now,
        "updated_at": tx.now,
    }


def note_try(tx: Tx, item: OutboxItem, outcome: str, *, code: str | None, reason: str) -> None:
    """Keep how one try ended: `not_sent`, `refused` or `uncertain`."""
    tx.insert_ignoring(
        delivery,
        [_delivery_row(tx, item, outcome, code=code, reason=reason)],
        conflict=["outbox_id", "try_no"],
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try at one message, and the provider's last word on it."""

    id: int
    outbox_id: int
    try_no: int
    channel: str
    address: str
    outcome: str
    provider_id: str | None
    state: DeliveryState | None
    code: str | None
    reason: str | None
    at: datetime
    updated_at: datetime


def _delivery_of(row: RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        outbox_id=row["outbox_id"],
        try_no=row["try_no"],
        channel=row["channel"],
        address=row["address"],
        outcome=row["outcome"],
        provider_id=row["provider_id"],
        state=None if row["state"] is None else DeliveryState(row["state"]),
        code=row["code"],
        reason=row["reason"],
        at=row["at"],
        updated_at=row["updated_at"],
    )


def find_delivery(tx: Tx, provider_id: str) -> Delivery | None:
    """The try that the provider knows under this id; locked until the transaction ends."""
    statement = _FIND if tx.is_sqlite else _FIND_LOCKED
    row = tx.run(statement, {"b_provider_id": provider_id}).mappings().first()
    return None if row is None else _delivery_of(row)


_FIND = sa.select(delivery).where(delivery.c.provider_id == bound(delivery.c.provider_id)).limit(1)
_FIND_LOCKED = _FIND.with_for_update()


def deliveries_of(tx: Tx, outbox_ids: Sequence[int]) -> list[Delivery]:
    """Every try at these messages in order."""
    rows = tx.run(_DELIVERIES, {"b_ids": list(outbox_ids)}).mappings()
    return [_delivery_of(row) for row in rows]


_DELIVERIES = (
    sa.select(delivery)
    .where(among(delivery.c.outbox_id, "b_ids"))
    .order_by(delivery.c.outbox_id, delivery.c.try_no)
)


def set_delivery(
    tx: Tx, known: Delivery, state: DeliveryState, *, code: str | None, is_final: bool
) -> None:
    """Keep the provider's word on a try, and on its message if that try is the newest."""
    said: dict[str, object] = {
        "b_id": known.id,
        "b_outbox_id": known.outbox_id,
        "b_provider_id": known.provider_id,
        "b_state": state.value,
        "b_code": None if code is None else code[:32],
        "b_now": tx.now,
    }
    if not tx.is_sqlite:
        tx.run(_SAY_ALL_LAST if is_final else _SAY_ALL, said)
        return
    tx.run(_SAY, {name: said[name] for name in ("b_id", "b_state", "b_code", "b_now")})
    del said["b_id"], said["b_code"]
    tx.run(_SAY_LAST if is_final else _SAY_OF_MESSAGE, said)


_SAY = (
    delivery.update()
    .where(delivery.c.id == bound(delivery.c.id))
    .values(
        state=bound(delivery.c.state),
        code=bound(delivery.c.code),
        updated_at=bound(delivery.c.updated_at, "now"),
    )
)
_SAY_OF_MESSAGE = (
    outbox.update()
    .where(
        outbox.c.id == bound(outbox.c.id, "outbox_id"),
        outbox.c.provider_id == bound(outbox.c.provider_id),
    )
    .values(delivery=bound(delivery.c.state), updated_at=_NOW)
)
_SAY_LAST = _SAY_OF_MESSAGE.values(deliver_by=None)
# To a server each statement is a message there and back.
_SAY_ALL = _SAY_OF_MESSAGE.add_cte(_SAY.cte("said"))
_SAY_ALL_LAST = _SAY_LAST.add_cte(_SAY.cte("said"))


def take_silent(
    tx: Tx, channels: Sequence[str], *, older_than: timedelta, limit: int = 500
) -> list[Delivery]:
    """Accepted messages of these channels without a final word, each given once.

    What is older than a day is left alone.
    """
    which = (
        sa.select(delivery.c.id)
        .where(
            delivery.c.channel.in_(channels),
            sa.text(SILENT_DELIVERY),
            delivery.c.at <= tx.now - older_than,
            delivery.c.at > tx.now - _ASKED_WITHIN,
        )
        .limit(limit)
    )
    if not tx.is_sqlite:
        which = which.with_for_update(skip_locked=True)
    taken = tx.run(
        delivery.update()
        .where(delivery.c.id.in_(which))
        .values(asked_at=tx.now)
        .returning(delivery)
    )
    return [_delivery_of(row) for row in taken.mappings()]


_ASKED_WITHIN = timedelta(days=1)


def tries_with_link(tx: Tx, link_id: int) -> list[Delivery]:
    """Every try that would have carried this link's URL."""
    statement = (
        sa.select(delivery)
        .join(outbox, outbox.c.id == delivery.c.outbox_id)
        .where(with_link(link_id))
        .order_by(delivery.c.id)
    )
    return [_delivery_of(row) for row in tx.run(statement).mappings()]


def delivered_channel(tx: Tx, payment_id: str) -> ChannelName | None:
    """The channel that last brought the link to the customer, else the last that took it."""
    found = tx.run(_DELIVERED, {"b_payment": payment_id}).scalar()
    return None if found is None else ChannelName(found)


_DELIVERED = (
    sa.select(delivery.c.channel)
    .join(outbox, outbox.c.id == delivery.c.outbox_id)
    .where(
        outbox.c.payment_id == sa.bindparam("b_payment"),
        outbox.c.purpose.in_([Purpose.LINK.value, Purpose.REMINDER.value]),
        delivery.c.outcome == "accepted",
        sa.or_(delivery.c.state.is_(None), delivery.c.state.not_in(["failed", "undelivered"])),
    )
    .order_by(
        sa.case((delivery.c.state.in_(["delivered", "read"]), 0), else_=1), delivery.c.id.desc()
    )
    .limit(1)
)
