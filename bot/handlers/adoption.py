"""Whose a message is that the provider was found to have: no two of ours share one.

A look gives what is alike, and two messages of one customer often are. What belongs to another of
ours, or may, is not taken: the same text twice is harmless, silence is not.
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.delivery import Done, Found, Outcome, Sent, Unfound
from bot.store import claims, finding
from bot.store.claims import OutboxItem
from bot.store.engine import Tx

Ended = tuple[OutboxItem, Outcome]


def adopt(tx: Tx, ended: Sequence[Ended]) -> list[Ended]:
    """Say of each row that was looked for and found whether that message is its own."""
    looks = [(item, outcome) for item, outcome in ended if isinstance(outcome, Found)]
    if not looks:
        return list(ended)
    # Who lost its claim meanwhile has no say in whose a message is.
    mine = claims.still_mine(tx, [item for item, _ in ended])
    ended = [each for each in ended if each[0].id in mine]
    looks = [each for each in looks if each[0].id in mine]
    # Before the owners are read: a rival that is settled in between is one of them then.
    rivalled = {item.id for item, look in looks if finding.has_rival(tx, item, hides=look.hides)}
    owners = finding.owners_of(tx, [each for _, look in looks for each in look.provider_ids])
    for _, outcome in ended:
        if isinstance(outcome, Done) and isinstance(outcome.result, Sent):
            owners.setdefault(outcome.result.provider_id, set()).add(_ANOTHER)
    decided: list[Ended] = []
    for item, outcome in ended:
        if isinstance(outcome, Found):
            look = replace(outcome, provider_ids=()) if item.id in rivalled else outcome
            decided.append((item, _its_own(item, look, owners)))
        else:
            decided.append((item, outcome))
    return decided


_ANOTHER = 0
"""Stands for a row that is sent in the same batch; none has this number."""


def _its_own(item: OutboxItem, look: Found, owners: dict[str, set[int]]) -> Outcome:
    for provider_id in look.provider_ids:
        if owners.get(provider_id, set()) <= {item.id}:
            owners[provider_id] = {item.id}
            return Done(Sent(provider_id, look.at))
    return Unfound()
