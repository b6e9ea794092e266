"""Links handed out beside messages, and when a parked fact is looked at again.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link", sa.Column("handed_out_at", sa.BigInteger()))
    # Nobody kept who was told the links made so far, so that none of them is replaced any more.
    op.execute("update link set handed_out_at = exposed_at where superseded_at is null")
    op.add_column("fact", sa.Column("look_at", sa.BigInteger()))
    op.execute("update fact set look_at = received_at where payment_id is null")
    op.drop_index("ix_fact_parked", "fact")
    where = sa.text("payment_id is null")
    for name, column in (("ix_fact_parked", "look_at"), ("ix_fact_parked_named", "external_id")):
        op.create_index(name, "fact", [column], sqlite_where=where, postgresql_where=where)
