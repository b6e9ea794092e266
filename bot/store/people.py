"""Customers, the addresses they are reached at, and what they consented to."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from bot.domain.identity import person_key
from bot.domain.payment import Customer
from bot.store import addresses
from bot.store.engine import Tx
from bot.store.listed import Listed
from bot.store.rows import bound
from bot.store.schema import address, consent, customer, invite
from channels.base import Address, ChannelName


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known about one address."""

    customer_id: int | None
    last_inbound_at: datetime | None
    reach: str
    reason: str | None = None


COLUMNS = tuple(
    customer.c[name] for name in ("id", "phone", "name", "email", "locale", "time_zone")
)
"""What `customer_of` reads."""


def customer_of(row: RowMapping, prefix: str = "") -> Customer:
    """Read a customer from a row that has `COLUMNS` under `prefix`."""
    return Customer(
        id=row[f"{prefix}id"],
        phone=row[f"{prefix}phone"],
        name=row[f"{prefix}name"],
        email=row[f"{prefix}email"],
        locale=row[f"{prefix}locale"],
        time_zone=row[f"{prefix}time_zone"],
    )


def upsert_customer(
    tx: Tx,
    *,
    phone: str,
    name: str | None = None,
    email: str | None = None,
    locale: str | None = None,
) -> Customer:
    """Find or make the customer with this E.164 phone; what is given replaces what was known.

    All spellings of one subscriber's number (MX 521, AR 549, BR ninth digit) are one customer, who
    keeps the spelling that was known first.
    """
    row: dict[str, object] = {
        "phone": phone,
        "person_key": person_key(phone),
        "created_at": tx.now,
    }
    # Phone and key are both unique: of two at once, either index may be the one that says so.
    is_new = bool(tx.insert_ignoring(customer, [row], conflict=[]))
    news = {"name": name, "email": email, "locale": locale}
    if any(value is not None for value in news.values()):
        told = {f"b_{key}": value for key, value in news.items()}
        tx.run(_RENEW, {"b_person_key": person_key(phone), **told})
    found = find_customer(tx, phone=phone)
    if found is None:
        raise LookupError("a customer just written cannot be read back")
    if is_new:
        addresses.adopt(tx, found)
    return found


_RENEW = (
    customer.update()
    .where(customer.c.person_key == bound(customer.c.person_key))
    .values(
        {
            each: sa.func.coalesce(bound(each), each)
            for each in (customer.c.name, customer.c.email, customer.c.locale)
        }
    )
)


def find_customer(tx: Tx, *, phone: str) -> Customer | None:
    """The customer with this E.164 phone, however it is spelt."""
    row = tx.run(_FIND, {"b_person_key": person_key(phone)}).mappings().first()
    return None if row is None else customer_of(row)


_FIND = sa.select(customer).where(customer.c.person_key == bound(customer.c.person_key))


def zones_told(tx: Tx, phones: Iterable[str]) -> dict[str, str]:
    """The time zones on the records of those customers, by number, that have one there."""
    keys = {phone: person_key(phone) for phone in phones}
    statement = sa.select(customer.c.person_key, customer.c.time_zone).where(
        customer.c.person_key.in_(set(keys.values())), customer.c.time_zone.is_not(None)
    )
    known = {row.person_key: str(row.time_zone) for row in tx.run(statement)}
    return {phone: known[key] for phone, key in keys.items() if key in known}


def read_customer(tx: Tx, customer_id: int) -> Customer:
    """The customer with this id."""
    return customer_of(tx.run(_READ, {"b_id": customer_id}).mappings().one())


_READ = sa.select(customer).where(customer.c.id == bound(customer.c.id))


def bind(tx: Tx, customer_id: int, to: Address, *, user_id: str | None = None) -> None:
    """Say that this address is this customer's; it stops being anybody else's."""
    tx.insert_ignoring(
        address,
        [{"channel": to.channel.value, "value": to.value, "created_at": tx.now, "reach": "ok"}],
        conflict=["channel", "value"],
    )
    values: dict[str, object] = {"customer_id": customer_id}
    if user_id is not None:
        values["user_id"] = user_id
    tx.run(address.update().where(_is(to)).values(**values))


def saw_inbound(tx: Tx, sender: Address, *, at: datetime, customer_id: int | None) -> None:
    """Note that a person wrote from this address: it opens the reply window, and reaches again."""
    tx.insert_ignoring(
        address,
        [
            {
                "channel": sender.channel.value,
                "value": sender.value,
                "customer_id": customer_id,
                "created_at": tx.now,
                "reach": "ok",
            }
        ],
        conflict=["channel", "value"],
    )
    newest = sa.case(
        (address.c.last_inbound_at > at, address.c.last_inbound_at),
        else_=sa.bindparam("at", at, type_=address.c.last_inbound_at.type),
    )
    values: dict[str, object] = {"last_inbound_at": newest}
    if customer_id is not None:
        values["customer_id"] = customer_id
    values["reach"] = sa.case((address.c.reach == "blocked", "ok"), else_=address.c.reach)
    tx.run(address.update().where(_is(sender)).values(**values))


def reach_of(tx: Tx, at: Address) -> Reach | None:
    """What is known about an address, if anything is."""
    row = tx.run(sa.select(address).where(_is(at))).first()
    if row is None:
        return None
    return Reach(row.customer_id, row.last_inbound_at, row.reach, row.reach_reason)


