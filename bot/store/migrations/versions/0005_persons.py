"""Persons: payments that have a further link by somebody's decision.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payment",
        sa.Column("is_multi_link", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
