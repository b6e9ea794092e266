"""Links handed out beside messages: whoever was told the URL may pay it.

Revision: 0100, after 0090
"""

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link", sa.Column("handed_out_at", sa.BigInteger()))
    # Nobody kept who was told the links made so far, so that none of them is replaced any more.
    op.execute("update link set handed_out_at = exposed_at where superseded_at is null")
