"""Claims row by row where a claim of many raised, so that one bad row holds up no other.

A row that cannot be claimed is tried again a little later, and then set aside for a person.
"""

import functools
from collections.abc import Sequence
from datetime import timedelta

from bot.domain.payment import Alert
from bot.handlers import outgoing
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import attempts, claims, outbox, payments
from bot.store.claims import OutboxItem
from bot.store.engine import Tx

MOST_TRIES = 3
_RETRY = timedelta(seconds=5)
_WHY = "it cannot be claimed; see the log"


def claim_each(
    tx: Tx, rules: Rules, *, lane: str, limit: int, lease: timedelta, token: str, worker: str
) -> list[OutboxItem]:
    """As `outgoing.claim`, but what is wrong with one row is that row's own end."""
    going: list[OutboxItem] = []
    for _ in range(limit):
        # Those behind it stay pending meanwhile: a reminder takes along what waits.
        marked = claims.mark(tx, lane=lane, limit=1, lease=lease, token=token, worker=worker)
        if not marked:
            break
        if not tx.run_apart(functools.partial(_admit, tx, rules, marked, going)):
            _put_aside(tx, rules, marked[0])
    return going


def _admit(tx: Tx, rules: Rules, marked: Sequence[claims.Taken], going: list[OutboxItem]) -> None:
    going += outgoing.admit(tx, rules, claims.read_taken(tx, marked))


def _put_aside(tx: Tx, rules: Rules, taken: claims.Taken) -> None:
    """Try it again in a moment; at the third time in a row, or later, have a person look."""
    if taken.tries < MOST_TRIES or taken.last_error != _WHY:
        outbox.again(tx, taken.id, at=tx.now + _RETRY, error=_WHY)
        return
    outbox.end(tx, taken.id, "dead", error=_WHY)
    if taken.attempt_id is not None:
        attempts.end_attempt(tx, taken.attempt_id, "dropped", error_key=_WHY)
    alarm(
        tx,
        rules,
        Alert.UNDELIVERABLE,
        key=f"claim:{taken.id}",
        detail=f"outbox row {taken.id} was set aside: {_WHY}",
        payment=None if taken.payment_id is None else payments.read(tx, taken.payment_id),
    )
