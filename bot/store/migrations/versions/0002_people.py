"""People: staff, conversations, one-use buttons, live cards, audit, bulk files.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

from bot.domain.identity import person_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only where the key is a plain INTEGER.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.BigInteger()


def upgrade() -> None:
    _extend_customer()
    _create_tables()


def _extend_customer() -> None:
    no, yes = sa.text("false"), sa.text("true")
    for column in (
        sa.Column("person_key", sa.String(length=20)),
        sa.Column("is_opted_out", sa.Boolean(), server_default=no, nullable=False),
        sa.Column("wants_reminders", sa.Boolean(), server_default=yes, nullable=False),
        sa.Column("reminders_paused_until", _TIME),
    ):
        op.add_column("customer", column)
    _fill_person_keys()
    op.create_index(op.f("ix_customer_person_key"), "customer", ["person_key"], unique=True)


def _fill_person_keys() -> None:
    """Give every customer their key; of two spellings of one number the older row keeps it."""
    table = sa.table("customer", sa.column("id"), sa.column("phone"), sa.column("person_key"))
    connection = op.get_bind()
    taken = set()
    for row in connection.execute(sa.select(table.c.id, table.c.phone).order_by(table.c.id)).all():
        key = person_key(row.phone)
        if key not in taken:
            taken.add(key)
            connection.execute(table.update().where(table.c.id == row.id).values(person_key=key))


def _create_tables() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text()),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("confirmed_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.CheckConstraint(
            "status in ('checked', 'sending', 'paused', 'done', 'cancelled')",
            name=op.f("ck_batch_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_table(
        "button",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("token", sa.String(length=24), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=64)),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_button")),
        sa.UniqueConstraint("token", name=op.f("uq_button_token")),
    )
    op.create_table(
        "staff",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("telegram_user_id", sa.String(length=64)),
        sa.Column("telegram_chat_id", sa.String(length=64)),
        sa.Column("phone", sa.String(length=20)),
        sa.Column("pin_hash", sa.Text()),
        sa.Column("locale", sa.String(length=16)),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("removed_at", _TIME),
        sa.CheckConstraint(
            "role in ('viewer', 'agent', 'manager', 'admin')", name=op.f("ck_staff_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("phone", name=op.f("uq_staff_phone")),
        sa.UniqueConstraint("telegram_user_id", name=op.f("uq_staff_telegram_user_id")),
    )
    op.create_table(
        "conversation",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("customer_id", _ROW_ID),
        sa.Column("state", sa.String(length=32), server_default="idle", nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mode", sa.String(length=8), server_default="bot", nullable=False),
        sa.Column("owner_id", _ROW_ID),
        sa.Column("mode_since", _TIME),
        sa.Column("last_inbound_at", _TIME, nullable=False),
        sa.CheckConstraint("mode in ('bot', 'human')", name=op.f("ck_conversation_mode")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_conversation_customer_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_conversation_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("channel", "address", name=op.f("uq_conversation_channel_address")),
    )
    op.create_index(
        op.f("ix_conversation_customer_id"), "conversation", ["customer_id"], unique=False
    )
    op.create_index(
        "ix_conversation_human",
        "conversation",
        ["last_inbound_at"],
        unique=False,
        sqlite_where=sa.text("mode = 'human'"),
        postgresql_where=sa.text("mode = 'human'"),
    )
    op.create_table(
        "invite",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16)),
        sa.Column("customer_id", _ROW_ID),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.Column("used_by", sa.Text()),
        sa.CheckConstraint("kind in ('staff', 'customer')", name=op.f("ck_invite_kind")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_invite_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invite_token_hash")),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.String(length=40)),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_audit_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_payment_id"), "audit", ["payment_id"], unique=False)
    op.create_table(
        "batch_row",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(length=40), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("payment_id", sa.String(length=40)),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint(
            "state in ('ready', 'wrong', 'created', 'failed')", name=op.f("ck_batch_row_state")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_row_batch_id")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_batch_row_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_row")),
        sa.UniqueConstraint("batch_id", "row_no", name=op.f("uq_batch_row_batch_id_row_no")),
    )
    op.create_index(
        "ix_batch_row_ready",
        "batch_row",
        ["batch_id", "row_no"],
        unique=False,
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "card",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("outbox_id", _ROW_ID),
        sa.Column("shown", sa.Text()),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_card_outbox_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_card_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card")),
        sa.UniqueConstraint(
            "payment_id", "channel", "address", name=op.f("uq_card_payment_id_channel_address")
        ),
    )
