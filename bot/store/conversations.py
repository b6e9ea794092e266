"""Conversations with people in chats, and the one-use buttons shown there."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.store.engine import Tx
from bot.store.schema import button, conversation
from channels.base import Address, ChannelName

_CHOICES = "choices"
BUTTON_TTL = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where one chat stands.

    `slots` is JSON-safe; its "choices" are the tokens behind the numbers of the last reply that had
    any, and only `keep_choices` changes them. `mode` is "bot" or "human".
    """

    id: int
    at: Address
    customer_id: int | None
    state: str
    slots: Mapping[str, object]
    version: int
    mode: str
    owner_id: int | None
    mode_since: datetime | None
    last_inbound_at: datetime

    @property
    def choices(self) -> tuple[str, ...]:
        """The tokens behind the numbers 1, 2, 3 and on."""
        kept = self.slots.get(_CHOICES)
        return tuple(map(str, kept)) if isinstance(kept, list) else ()


def read(tx: Tx, at: Address) -> Conversation:
    """The conversation at this address, begun if there is none; locked where rows can be."""
    _begin(tx, at)
    return _one(tx, _is(at))


def find(tx: Tx, conversation_id: int) -> Conversation | None:
    """The conversation with this id, locked where rows can be."""
    rows = _rows(tx, conversation.c.id == conversation_id)
    return rows[0] if rows else None


def save(tx: Tx, changed: Conversation) -> bool:
    """Write a conversation back; False if somebody else wrote it since it was read.

    The choices on show are left as they are: a reply of this transaction may just have set them.
    """
    current = _rows(tx, conversation.c.id == changed.id)
    if not current or current[0].version != changed.version:
        return False
    slots = {name: value for name, value in changed.slots.items() if name != _CHOICES}
    slots[_CHOICES] = list(current[0].choices)
    result = tx.run(
        conversation.update()
        .where(conversation.c.id == changed.id, conversation.c.version == changed.version)
        .values(
            customer_id=changed.customer_id,
            state=changed.state,
            slots=slots,
            version=changed.version + 1,
            mode=changed.mode,
            owner_id=changed.owner_id,
            mode_since=changed.mode_since,
            last_inbound_at=changed.last_inbound_at,
        )
    )
    return result.rowcount == 1


def keep_choices(tx: Tx, at: Address, tokens: Sequence[str]) -> None:
    """Remember which token each number of the newest choices stands for."""
    _begin(tx, at)
    current = _one(tx, _is(at))
    tx.run(
        conversation.update()
        .where(conversation.c.id == current.id)
        .values(slots={**current.slots, _CHOICES: list(tokens)})
    )


def idle_with_staff(tx: Tx, *, before: datetime, limit: int = 200) -> list[Conversation]:
    """Conversations that staff hold and where nothing was written since `before`."""
    return _rows(
        tx,
        (conversation.c.mode == "human")
        & (conversation.c.last_inbound_at < before)
        & (conversation.c.mode_since < before),
        limit=limit,
    )


def with_staff(tx: Tx, *, owner_id: int | None = None, limit: int = 50) -> list[Conversation]:
    """Conversations that staff hold, of one owner or of all, the longest waiting first."""
    which = conversation.c.mode == "human"
    if owner_id is not None:
        which &= conversation.c.owner_id == owner_id
    return _rows(tx, which, limit=limit)


def offer(
    tx: Tx,
    to: Address,
    user_id: str | None,
    action: str,
    data: Mapping[str, object],
    ttl: timedelta = BUTTON_TTL,
) -> str:
    """Make a one-use button for one person in one chat; what goes on the wire is only its token.

    Args:
        tx: the transaction.
        to: the chat that shows it.
        user_id: who alone may press it; None for whoever writes there.
        action: what it does, 32 characters at most.
        data: what it does it with.
        ttl: for how long it works.
    """
    token = secrets.token_urlsafe(12)
    tx.run(
        button.insert().values(
            token=token,
            channel=to.channel.value,
            address=to.value,
            user_id=user_id,
            action=action,
            data=dict(data),
            created_at=tx.now,
            expires_at=tx.now + ttl,
        )
    )
    return token


def take(
    tx: Tx, token: str, at: Address, user_id: str | None
) -> tuple[str, Mapping[str, object]] | None:
    """Use a button up and give its action and data.

    None if it is unknown, of another chat or person, used already, or too old: the caller cannot
    tell which, and so cannot tell the person.
    """
    mine: sa.ColumnElement[bool] = button.c.user_id.is_(None)
    if user_id is not None:
        mine |= button.c.user_id == user_id
    row = tx.run(
        button.update()
        .where(
            button.c.token == token,
            button.c.channel == at.channel.value,
            button.c.address == at.value,
            mine,
            button.c.used_at.is_(None),
            button.c.expires_at > tx.now,
        )
        .values(used_at=tx.now)
        .returning(button.c.action, button.c.data)
    ).first()
    return None if row is None else (str(row.action), dict(row.data))


def _begin(tx: Tx, at: Address) -> None:
    tx.insert_ignoring(
        conversation,
        [
            {
                "channel": at.channel.value,
                "address": at.value,
                "slots": {},
                "last_inbound_at": tx.now,
            }
        ],
        conflict=["channel", "address"],
    )


def _one(tx: Tx, which: "sa.ColumnElement[bool]") -> Conversation:
    rows = _rows(tx, which)
    if not rows:
        raise LookupError("a conversation just begun cannot be read back")
    return rows[0]


def _rows(tx: Tx, which: "sa.ColumnElement[bool]", *, limit: int = 1) -> list[Conversation]:
    statement = (
        sa.select(conversation)
        .where(which)
        .order_by(conversation.c.last_inbound_at, conversation.c.id)
        .limit(limit)
    )
    if not tx.is_sqlite:
        statement = statement.with_for_update()
    return [
        Conversation(
            id=row["id"],
            at=Address(ChannelName(row["channel"]), row["address"]),
            customer_id=row["customer_id"],
            state=row["state"],
            slots=row["slots"],
            version=row["version"],
            mode=row["mode"],
            owner_id=row["owner_id"],
            mode_since=row["mode_since"],
            last_inbound_at=row["last_inbound_at"],
        )
        for row in tx.run(statement).mappings()
    ]


def _is(at: Address) -> "sa.ColumnElement[bool]":
    return (conversation.c.channel == at.channel.value) & (conversation.c.address == at.value)
