"""Staff: who they are, how they were let in, and what they did."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.staff import Role
from bot.store.engine import Tx
from bot.store.schema import audit as audit_table
from bot.store.schema import button, conversation, invite, staff
from channels.base import Address, ChannelName

INVITE_TTL = timedelta(hours=24)
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff, known by a numeric Telegram id or by a WhatsApp number (E.164)."""

    id: int
    name: str
    role: Role
    telegram_user_id: str | None
    telegram_chat_id: str | None
    phone: str | None
    pin_hash: str | None
    locale: str | None
    created_at: datetime
    removed_at: datetime | None

    @property
    def actor(self) -> str:
        """How the books and Migo's `createdBy` name them; begins with `actor_prefix`."""
        return f"{self.actor_prefix}{self.name}"

    @property
    def actor_prefix(self) -> str:
        """What `created_by` of their payments begins with; the id keeps namesakes apart."""
        return f"staff:{self.id} "

    @property
    def at(self) -> Address | None:
        """The chat where they are written to."""
        if self.telegram_chat_id is not None:
            return Address(ChannelName.TELEGRAM, self.telegram_chat_id)
        return None if self.phone is None else Address(ChannelName.WHATSAPP, self.phone)


@dataclass(frozen=True, slots=True)
class Invite:
    """A valid invitation; `staff_id` is a member prepared under a given name."""

    id: int
    role: Role
    created_by: str
    staff_id: int | None


def _staff_of(row: RowMapping) -> Staff:
    return Staff(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        telegram_user_id=row["telegram_user_id"],
        telegram_chat_id=row["telegram_chat_id"],
        phone=row["phone"],
        pin_hash=row["pin_hash"],
        locale=row["locale"],
        created_at=row["created_at"],
        removed_at=row["removed_at"],
    )


def find_active(tx: Tx, sender: Address, user_id: str | None) -> Staff | None:
    """The member of staff who writes, None for anybody else.

    Telegram people are known by their numeric id alone, others by a WhatsApp number. An SMS proves
    nothing about its sender.
    """
    if sender.channel is ChannelName.TELEGRAM:
        if user_id is None:
            return None
        which = staff.c.telegram_user_id == user_id
    elif sender.channel is ChannelName.WHATSAPP and sender.value.startswith("+"):
        which = staff.c.phone == sender.value
    else:
        return None
    row = tx.run(sa.select(staff).where(which, staff.c.removed_at.is_(None))).mappings().first()
    return None if row is None else _staff_of(row)


def has_left(tx: Tx, at: Address) -> bool:
    """Whether this is the chat of somebody who was put out, and so is told nothing any more."""
    if at.channel is ChannelName.TELEGRAM:
        which = staff.c.telegram_chat_id == at.value
    elif at.channel is ChannelName.WHATSAPP:
        which = staff.c.phone == at.value
    else:
        return False
    statement = sa.select(staff.c.removed_at).where(which)
    ends = tx.run(statement).scalars().all()
    return bool(ends) and None not in ends


def read(tx: Tx, staff_id: int) -> Staff | None:
    """The member with this id, removed ones too."""
    row = tx.run(sa.select(staff).where(staff.c.id == staff_id)).mappings().first()
    return None if row is None else _staff_of(row)


def by_actor(tx: Tx, actor: str) -> Staff | None:
    """The member whom the books name so, removed ones too; None if it is none of the staff."""
    kind, _, rest = actor.partition(":")
    number = rest.partition(" ")[0]
    is_staff = kind == "staff" and number.isascii() and number.isdecimal() and len(number) < 10
    return read(tx, int(number)) if is_staff else None


def active(tx: Tx) -> list[Staff]:
    """Everybody who is in now, oldest first."""
    statement = sa.select(staff).where(staff.c.removed_at.is_(None)).order_by(staff.c.id)
    return [_staff_of(row) for row in tx.run(statement).mappings()]


def invite_staff(tx: Tx, token: str, *, role: Role, name: str | None, by: str) -> datetime:
    """Keep the hash of a one-time token that makes its first user a member; give its end.

    A given name is kept with a member who is not in yet, and so may do nothing.
    """
    used_by = None
    if name is not None:
        row = {
            "name": name[:_NAME_CHARS],
            "role": role.value,
            "invited_by": by,
            "created_at": tx.now,
            "removed_at": tx.now,
        }
        used_by = str(tx.run(staff.insert().values(row).returning(staff.c.id)).scalar_one())
    expires_at = tx.now + INVITE_TTL
    tx.run(
        invite.insert().values(
            token_hash=token_hash(token),
            kind="staff",
            role=role.value,
            created_by=by,
            created_at=tx.now,
            expires_at=expires_at,
            used_by=used_by,
        )
    )
    audit(tx, by, "staff invited", None, None, {"role": role.value, "name": name})
    return expires_at


