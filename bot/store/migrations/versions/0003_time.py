"""Time: slots of reminders, promises, disputes, recurring schedules.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.BigInteger()


def upgrade() -> None:
    op.add_column("customer", sa.Column("barred_at", _TIME))
    op.add_column("customer", sa.Column("barred_why", sa.Text()))
    op.add_column("payment", sa.Column("disputed_at", _TIME))
    op.add_column("payment", sa.Column("dispute_words", sa.Text()))
    op.create_index("ix_outbox_customer", "outbox", ["customer_id"])
    _create_reminder_slot()
    _create_promise()
    _create_schedule()


def _create_reminder_slot() -> None:
    op.create_table(
        "reminder_slot",
        sa.Column("payment_id", sa.String(40), sa.ForeignKey("payment.id"), primary_key=True),
        sa.Column("local_date", sa.String(10), primary_key=True),
        sa.Column("outbox_id", _ROW_ID, nullable=False),
    )


def _create_promise() -> None:
    op.create_table(
        "promise",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("customer_id", _ROW_ID, sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("payment_id", sa.String(40), sa.ForeignKey("payment.id"), nullable=False),
        sa.Column("promised_on", sa.String(10), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.CheckConstraint(
            "state in ('open', 'kept', 'broken', 'replaced')", name=op.f("ck_promise_state")
        ),
    )
    op.create_index(op.f("ix_promise_customer_id"), "promise", ["customer_id"])
    op.create_index(op.f("ix_promise_payment_id"), "promise", ["payment_id"])


def _create_schedule() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", sa.String(40), primary_key=True, nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("starts_on", sa.String(10), nullable=False),
        sa.Column("ends_on", sa.String(10)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("next_slot", sa.String(10)),
        sa.Column("next_at", _TIME),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_schedule_idempotency_key")),
        sa.CheckConstraint(
            "status in ('active', 'paused', 'ended')", name=op.f("ck_schedule_status")
        ),
    )
    is_active = sa.text("status = 'active'")
    op.create_index(
        "ix_schedule_due",
        "schedule",
        ["next_at"],
        sqlite_where=is_active,
        postgresql_where=is_active,
    )
    op.create_table(
        "schedule_run",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("schedule_id", sa.String(40), sa.ForeignKey("schedule.id"), nullable=False),
        sa.Column("slot", sa.String(10), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("payment_id", sa.String(40), sa.ForeignKey("payment.id")),
        sa.Column("why", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.UniqueConstraint("schedule_id", "slot", name=op.f("uq_schedule_run_schedule_id_slot")),
        sa.CheckConstraint(
            "state in ('made', 'skipped', 'missed', 'failed')", name=op.f("ck_schedule_run_state")
        ),
    )