def set_reach(
    tx: Tx, at: Address, *, reach: str, reason: str, customer_id: int | None = None
) -> None:
    """Mark an address `ok`, `blocked` (the provider says so) or `opted_out` (the person does).

    A person's own stop outlives the provider's block.
    """
    tx.insert_ignoring(
        address,
        [
            {
                "channel": at.channel.value,
                "value": at.value,
                "customer_id": customer_id,
                "created_at": tx.now,
                "reach": reach,
            }
        ],
        conflict=["channel", "value"],
    )
    which = _is(at)
    if reach == "blocked":
        which &= address.c.reach != "opted_out"
    tx.run(address.update().where(which).values(reach=reach, reach_reason=reason, reach_at=tx.now))


def unblock(tx: Tx, at: Address, *, reason: str) -> bool:
    """Forget that the provider said `blocked`; False if it did not. A person's own stop stays."""
    result = tx.run(
        address.update()
        .where(_is(at), address.c.reach == "blocked")
        .values(reach="ok", reach_reason=reason, reach_at=tx.now)
    )
    return result.rowcount == 1


def record_consent(
    tx: Tx,
    at: Address,
    *,
    customer_id: int | None,
    is_given: bool,
    who: str,
    how: str,
    wording: str | None,
    scope: str = "channel",
) -> None:
    """Keep for ever who said yes or no to what, when, how and in which words."""
    tx.run(
        consent.insert().values(
            customer_id=customer_id,
            channel=at.channel.value,
            address=at.value,
            is_given=is_given,
            scope=scope,
            who=who,
            how=how,
            wording=wording,
            at=tx.now,
        )
    )


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a customer wants to be sent."""

    is_opted_out: bool
    wants_reminders: bool
    reminders_paused_until: datetime | None


def wishes(tx: Tx, customer_id: int) -> Wishes:
    """What a customer wants to be sent, over all channels."""
    row = tx.run(sa.select(customer).where(customer.c.id == customer_id)).one()
    return Wishes(bool(row.is_opted_out), bool(row.wants_reminders), row.reminders_paused_until)


def set_wishes(
    tx: Tx,
    customer_id: int,
    *,
    is_opted_out: bool | None = None,
    wants_reminders: bool | None = None,
) -> None:
    """Change what a customer wants to be sent; None leaves a wish as it is."""
    given = {"is_opted_out": is_opted_out, "wants_reminders": wants_reminders}
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        tx.run(customer.update().where(customer.c.id == customer_id).values(**values))


def pause_reminders(
    tx: Tx, customer_id: int, *, until: datetime, may_shorten: bool = False
) -> None:
    """Remind of nothing before `until`; a pause that lasts longer stays, unless it may be cut."""
    known = wishes(tx, customer_id).reminders_paused_until
    if known is None or known < until or may_shorten:
        tx.run(
            customer.update()
            .where(customer.c.id == customer_id)
            .values(reminders_paused_until=until)
        )


def set_locale(tx: Tx, customer_id: int, locale: str) -> None:
    """Write to this customer in this language from now on."""
    tx.run(customer.update().where(customer.c.id == customer_id).values(locale=locale))


def invite_customer(
    tx: Tx, customer_id: int, token: str, *, by: str, ttl: timedelta = timedelta(days=7)
) -> None:
    """Keep the hash of a one-time token that binds the first chat that brings it."""
    tx.run(
        invite.insert().values(
            token_hash=_token_hash(token),
            kind="customer",
            customer_id=customer_id,
            created_by=by,
            created_at=tx.now,
            expires_at=tx.now + ttl,
        )
    )


def invited_since(tx: Tx, customer_id: int, since: datetime) -> bool:
    """Whether this customer was invited after a moment, by whomever."""
    statement = sa.select(invite.c.id).where(
        invite.c.customer_id == customer_id, invite.c.created_at > since
    )
    return tx.run(statement.limit(1)).first() is not None


def use_invite(tx: Tx, token: str, *, by: str) -> int | None:
    """Use a customer's invitation up and say whose it is; None if unknown, used or too old."""
    found: int | None = tx.run(
        invite.update()
        .where(
            invite.c.token_hash == _token_hash(token),
            invite.c.kind == "customer",
            invite.c.used_at.is_(None),
            invite.c.expires_at > tx.now,
        )
        .values(used_at=tx.now, used_by=by)
        .returning(invite.c.customer_id)
    ).scalar()
    return found


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def telegram_chat(tx: Tx, customer_id: int) -> str | None:
    """The chat that the customer is bound to, the newest if there are several."""
    statement = (
        sa.select(address.c.value)
        .where(
            address.c.customer_id == customer_id,
            address.c.channel == ChannelName.TELEGRAM.value,
        )
        .order_by(address.c.last_inbound_at.desc().nulls_last(), address.c.id.desc())
        .limit(1)
    )
    return tx.run(statement).scalar()


def _is(at: Address) -> "sa.ColumnElement[bool]":
    return (address.c.channel == at.channel.value) & (address.c.value == at.value)


def lock_reminded(tx: Tx, customer_ids: Iterable[int]) -> None:
    """Let one worker at a time decide on a customer's reminders; SQLite has one writer anyway."""
    if tx.is_sqlite:
        return
    tx.run(_LOCK, {"b_ids": sorted(set(customer_ids))}).all()


_ids = sa.func.unnest(sa.bindparam("b_ids", type_=Listed(sa.Integer))).column_valued("id")
# One statement for all, taken in the order of the list: two workers cannot wait for each other.
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(0x7265_6D69, _ids))