def token_hash(token: str) -> str:
    """What is kept of an invitation's token; the token is long and random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def use_invite(tx: Tx, token: str) -> Invite | None:
    """Use an invitation up; None if it is unknown, used or too old."""
    row = tx.run(
        invite.update()
        .where(
            invite.c.token_hash == token_hash(token),
            invite.c.kind == "staff",
            invite.c.used_at.is_(None),
            invite.c.expires_at > tx.now,
        )
        .values(used_at=tx.now)
        .returning(invite.c.id, invite.c.role, invite.c.created_by, invite.c.used_by)
    ).first()
    if row is None:
        return None
    prepared = None if row.used_by is None else int(row.used_by)
    return Invite(row.id, Role(row.role), row.created_by, prepared)


def admit(
    tx: Tx, used: Invite, sender: Address, *, user_id: str | None, name: str, locale: str | None
) -> Staff:
    """Make whoever used an invitation a member; somebody removed before comes back as the same."""
    is_telegram = sender.channel is ChannelName.TELEGRAM
    known = staff.c.telegram_user_id == user_id if is_telegram else staff.c.phone == sender.value
    before = tx.run(sa.select(staff).where(known)).mappings().first()
    prepared = None if used.staff_id is None else read(tx, used.staff_id)
    values: dict[str, object] = {
        "name": (prepared.name if prepared is not None else name)[:_NAME_CHARS],
        "role": used.role.value,
        "telegram_user_id": user_id if is_telegram else None,
        "telegram_chat_id": sender.value if is_telegram else None,
        "phone": None if is_telegram else sender.value,
        "pin_hash": None,
        "locale": locale,
        "removed_at": None,
        "invited_by": used.created_by,
    }
    member_id = before["id"] if before is not None else used.staff_id
    if member_id is None:
        made = tx.run(staff.insert().values(**values, created_at=tx.now).returning(staff.c.id))
        member_id = int(made.scalar_one())
    else:
        tx.run(staff.update().where(staff.c.id == member_id).values(**values))
    tx.run(invite.update().where(invite.c.id == used.id).values(used_by=str(member_id)))
    member = _must_read(tx, member_id)
    audit(tx, member.actor, "staff joined", None, None, {"role": member.role.value})
    return member


def remove(tx: Tx, staff_id: int, *, by: str) -> Staff | None:
    """Put a member out at once, their open buttons and dialogue too; None if they are not in."""
    member = read(tx, staff_id)
    if member is None or member.removed_at is not None:
        return None
    tx.run(staff.update().where(staff.c.id == staff_id).values(removed_at=tx.now, pin_hash=None))
    if member.at is not None:
        _forget_chat(tx, member.at)
    conversation_of = conversation.c.owner_id == staff_id
    tx.run(conversation.update().where(conversation_of).values(owner_id=None))
    audit(tx, by, "staff removed", None, {"id": staff_id, "role": member.role.value}, None)
    return member


def _forget_chat(tx: Tx, at: Address) -> None:
    here = (button.c.channel == at.channel.value) & (button.c.address == at.value)
    tx.run(button.update().where(here, button.c.used_at.is_(None)).values(used_at=tx.now))
    chat = (conversation.c.channel == at.channel.value) & (conversation.c.address == at.value)
    tx.run(
        conversation.update()
        .where(chat)
        .values(state="idle", slots={}, version=conversation.c.version + 1)
    )


def set_role(tx: Tx, staff_id: int, role: Role, *, by: str) -> Staff | None:
    """Give a member another role, from their next message on; None if they are not in."""
    member = read(tx, staff_id)
    if member is None or member.removed_at is not None:
        return None
    tx.run(staff.update().where(staff.c.id == staff_id).values(role=role.value))
    audit(tx, by, "staff role", None, {"role": member.role.value}, {"role": role.value})
    return _must_read(tx, staff_id)


def set_locale(tx: Tx, staff_id: int, locale: str) -> None:
    """Write to this member in this language from now on."""
    tx.run(staff.update().where(staff.c.id == staff_id).values(locale=locale))


def set_pin(tx: Tx, staff_id: int, pin_hash: str) -> None:
    """Keep the hash of a member's PIN."""
    tx.run(staff.update().where(staff.c.id == staff_id).values(pin_hash=pin_hash))


def audit(
    tx: Tx,
    who: str,
    what: str,
    payment_id: str | None,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    """Keep for ever that a person did something, and what it changed. Values are JSON-safe."""
    tx.run(
        audit_table.insert().values(
            who=who,
            what=what,
            payment_id=payment_id,
            before=sa.null() if before is None else dict(before),
            after=sa.null() if after is None else dict(after),
            at=tx.now,
        )
    )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that a person did."""

    id: int
    who: str
    what: str
    payment_id: str | None
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    at: datetime


def audits(
    tx: Tx, *, payment_id: str | None = None, older_than: int | None = None, limit: int = 100
) -> list[AuditEntry]:
    """What people did, newest first, older than an entry's id if one is given."""
    statement = sa.select(audit_table).order_by(audit_table.c.id.desc()).limit(limit)
    if payment_id is not None:
        statement = statement.where(audit_table.c.payment_id == payment_id)
    if older_than is not None:
        statement = statement.where(audit_table.c.id < older_than)
    return [_entry_of(row) for row in tx.run(statement)]


def _entry_of(row: sa.Row[Any]) -> AuditEntry:
    changed = _json(row.before), _json(row.after)
    return AuditEntry(row.id, row.who, row.what, row.payment_id, *changed, row.at)


def _json(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, dict) else None


def _must_read(tx: Tx, staff_id: int) -> Staff:
    member = read(tx, staff_id)
    if member is None:
        raise LookupError("a member just written cannot be read back")
    return member
