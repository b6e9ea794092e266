"""The first tables.

Revision: 0001, after nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only where the key is a plain INTEGER.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.BigInteger()


def upgrade() -> None:
    _create_inbox()
    _create_customer()
    _create_address()
    _create_consent()
    _create_payment()
    _create_link_attempt()
    _create_override()
    _create_link()
    _create_fact()
    _create_ledger()
    _create_decision()
    _create_alert()
    _create_outbox()
    _create_delivery()


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=200)),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("seen_count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="new", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", _TIME, nullable=False),
        sa.Column("lease_until", _TIME),
        sa.Column("token", sa.String(length=32)),
        sa.Column("ended_at", _TIME),
        sa.Column("last_error", sa.Text()),
        sa.CheckConstraint(
            "status in ('new', 'claimed', 'done', 'held', 'dead')", name=op.f("ck_inbox_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_inbox_source_event_id")),
    )
    op.create_index(
        "ix_inbox_claimed",
        "inbox",
        ["lease_until"],
        sqlite_where=sa.text("status = 'claimed'"),
        postgresql_where=sa.text("status = 'claimed'"),
    )
    op.create_index(
        "ix_inbox_due",
        "inbox",
        ["not_before", "id"],
        sqlite_where=sa.text("status = 'new'"),
        postgresql_where=sa.text("status = 'new'"),
    )


def _create_customer() -> None:
    op.create_table(
        "customer",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("locale", sa.String(length=16)),
        sa.Column("time_zone", sa.String(length=64)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("phone", name=op.f("uq_customer_phone")),
    )


def _create_address() -> None:
    op.create_table(
        "address",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("customer_id", _ROW_ID),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=64)),
        sa.Column("last_inbound_at", _TIME),
        sa.Column("reach", sa.String(length=16), server_default="ok", nullable=False),
        sa.Column("reach_reason", sa.Text()),
        sa.Column("reach_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "reach in ('ok', 'blocked', 'opted_out')", name=op.f("ck_address_reach")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_address_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
        sa.UniqueConstraint("channel", "value", name=op.f("uq_address_channel_value")),
    )
    op.create_index(op.f("ix_address_customer_id"), "address", ["customer_id"])


def _create_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("customer_id", _ROW_ID),
        sa.Column("channel", sa.String(length=16)),
        sa.Column("address", sa.String(length=200)),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.String(length=16), server_default="all", nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_consent_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_customer_id"), "consent", ["customer_id"])


def _create_payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", _ROW_ID, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("route", sa.JSON(), nullable=False),
        sa.Column("concept", sa.Text()),
        sa.Column("external_id", sa.String(length=200)),
        sa.Column("idempotency_key", sa.String(length=255)),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text()),
        sa.Column("reminders", sa.JSON(), nullable=False),
        sa.Column("send_at", _TIME),
        sa.Column("due_at", _TIME),
        sa.Column("expires_at", _TIME),
        sa.Column("held_reason", sa.Text()),
        sa.Column("is_overpaid", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_payment_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("external_id", name=op.f("uq_payment_external_id")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_payment_idempotency_key")),
    )
    op.create_index(op.f("ix_payment_customer_id"), "payment", ["customer_id"])
    op.create_index("ix_payment_newest", "payment", ["created_at", "id"])
    op.create_index("ix_payment_status", "payment", ["status", "created_at", "id"])


def _create_link_attempt() -> None:
    op.create_table(
        "link_attempt",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("migo_channel", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("error_key", sa.String(length=64)),
        sa.Column("uid_hint", sa.String(length=200)),
        sa.CheckConstraint(
            "state in ('planned', 'sending', 'created', 'refused', 'unknown', 'dropped')",
            name=op.f("ck_link_attempt_state"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_link_attempt_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_attempt")),
        sa.UniqueConstraint(
            "payment_id", "attempt_no", name=op.f("uq_link_attempt_payment_id_attempt_no")
        ),
    )
    op.create_index(
        "one_in_flight",
        "link_attempt",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )


def _create_override() -> None:
    op.create_table(
        "override",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_override_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_override")),
    )
    op.create_index(op.f("ix_override_payment_id"), "override", ["payment_id"])


def _create_link() -> None:
    op.create_table(
        "link",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("attempt_id", _ROW_ID, nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("migo_channel", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("exposed_at", _TIME),
        sa.Column("superseded_at", _TIME),
        sa.Column("superseded_why", sa.Text()),
        sa.Column("unsent_proof", sa.JSON()),
        sa.Column("dismissed_at", _TIME),
        sa.Column("override_id", _ROW_ID),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "superseded_at is null or exposed_at is null or unsent_proof is not null"
            " or dismissed_at is not null or override_id is not null",
            name=op.f("ck_link_supersede_proof"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["link_attempt.id"], name=op.f("fk_link_attempt_id")
        ),
        sa.ForeignKeyConstraint(["override_id"], ["override.id"], name=op.f("fk_link_override_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_link_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_link_attempt_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_link_uid")),
    )
    op.create_index(op.f("ix_link_payment_id"), "link", ["payment_id"])
    op.create_index(
        "one_exposed",
        "link",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("exposed_at is not null and superseded_at is null"),
        postgresql_where=sa.text("exposed_at is not null and superseded_at is null"),
    )


def _create_fact() -> None:
    op.create_table(
        "fact",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("raw_status", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=200)),
        sa.Column("reference", sa.Text()),
        sa.Column("inbox_id", _ROW_ID, nullable=False),
        sa.Column("payment_id", sa.String(length=40)),
        sa.Column("accepted_by", _ROW_ID),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["accepted_by"], ["override.id"], name=op.f("fk_fact_accepted_by")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_fact_inbox_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_fact_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fact")),
        sa.UniqueConstraint("uid", "body_hash", name=op.f("uq_fact_uid_body_hash")),
    )
    op.create_index(
        "ix_fact_parked",
        "fact",
        ["received_at"],
        sqlite_where=sa.text("payment_id is null"),
        postgresql_where=sa.text("payment_id is null"),
    )
    op.create_index(op.f("ix_fact_payment_id"), "fact", ["payment_id"])


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("seq", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.String(length=16)),
        sa.Column("to_status", sa.String(length=16), nullable=False),
        sa.Column("uid", sa.String(length=200)),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("cause_inbox_id", _ROW_ID),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["cause_inbox_id"], ["inbox.id"], name=op.f("fk_ledger_cause_inbox_id")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_ledger_payment_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger")),
        sa.UniqueConstraint("payment_id", "version", name=op.f("uq_ledger_payment_id_version")),
    )


def _create_decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("outbox_id", _ROW_ID),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("next_at", _TIME),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_decision_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    op.create_index(op.f("ix_decision_payment_id"), "decision", ["payment_id"])


def _create_alert() -> None:
    op.create_table(
        "alert",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.String(length=40)),
        sa.Column("inbox_id", _ROW_ID),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.Column("closed_by", sa.Text()),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_alert_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("key", name=op.f("uq_alert_key")),
    )
    op.create_index(op.f("ix_alert_payment_id"), "alert", ["payment_id"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("lane", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("purpose", sa.String(length=16)),
        sa.Column("payment_id", sa.String(length=40)),
        sa.Column("link_id", _ROW_ID),
        sa.Column("attempt_id", _ROW_ID),
        sa.Column("customer_id", _ROW_ID),
        sa.Column("channel", sa.String(length=16)),
        sa.Column("address", sa.String(length=200)),
        sa.Column("route_left", sa.JSON(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), server_default="pending", nullable=False),
        sa.Column("not_before", _TIME, nullable=False),
        sa.Column("give_up_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("uncertain_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", _TIME),
        sa.Column("token", sa.String(length=32)),
        sa.Column("claimed_by", sa.String(length=64)),
        sa.Column("provider_id", sa.String(length=200)),
        sa.Column("delivery", sa.String(length=16)),
        sa.Column("deliver_by", _TIME),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'sending', 'done', 'uncertain', 'dead', 'cancelled')",
            name=op.f("ck_outbox_status"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["link_attempt.id"], name=op.f("fk_outbox_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_outbox_customer_id")
        ),
        sa.ForeignKeyConstraint(["link_id"], ["link.id"], name=op.f("fk_outbox_link_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_outbox_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["lane", "not_before", "id"],
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_outbox_payment", "outbox", ["payment_id"])
    op.create_index(
        "ix_outbox_sending",
        "outbox",
        ["lease_until"],
        sqlite_where=sa.text("status = 'sending'"),
        postgresql_where=sa.text("status = 'sending'"),
    )
    op.create_index(
        "ix_outbox_watched",
        "outbox",
        ["deliver_by"],
        sqlite_where=sa.text("deliver_by is not null"),
        postgresql_where=sa.text("deliver_by is not null"),
    )


def _create_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("outbox_id", _ROW_ID, nullable=False),
        sa.Column("try_no", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("provider_id", sa.String(length=200)),
        sa.Column("state", sa.String(length=16)),
        sa.Column("code", sa.String(length=32)),
        sa.Column("reason", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_delivery_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("outbox_id", "try_no", name=op.f("uq_delivery_outbox_id_try_no")),
    )
    op.create_index(op.f("ix_delivery_outbox_id"), "delivery", ["outbox_id"])
    op.create_index("ix_delivery_provider", "delivery", ["provider_id"])
