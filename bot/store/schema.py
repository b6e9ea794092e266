"""The tables, and the promises that the database itself keeps.

Times are stored as integer microseconds since 1970 UTC and read as aware datetimes, so that both
engines compare and index them alike.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(at: datetime) -> int:
    """An aware time as it is stored."""
    return (at - _EPOCH) // _MICROSECOND


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as integer microseconds since 1970 UTC.

    A naive time is refused: it would mean another instant on another machine.
    """

    impl = BigInteger
    cache_ok = True

    # Said to the driver's rows at once: the decorator's own hooks cost a call more for each value,
    # and a claimed row has twenty of them.

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        """Write instants."""
        return _written_time

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[int | None], datetime | None]:
        """Give instants back in UTC."""
        return _read_time


def _written_time(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def _read_time(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(0, 0, value)


_RowId = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _row_id() -> Column[int]:
    return Column("id", _RowId, primary_key=True, autoincrement=True)


inbox = Table(
    "inbox",
    metadata,
    _row_id(),
    Column("source", String(32), nullable=False),
    Column("event_id", String(200)),
    Column("url", Text, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("seen_count", Integer, nullable=False, server_default="1"),
    Column("status", String(16), nullable=False, server_default="new"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcTime, nullable=False),
    Column("lease_until", UtcTime),
    Column("token", String(32)),
    Column("ended_at", UtcTime),
    Column("last_error", Text),
    UniqueConstraint("source", "event_id"),
    CheckConstraint("status in ('new', 'claimed', 'done', 'held', 'dead')", name="status"),
    Index(
        "ix_inbox_due",
        "not_before",
        "id",
        sqlite_where=text("status = 'new'"),
        postgresql_where=text("status = 'new'"),
    ),
    Index(
        "ix_inbox_claimed",
        "lease_until",
        sqlite_where=text("status = 'claimed'"),
        postgresql_where=text("status = 'claimed'"),
    ),
)

customer = Table(
    "customer",
    metadata,
    _row_id(),
    Column("phone", String(20), nullable=False, unique=True),
    Column("name", Text),
    Column("email", Text),
    Column("locale", String(16)),
    Column("time_zone", String(64)),
    Column("person_key", String(20), index=True, unique=True),
    Column("is_opted_out", Boolean, nullable=False, server_default=text("false")),
    Column("wants_reminders", Boolean, nullable=False, server_default=text("true")),
    Column("reminders_paused_until", UtcTime),
    Column("barred_at", UtcTime),
    Column("barred_why", Text),
    Column("created_at", UtcTime, nullable=False),
)

address = Table(
    "address",
    metadata,
    _row_id(),
    Column("customer_id", _RowId, ForeignKey("customer.id"), index=True),
    Column("channel", String(16), nullable=False),
    Column("value", String(200), nullable=False),
    Column("user_id", String(64)),
    Column("last_inbound_at", UtcTime),
    Column("reach", String(16), nullable=False, server_default="ok"),
    Column("reach_reason", Text),
    Column("reach_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("channel", "value"),
    CheckConstraint("reach in ('ok', 'blocked', 'opted_out')", name="reach"),
)

consent = Table(
    "consent",
    metadata,
    _row_id(),
    Column("customer_id", _RowId, ForeignKey("customer.id"), index=True),
    Column("channel", String(16)),
    Column("address", String(200)),
    Column("is_given", Boolean, nullable=False),
    Column("scope", String(16), nullable=False, server_default="all"),
    Column("who", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("wording", Text),
    Column("at", UtcTime, nullable=False),
)

payment = Table(
    "payment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("customer_id", _RowId, ForeignKey("customer.id"), nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("route", JSON, nullable=False),
    Column("concept", Text),
    Column("external_id", String(200), unique=True),
    Column("idempotency_key", String(255), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("notify", Text),
    Column("reminders", JSON, nullable=False),
    Column("send_at", UtcTime),
    Column("due_at", UtcTime),
    Column("expires_at", UtcTime),
    Column("held_reason", Text),
    Column("is_overpaid", Boolean, nullable=False, server_default=text("false")),
    Column("is_multi_link", Boolean, nullable=False, server_default=text("false")),
    Column("disputed_at", UtcTime),
    Column("dispute_words", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    CheckConstraint("amount_minor > 0", name="amount"),
    Index("ix_payment_newest", "created_at", "id"),
    Index("ix_payment_status", "status", "created_at", "id"),
)

link_attempt = Table(
    "link_attempt",
    metadata,
    _row_id(),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("migo_channel", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("error_key", String(64)),
    Column("uid_hint", String(200)),
    UniqueConstraint("payment_id", "attempt_no"),
    Index(
        "ix_link_attempt_hint",
        "uid_hint",
        sqlite_where=text("uid_hint is not null"),
        postgresql_where=text("uid_hint is not null"),
    ),
    CheckConstraint(
        "state in ('planned', 'sending', 'created', 'refused', 'unknown', 'dropped')", name="state"
    ),
    Index(
        "one_in_flight",
        "payment_id",
        unique=True,
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
)

override = Table(
    "override",
    metadata,
    _row_id(),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

link = Table(
    "link",
    metadata,
    _row_id(),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False, index=True),
    Column("attempt_id", _RowId, ForeignKey("link_attempt.id"), nullable=False, unique=True),
    Column("uid", String(200), nullable=False, unique=True),
    Column("reference", Text, index=True),
    Column("url", Text, nullable=False),
    Column("migo_channel", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("exposed_at", UtcTime),
    Column("handed_out_at", UtcTime),
    Column("superseded_at", UtcTime),
    Column("superseded_why", Text),
    Column("unsent_proof", JSON(none_as_null=True)),
    Column("dismissed_at", UtcTime),
    Column("override_id", _RowId, ForeignKey("override.id")),
    Column("created_at", UtcTime, nullable=False),
    Index(
        "one_exposed",
        "payment_id",
        unique=True,
        sqlite_where=text("exposed_at is not null and superseded_at is null"),
        postgresql_where=text("exposed_at is not null and superseded_at is null"),
    ),
    Index(
        "ix_link_silent",
        "exposed_at",
        sqlite_where=text("exposed_at is not null and status = 'open'"),
        postgresql_where=text("exposed_at is not null and status = 'open'"),
    ),
    # Superseding an exposed link needs proof that nothing went out, Migo's word, or a person.
    CheckConstraint(
        "superseded_at is null or exposed_at is null or unsent_proof is not null"
        " or dismissed_at is not null or override_id is not null",
        name="supersede_proof",
    ),
)

RETURNED_FACT = "status in ('refunded', 'reversed')"
"""Reports of money that went back."""

fact = Table(
    "fact",
    metadata,
    _row_id(),
    Column("uid", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("raw_status", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("body_hash", String(64), nullable=False),
    Column("external_id", String(200)),
    Column("reference", Text),
    Column("inbox_id", _RowId, ForeignKey("inbox.id"), nullable=False),
    Column("payment_id", String(40), ForeignKey("payment.id"), index=True),
    Column("accepted_by", _RowId, ForeignKey("override.id")),
    Column("received_at", UtcTime, nullable=False),
    Column("look_at", UtcTime),
    UniqueConstraint("uid", "body_hash"),
    Index(
        "ix_fact_parked",
        "look_at",
        sqlite_where=text("payment_id is null"),
        postgresql_where=text("payment_id is null"),
    ),
    Index(
        "ix_fact_parked_named",
        "external_id",
        sqlite_where=text("payment_id is null"),
        postgresql_where=text("payment_id is null"),
    ),
    Index(
        "ix_fact_returned",
        "received_at",
        sqlite_where=text(RETURNED_FACT),
        postgresql_where=text(RETURNED_FACT),
    ),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", _RowId, primary_key=True, autoincrement=True),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_status", String(16)),
    Column("to_status", String(16), nullable=False),
    Column("uid", String(200)),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("cause_inbox_id", _RowId, ForeignKey("inbox.id")),
    Column("why", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("payment_id", "version"),
)

decision = Table(
    "decision",
    metadata,
    _row_id(),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False, index=True),
    Column("outbox_id", _RowId),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("next_at", UtcTime),
    Column("at", UtcTime, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    _row_id(),
    Column("key", String(250), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("payment_id", String(40), ForeignKey("payment.id"), index=True),
    Column("inbox_id", _RowId),
    Column("detail", Text, nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_by", Text),
)

outbox = Table(
    "outbox",
    metadata,
    _row_id(),
    Column("kind", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("key", String(250), nullable=False, unique=True),
    Column("purpose", String(16)),
    Column("payment_id", String(40), ForeignKey("payment.id")),
    Column("link_id", _RowId, ForeignKey("link.id")),
    Column("attempt_id", _RowId, ForeignKey("link_attempt.id")),
    Column("customer_id", _RowId, ForeignKey("customer.id")),
    Column("channel", String(16)),
    Column("address", String(200)),
    Column("route_left", JSON, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("status", String(16), nullable=False, server_default="pending"),
    Column("not_before", UtcTime, nullable=False),
    Column("give_up_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("uncertain_count", Integer, nullable=False, server_default="0"),
    Column("looks_left", Integer, nullable=False, server_default="0"),
    Column("lease_until", UtcTime),
    Column("token", String(32)),
    Column("claimed_by", String(64)),
    Column("provider_id", String(200)),
    Column("delivery", String(16)),
    Column("deliver_by", UtcTime),
    Column("last_error", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    CheckConstraint(
        "status in ('pending', 'sending', 'done', 'uncertain', 'dead', 'cancelled')", name="status"
    ),
    Index(
        "ix_outbox_due",
        "lane",
        "not_before",
        "id",
        sqlite_where=text("status = 'pending'"),
        postgresql_where=text("status = 'pending'"),
    ),
    Index(
        "ix_outbox_sending",
        "lease_until",
        sqlite_where=text("status = 'sending'"),
        postgresql_where=text("status = 'sending'"),
    ),
    Index(
        "ix_outbox_watched",
        "deliver_by",
        sqlite_where=text("deliver_by is not null"),
        postgresql_where=text("deliver_by is not null"),
    ),
    Index("ix_outbox_payment", "payment_id"),
    Index("ix_outbox_customer", "customer_id"),
)

SILENT_DELIVERY = (
    "outcome = 'accepted' and asked_at is null"
    " and (state is null or state in ('queued', 'sending', 'sent'))"
)
"""Messages that were taken and of which nothing final was heard, nor asked."""

delivery = Table(
    "delivery",
    metadata,
    _row_id(),
    Column("outbox_id", _RowId, ForeignKey("outbox.id"), nullable=False, index=True),
    Column("try_no", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("address", String(200), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("provider_id", String(200)),
    Column("state", String(16)),
    Column("code", String(32)),
    Column("reason", Text),
    Column("at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("asked_at", UtcTime),
    UniqueConstraint("outbox_id", "try_no"),
    Index("ix_delivery_provider", "provider_id"),
    Index(
        "ix_delivery_silent",
        "channel",
        "at",
        sqlite_where=text(SILENT_DELIVERY),
        postgresql_where=text(SILENT_DELIVERY),
    ),
)

staff = Table(
    "staff",
    metadata,
    _row_id(),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("telegram_user_id", String(64), unique=True),
    Column("telegram_chat_id", String(64)),
    Column("phone", String(20), unique=True),
    Column("pin_hash", Text),
    Column("locale", String(16)),
    Column("invited_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
    CheckConstraint("role in ('viewer', 'agent', 'manager', 'admin')", name="role"),
)

invite = Table(
    "invite",
    metadata,
    _row_id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("role", String(16)),
    Column("customer_id", _RowId, ForeignKey("customer.id")),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Column("used_by", Text),
    CheckConstraint("kind in ('staff', 'customer')", name="kind"),
)

conversation = Table(
    "conversation",
    metadata,
    _row_id(),
    Column("channel", String(16), nullable=False),
    Column("address", String(200), nullable=False),
    Column("customer_id", _RowId, ForeignKey("customer.id"), index=True),
    Column("state", String(32), nullable=False, server_default="idle"),
    Column("slots", JSON, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("mode", String(8), nullable=False, server_default="bot"),
    Column("owner_id", _RowId, ForeignKey("staff.id")),
    Column("mode_since", UtcTime),
    Column("last_inbound_at", UtcTime, nullable=False),
    UniqueConstraint("channel", "address"),
    CheckConstraint("mode in ('bot', 'human')", name="mode"),
    Index(
        "ix_conversation_human",
        "last_inbound_at",
        sqlite_where=text("mode = 'human'"),
        postgresql_where=text("mode = 'human'"),
    ),
)

button = Table(
    "button",
    metadata,
    _row_id(),
    Column("token", String(24), nullable=False, unique=True),
    Column("channel", String(16), nullable=False),
    Column("address", String(200), nullable=False),
    Column("user_id", String(64)),
    Column("action", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
)

card = Table(
    "card",
    metadata,
    _row_id(),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("address", String(200), nullable=False),
    Column("outbox_id", _RowId, ForeignKey("outbox.id")),
    Column("shown", Text),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("payment_id", "channel", "address"),
)

audit = Table(
    "audit",
    metadata,
    _row_id(),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("payment_id", String(40), ForeignKey("payment.id"), index=True),
    Column("before", JSON),
    Column("after", JSON),
    Column("at", UtcTime, nullable=False),
)

batch = Table(
    "batch",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_by", Text, nullable=False),
    Column("notify", Text),
    Column("filename", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("confirmed_at", UtcTime),
    Column("ended_at", UtcTime),
    CheckConstraint(
        "status in ('checked', 'sending', 'paused', 'done', 'cancelled')", name="status"
    ),
)

batch_row = Table(
    "batch_row",
    metadata,
    _row_id(),
    Column("batch_id", String(40), ForeignKey("batch.id"), nullable=False),
    Column("row_no", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("payment_id", String(40), ForeignKey("payment.id")),
    Column("reason", Text),
    UniqueConstraint("batch_id", "row_no"),
    CheckConstraint("state in ('ready', 'wrong', 'created', 'failed')", name="state"),
    Index(
        "ix_batch_row_ready",
        "batch_id",
        "row_no",
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
)

# Refused callbacks, for a person to look at; nothing reads them to act on them.
quarantine = Table(
    "quarantine",
    metadata,
    _row_id(),
    Column("why", String(16), nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    UniqueConstraint("why", "body_hash"),
    CheckConstraint("why in ('wrong_key', 'too_large')", name="why"),
)

# A payment is reminded of once a local date, whoever schedules and whatever the clock does.
reminder_slot = Table(
    "reminder_slot",
    metadata,
    Column("payment_id", String(40), ForeignKey("payment.id"), primary_key=True),
    Column("local_date", String(10), primary_key=True),
    Column("outbox_id", _RowId, nullable=False),
)

promise = Table(
    "promise",
    metadata,
    _row_id(),
    Column("customer_id", _RowId, ForeignKey("customer.id"), nullable=False, index=True),
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False, index=True),
    Column("promised_on", String(10), nullable=False),
    Column("wording", Text, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    CheckConstraint("state in ('open', 'kept', 'broken', 'replaced')", name="state"),
)

schedule = Table(
    "schedule",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("idempotency_key", String(255), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("rule", JSON, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("starts_on", String(10), nullable=False),
    Column("ends_on", String(10)),
    Column("status", String(16), nullable=False),
    Column("next_slot", String(10)),
    Column("next_at", UtcTime),
    Column("created_by", Text, nullable=False),
    Column("notify", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    CheckConstraint("status in ('active', 'paused', 'ended')", name="status"),
    Index(
        "ix_schedule_due",
        "next_at",
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
)

schedule_run = Table(
    "schedule_run",
    metadata,
    _row_id(),
    Column("schedule_id", String(40), ForeignKey("schedule.id"), nullable=False),
    Column("slot", String(10), nullable=False),
    Column("state", String(16), nullable=False),
    Column("payment_id", String(40), ForeignKey("payment.id")),
    Column("why", Text),
    Column("at", UtcTime, nullable=False),
    # A period makes one payment, whoever fires it.
    UniqueConstraint("schedule_id", "slot"),
    CheckConstraint("state in ('made', 'skipped', 'missed', 'failed')", name="state"),
)
