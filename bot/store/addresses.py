"""Which addresses are one person's: those bound to them, and every spelling of their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.domain.identity import spellings
from bot.domain.payment import Customer
from bot.store.engine import Tx
from bot.store.listed import among
from bot.store.rows import bound
from bot.store.schema import address, conversation
from channels.base import Address, ChannelName

_BY_NUMBER = (ChannelName.WHATSAPP, ChannelName.SMS)
"""Channels whose messages go to the customer's number, whatever they write from."""


@dataclass(frozen=True, slots=True)
class Known:
    """One address of a person, and whether it may be written to."""

    at: Address
    reach: str = "ok"
    reason: str | None = None


def number_at(channel: ChannelName, customer: Customer) -> Address | None:
    """The address that messages to this customer's number go to; None where numbers do not."""
    return Address(channel, customer.phone) if channel in _BY_NUMBER else None


def of_customer(tx: Tx, customer: Customer) -> list[Known]:
    """Every address of a customer on every channel, always in the same order."""
    rows = tx.run(sa.select(address).where(_theirs(customer)))
    found = {
        Address(ChannelName(row.channel), row.value): (row.reach, row.reach_reason) for row in rows
    }
    for channel in _BY_NUMBER:
        found.setdefault(Address(channel, customer.phone), ("ok", None))
    if customer.email:
        found.setdefault(Address(ChannelName.EMAIL, customer.email), ("ok", None))
    ordered = sorted(found, key=lambda each: (each.channel.value, each.value))
    return [Known(each, *found[each]) for each in ordered]


def is_stopped(tx: Tx, at: Address, customer: Customer | None) -> bool:
    """Whether the person behind an address said stop on its channel."""
    mine: sa.ColumnElement[bool] = address.c.value == at.value
    if customer is not None:
        mine |= _theirs(customer)
    statement = sa.select(address.c.id).where(
        mine, address.c.channel == at.channel.value, address.c.reach == "opted_out"
    )
    return tx.run(statement.limit(1)).first() is not None


def adopt(tx: Tx, customer: Customer) -> None:
    """Let what was written from a new customer's number before, however spelt, be theirs."""
    told = {"b_forms": sorted(spellings(customer.phone)), "b_customer_id": customer.id}
    written = tx.run(_ADOPT, told).all()
    tx.run(_ADOPT_TALK, told)
    for channel in sorted({row.channel for row in written}):
        _carry(tx, customer, channel, [row for row in written if row.channel == channel])


def _carry(tx: Tx, customer: Customer, channel: str, rows: Sequence["sa.Row[Any]"]) -> None:
    """Have what is known of any spelling hold for the one that is written to; a no wins."""
    seen = max((row.last_inbound_at for row in rows if row.last_inbound_at), default=None)
    stopped = [row for row in rows if row.reach == "opted_out"]
    known: dict[str, object] = {"customer_id": customer.id, "last_inbound_at": seen}
    if stopped:
        known |= {"reach": "opted_out", "reach_reason": stopped[0].reach_reason}
    new = {"channel": channel, "value": customer.phone, "created_at": tx.now}
    tx.insert_ignoring(address, [new], conflict=["channel", "value"])
    at_number = (address.c.channel == channel) & (address.c.value == customer.phone)
    tx.run(address.update().where(at_number).values(**known))


def _theirs(customer: Customer) -> "sa.ColumnElement[bool]":
    channels = [channel.value for channel in _BY_NUMBER]
    by_number = address.c.channel.in_(channels) & (address.c.value == customer.phone)
    by_email = (address.c.channel == ChannelName.EMAIL.value) & (address.c.value == customer.email)
    return (address.c.customer_id == customer.id) | by_number | by_email


def _by_form(table: sa.Table, column: "sa.Column[str]") -> "sa.ColumnElement[bool]":
    return table.c.channel.in_([channel.value for channel in _BY_NUMBER]) & among(column, "b_forms")


_ADOPT = (
    address.update()
    .where(_by_form(address, address.c.value), address.c.customer_id.is_(None))
    .values(customer_id=bound(address.c.customer_id))
    .returning(
        address.c.channel,
        address.c.value,
        address.c.last_inbound_at,
        address.c.reach,
        address.c.reach_reason,
    )
)
_ADOPT_TALK = (
    conversation.update()
    .where(_by_form(conversation, conversation.c.address), conversation.c.customer_id.is_(None))
    .values(customer_id=bound(conversation.c.customer_id))
)
