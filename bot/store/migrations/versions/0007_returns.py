"""Returns: reports of money that went back, looked at again while nothing tells that it came.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RETURNED = sa.text("status in ('refunded', 'reversed')")


def upgrade() -> None:
    op.create_index(
        "ix_fact_returned",
        "fact",
        ["received_at"],
        sqlite_where=_RETURNED,
        postgresql_where=_RETURNED,
    )
