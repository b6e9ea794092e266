"""Certainty: looks before a resend, words never heard, deaths of a handler, links found again.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.BigInteger()
_SILENT = sa.text(
    "outcome = 'accepted' and asked_at is null"
    " and (state is null or state in ('queued', 'sending', 'sent'))"
)


def upgrade() -> None:
    op.add_column("inbox", sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "outbox", sa.Column("looks_left", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("delivery", sa.Column("asked_at", _TIME))
    op.create_index(
        "ix_delivery_silent",
        "delivery",
        ["channel", "at"],
        sqlite_where=_SILENT,
        postgresql_where=_SILENT,
    )
    _create_partial_index("ix_link_silent", "link", "exposed_at", "is not null and status = 'open'")
    _create_partial_index("ix_link_attempt_hint", "link_attempt", "uid_hint", "is not null")
    op.create_index("ix_link_reference", "link", ["reference"])


def _create_partial_index(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(f"{column} {condition}")
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
