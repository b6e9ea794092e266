"""For how long a claimed row of the outbox stays with its worker."""

from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from bot.store.engine import Tx
from bot.store.schema import outbox


def renew(tx: Tx, tokens: Mapping[int, str], *, lease: timedelta) -> None:
    """Hold these rows, each by its claim's token, for a whole lease from now.

    One that is settled at this very moment is passed over.
    """
    ours = sa.select(outbox.c.id).where(
        outbox.c.id.in_(tokens), outbox.c.token.in_(set(tokens.values()))
    )
    ours = ours.where(outbox.c.status == "sending")
    if not tx.is_sqlite:
        ours = ours.with_for_update(skip_locked=True)
    tx.run(outbox.update().where(outbox.c.id.in_(ours)).values(lease_until=tx.lease_now + lease))
