"""Quarantine: callbacks that were refused, for a person to look at.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.BigInteger()
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.UniqueConstraint("why", "body_hash", name=op.f("uq_quarantine_why_body_hash")),
        sa.CheckConstraint("why in ('wrong_key', 'too_large')", name=op.f("ck_quarantine_why")),
    )
