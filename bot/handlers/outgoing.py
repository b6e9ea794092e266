"""What may leave now, and what follows from how it ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from bot.domain.delivery import (
    ASKING,
    DIED,
    LOOKS_BEFORE_RESEND,
    MANNERS,
    MAX_RESENDS_OF_NEWS,
    MAX_RESENDS_WHEN_DIED,
    MAX_RESENDS_WHEN_UNCERTAIN,
    NEWS_OF_MONEY,
    TRIES_BEFORE_NEXT_CHANNEL,
    Done,
    Found,
    OnUncertain,
    Outcome,
    Purpose,
    Refused,
    RetryLater,
    Sent,
    Uncertain,
    Unfound,
    backoff_s,
    uncertain_resend_s,
    wait_after_death_s,
)
from bot.domain.payment import UNPAID, Alert
from bot.handlers import bulk, cards, delivery, reminding
from bot.handlers.adoption import adopt
from bot.handlers.consent import learn_block
from bot.handlers.creation import give_up_create, on_create_outcome
from bot.handlers.fallback import (
    NEED_NOT_ARRIVE,
    decide,
    next_channel,
    tell_misconfigured,
    tell_undeliverable,
)
from bot.handlers.invitation import invite_where_missing
from bot.handlers.outages import tell_unsettled
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.handlers.series import take_back
from bot.store import attempts, batches, claims, deliveries, ledger, links, outbox
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from channels.base import ChannelName, Refusal

_BETWEEN_LOOKS = timedelta(seconds=30)
_TOO_LATE_ONCE = frozenset({Purpose.LINK, Purpose.REPLY, Purpose.INVITE})


def claim(
    tx: Tx, rules: Rules, *, lane: str, limit: int, lease: timedelta, token: str, worker: str
) -> list[OutboxItem]:
    """Take due rows of a lane and give those that may really go out now.

    What a link message exposes is latched in this transaction, so before its first byte leaves.
    """
    return admit(
        tx,
        rules,
        claims.take(tx, lane=lane, limit=limit, lease=lease, token=token, worker=worker),
    )


def admit(tx: Tx, rules: Rules, taken: Sequence[OutboxItem]) -> list[OutboxItem]:
    """Give those of the rows taken that may really go out now; end, move or put off the others."""
    wanted = [item for item in taken if _is_wanted(tx, item) and _is_in_time(tx, rules, item)]
    reminders = [item for item in wanted if item.purpose is Purpose.REMINDER]
    others = [item for item in wanted if item.purpose is not Purpose.REMINDER]
    asked = [*others, *reminding.admit(tx, rules, reminders)]
    going = [item for item in asked if _is_reachable(tx, rules, item)]
    creates = [item.attempt.id for item in going if item.attempt is not None]
    if creates:
        attempts.start_attempts(tx, creates)
    exposing = [item for item in going if item.purpose in ASKING and item.link is not None]
    hidden = _expose(tx, rules, exposing)
    return [item for item in going if item.id not in hidden]


def _is_wanted(tx: Tx, item: OutboxItem) -> bool:
    """Whether this row is still to be done; if not, it is ended."""
    stale = _why_stale(tx, item)
    if stale is not None:
        _drop(tx, item, stale)
    return stale is None


def _is_in_time(tx: Tx, rules: Rules, item: OutboxItem) -> bool:
    """Whether its first try is not too late; news of money never is."""
    is_bound = item.kind == outbox.CREATE_LINK or item.purpose in _TOO_LATE_ONCE
    if not is_bound or item.tries > 1 or tx.now < item.give_up_at:
        return True
    why = "nobody was there to send it in its time"
    if item.kind == outbox.CREATE_LINK:
        give_up_create(tx, rules, item, why)
    elif item.purpose in NEED_NOT_ARRIVE:
        outbox.end(tx, item.id, "cancelled", error=why)
    else:
        outbox.end(tx, item.id, "dead", error=why)
        tell_undeliverable(tx, rules, item, why)
    return False


def _is_reachable(tx: Tx, rules: Rules, item: OutboxItem) -> bool:
    """Whether there is an address that wants it; if not, it is sent on to the next channel."""
    if item.kind == outbox.CREATE_LINK or item.purpose is None:
        return True
    if item.address is None:
        _uncount_try(tx, item)
        next_channel(tx, rules, item, why=f"no {item.channel} address is known")
        if item.channel is ChannelName.TELEGRAM:
            invite_where_missing(tx, rules, item)
        return False
    is_unwanted = item.is_opted_out or item.reach == "opted_out"
    if item.reach == "blocked" or (is_unwanted and not _is_exempt(item.purpose)):
        _uncount_try(tx, item)
        next_channel(tx, rules, item, why=f"the customer said stop on {item.channel}")
        return False
    return True


def _uncount_try(tx: Tx, item: OutboxItem) -> None:
    # A reminder keeps the count: what was tried does not come back to the channel it began with.
    if item.purpose is not Purpose.REMINDER:
        outbox.uncount_try(tx, item.id)


def _is_exempt(purpose: Purpose) -> bool:
    return MANNERS[purpose].is_exempt


def _why_stale(tx: Tx, item: OutboxItem) -> str | None:
    payment = item.payment
    if item.kind == outbox.CREATE_LINK:
        if payment is None or payment.status not in UNPAID:
            return "no link is wanted any more"
        return None
    if item.purpose not in ASKING:
        return None
    if payment is not None and payment.status not in UNPAID:
        return f"the payment is {payment.status.value}"
    if payment is not None and payment.expires_at is not None and payment.expires_at <= tx.now:
        return "its time ran out"
    if item.link is not None and item.link.superseded_at is not None:
        return "another link took its place"
    if item.purpose is Purpose.REMINDER:
        return None  # a late one is caught up with, or let go, for reasons of its own
    if MANNERS[item.purpose].on_uncertain is OnUncertain.DROP and tx.now >= item.give_up_at:
        return "its time is over"
    return None


def _drop(tx: Tx, item: OutboxItem, why: str) -> None:
    outbox.end(tx, item.id, "cancelled", error=why)
    if item.attempt is not None:
        attempts.end_attempt(tx, item.attempt.id, "dropped", error_key=why)
    if item.payment is not None:
        what = "link" if item.purpose is None else item.purpose.value
        ledger.decide(tx, item.payment.id, f"{what} not sent", why, outbox_id=item.id)
    if item.purpose is Purpose.REMINDER and item.tries > 1:
        take_back(tx, [item.id])


def _expose(tx: Tx, rules: Rules, items: Sequence[OutboxItem]) -> set[int]:
    """Latch the links of these rows; give the rows that must stay, for their link may not go."""
    by_link = {item.link.id: item for item in items if item.link is not None}
    if not by_link:
        return set()
    live = links.expose(tx, list(by_link))
    hidden = set()
    for item in items:
        if item.link is None or item.link.id in live:
            continue
        hidden.add(item.id)
        _drop(tx, item, "its link may not be shown to anybody")
        detail = "a second payable link was about to be shown for one debt; it was not sent"
        alarm(
            tx,
            rules,
            Alert.UNDELIVERABLE,
            key=f"expose:{item.id}",
            detail=detail,
            payment=item.payment,
        )
    return hidden


def put_back(tx: Tx, waits: Sequence[tuple[OutboxItem, timedelta]]) -> None:
    """Put back claimed rows whose customers get enough already; none of them counts a try."""
    items = [item for item, _ in waits]
    mine = claims.still_mine(tx, items)
    outbox.put_back(
        tx,
        {item.id: tx.now + wait for item, wait in waits if item.id in mine},
        # As for `_uncount_try`: what was admitted of a reminder stays admitted.
        counting={item.id for item in items if item.purpose is Purpose.REMINDER},
    )


def settle(tx: Tx, rules: Rules, ended: Sequence[tuple[OutboxItem, Outcome]]) -> None:
    """Write how a batch of rows ended, and decide what follows.

    A row that is no longer claimed by its token is left alone: a late worker changes nothing.
    """
    accepted, others = [], []
    for item, outcome in adopt(tx, ended):
        if isinstance(outcome, Done) and isinstance(outcome.result, Sent):
            accepted.append(_acceptance(tx, rules, item, outcome.result))
        else:
            others.append((item, outcome))
    mine = deliveries.accept(tx, accepted)
    mine |= claims.still_mine(tx, [item for item, _ in others])
    for item, outcome in others:
        if item.id in mine:
            on_outcome(tx, rules, item, outcome)
    settled = [item for item, _ in ended if item.id in mine]
    batches.forget_files(tx, [item.id for item in settled if item.payload.get("file")])
    cards.refresh_settled(tx, settled)


def _acceptance(tx: Tx, rules: Rules, item: OutboxItem, sent: Sent) -> deliveries.Acceptance:
    deliver_by = None
    # A reminder without a report is no reason for a second one.
    has_next = item.purpose is not Purpose.REMINDER and rules.next_courier(item.route_left)
    if item.channel in rules.reports and has_next:
        deliver_by = tx.now + rules.fallback_of(ChannelName(item.channel))
    return deliveries.Acceptance(item, sent.provider_id, deliver_by)


def on_outcome(tx: Tx, rules: Rules, item: OutboxItem, outcome: Outcome) -> None:
    """Decide what follows from one end that is not a plain accepted send."""
    if item.kind == outbox.CREATE_LINK:
        on_create_outcome(tx, rules, item, outcome)
        return
    if item.kind == outbox.FETCH_FILE:
        bulk.on_fetched(tx, rules, item, outcome)
        return
    if item.kind == outbox.ASK:
        delivery.on_asked(tx, rules, item, outcome)
        return
    match outcome:
        case Done():
            outbox.end(tx, item.id, "done")
        case Unfound() | Found():
            outbox.look_again(tx, item.id, at=tx.now + _BETWEEN_LOOKS)
        case RetryLater():
            deliveries.note_try(tx, item, "not_sent", code=outcome.code, reason=outcome.reason)
            _on_not_sent(tx, rules, item, outcome)
        case Uncertain() if _only_looked(rules, item):
            on_outcome(tx, rules, item, RetryLater(outcome.reason, outcome.code))
        case Uncertain():
            deliveries.note_try(tx, item, "uncertain", code=outcome.code, reason=outcome.reason)
            _on_uncertain(tx, rules, item, outcome)
        case Refused():
            deliveries.note_try(tx, item, "refused", code=outcome.code, reason=outcome.reason)
            _on_refused(tx, rules, item, outcome)
        case _:
            assert_never(outcome)


def _only_looked(rules: Rules, item: OutboxItem) -> bool:
    """Whether this call could only ask for an earlier try: before its last look nothing is sent."""
    return item.looks_left > 1 and item.channel in rules.finds


def _on_not_sent(tx: Tx, rules: Rules, item: OutboxItem, outcome: RetryLater) -> None:
    is_tired = item.attempts >= TRIES_BEFORE_NEXT_CHANNEL
    if tx.now >= item.give_up_at or (is_tired and rules.next_courier(item.route_left)):
        next_channel(tx, rules, item, why=outcome.reason)
        return
    wait_s = backoff_s(item.attempts, rules.random)
    wait = timedelta(seconds=max(wait_s, outcome.after_s or 0.0))
    outbox.again(tx, item.id, at=tx.now + wait, error=outcome.reason)


def _on_uncertain(tx: Tx, rules: Rules, item: OutboxItem, outcome: Uncertain) -> None:
    purpose = item.purpose or Purpose.REPLY
    has_next = rules.next_courier(item.route_left) is not None
    most = MAX_RESENDS_WHEN_UNCERTAIN
    if outcome is DIED:
        most = MAX_RESENDS_WHEN_DIED
    elif purpose in NEWS_OF_MONEY and not has_next:
        most = MAX_RESENDS_OF_NEWS
    if MANNERS[purpose].on_uncertain is OnUncertain.DROP:
        outbox.end(tx, item.id, "uncertain", error=outcome.reason)
        decide(tx, item, f"{purpose.value} let go", f"it may have left: {outcome.reason}")
    elif item.uncertain_count < most and tx.now < item.give_up_at:
        can_look = item.channel in rules.finds
        if outcome is DIED:
            wait_s = wait_after_death_s(item.uncertain_count)
        else:
            wait_s = uncertain_resend_s(item.uncertain_count, can_look=can_look)
        looks = LOOKS_BEFORE_RESEND if can_look else 0
        at = tx.now + timedelta(seconds=wait_s)
        outbox.again(tx, item.id, at=at, error=outcome.reason, uncertain_looks=looks)
        decide(tx, item, f"{purpose.value} again", f"it may not have left: {outcome.reason}")
    elif has_next:
        next_channel(tx, rules, item, why=outcome.reason, may_have_left=True)
    else:
        outbox.end(tx, item.id, "uncertain", error=outcome.reason)
        tell_undeliverable(tx, rules, item, f"nobody knows whether it left: {outcome.reason}")


def _on_refused(tx: Tx, rules: Rules, item: OutboxItem, outcome: Refused) -> None:
    to = claims.resolve(item)
    if outcome.refusal is Refusal.CONFIG:
        tell_misconfigured(tx, rules, item, outcome)
    if outcome.refusal is Refusal.OPTED_OUT and to is not None:
        how = f"{to.channel.value} refused a message"
        wording = f"{outcome.code}: {outcome.reason}" if outcome.code else outcome.reason
        learn_block(tx, to, customer_id=delivery.reader_of(item), how=how, wording=wording)
    next_channel(tx, rules, item, why=outcome.reason)


def give_back_lapsed(tx: Tx, rules: Rules, *, all_claims: bool = False) -> int:
    """Settle what dead workers left in mid-call: nobody knows what became of it."""
    found = claims.lapsed(tx, all_claims=all_claims)
    if not found or tx.run_apart(lambda: settle(tx, rules, [(item, DIED) for item in found])):
        return len(found)
    return sum(_give_back(tx, rules, item) for item in found)


def _give_back(tx: Tx, rules: Rules, item: OutboxItem) -> bool:
    is_settled = tx.run_apart(lambda: settle(tx, rules, [(item, DIED)]))
    if not is_settled:
        tell_unsettled(tx, rules, item)
    return is_settled


def on_overdue(tx: Tx, rules: Rules) -> int:
    """Give accepted messages without a delivered report to their next channel."""
    found = claims.overdue(tx)
    for item in found:
        why = "no delivered report in time"
        next_channel(tx, rules, item, why=why, may_have_left=True)
    return len(found)
