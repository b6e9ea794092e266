"""What may leave now, and what follows from how it ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from bot.domain.delivery import (
    MANNERS,
    MAX_RESENDS_WHEN_UNCERTAIN,
    MAX_UNKNOWN_CREATES,
    TRIES_BEFORE_NEXT_CHANNEL,
    Done,
    LinkMade,
    OnUncertain,
    Outcome,
    Purpose,
    Refused,
    RetryLater,
    Sent,
    Uncertain,
    backoff_s,
    create_retry_s,
    unknown_create_s,
)
from bot.domain.payment import UNPAID, Alert, Payment, PaymentStatus
from bot.handlers import bulk, cards
from bot.handlers.facts import on_link_made
from bot.handlers.planning import alarm, plan_create
from bot.handlers.rules import Dispatches, Rules
from bot.store import batches, deliveries, ledger, links, outbox, payments, people
from bot.store.engine import Tx
from bot.store.outbox import OutboxItem
from channels.base import ChannelName, Refusal

_UNCERTAIN_RESEND = timedelta(seconds=30)
_CARRIES_LINK = frozenset({Purpose.LINK, Purpose.REMINDER, Purpose.DENIED})


def claim(
    tx: Tx, rules: Rules, *, lane: str, limit: int, lease: timedelta, token: str, worker: str
) -> list[OutboxItem]:
    """Take due rows of a lane and give those that may really go out now.

    What a link message exposes is latched in this transaction, so before its first byte leaves.
    """
    taken = outbox.take(tx, lane=lane, limit=limit, lease=lease, token=token, worker=worker)
    going = [item for item in taken if _may_go(tx, rules, item)]
    creates = [item.attempt.id for item in going if item.attempt is not None]
    if creates:
        links.start_attempts(tx, creates)
    exposing = [item for item in going if item.purpose in _CARRIES_LINK and item.link is not None]
    hidden = _expose(tx, rules, exposing)
    return [item for item in going if item.id not in hidden]


def _may_go(tx: Tx, rules: Rules, item: OutboxItem) -> bool:
    """Whether this row may go out; if not, it is ended or sent on to the next channel."""
    stale = _why_stale(tx, item)
    if stale is not None:
        _drop(tx, item, stale)
        return False
    if item.kind == outbox.CREATE_LINK or item.purpose is None:
        return True
    if item.address is None:
        outbox.uncount_try(tx, item.id)
        next_channel(tx, rules, item, why=f"no {item.channel} address is known")
        return False
    if item.reach == "blocked" or (item.reach == "opted_out" and not _is_exempt(item.purpose)):
        outbox.uncount_try(tx, item.id)
        next_channel(tx, rules, item, why=f"the customer said stop on {item.channel}")
        return False
    return True


def _is_exempt(purpose: Purpose) -> bool:
    return MANNERS[purpose].is_exempt


def _why_stale(tx: Tx, item: OutboxItem) -> str | None:
    payment = item.payment
    if item.kind == outbox.CREATE_LINK:
        if payment is None or payment.status not in UNPAID:
            return "no link is wanted any more"
        return None
    if item.purpose is None or not MANNERS[item.purpose].asks_money:
        return None
    if payment is not None and payment.status not in UNPAID:
        return f"the payment is {payment.status.value}"
    if payment is not None and payment.expires_at is not None and payment.expires_at <= tx.now:
        return "its time ran out"
    if item.link is not None and item.link.superseded_at is not None:
        return "another link took its place"
    if MANNERS[item.purpose].on_uncertain is OnUncertain.DROP and tx.now >= item.give_up_at:
        return "its time is over"
    return None


def _drop(tx: Tx, item: OutboxItem, why: str) -> None:
    outbox.end(tx, item.id, "cancelled", error=why)
    if item.attempt is not None:
        links.end_attempt(tx, item.attempt.id, "dropped", error_key=why)
    if item.payment is not None:
        what = "link" if item.purpose is None else item.purpose.value
        ledger.decide(tx, item.payment.id, f"{what} not sent", why, outbox_id=item.id)


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


def settle(tx: Tx, rules: Rules, ended: Sequence[tuple[OutboxItem, Outcome]]) -> None:
    """Write how a batch of rows ended, and decide what follows.

    A row that is no longer claimed by its token is left alone: a late worker changes nothing.
    """
    mine = outbox.still_mine(tx, [item for item, _ in ended])
    accepted = []
    for item, outcome in ended:
        if item.id not in mine:
            continue
        if isinstance(outcome, Done) and isinstance(outcome.result, Sent):
            accepted.append(_acceptance(tx, rules, item, outcome.result))
        else:
            on_outcome(tx, rules, item, outcome)
    deliveries.accept(tx, accepted)
    batches.forget_files(
        tx, [item.id for item, _ in ended if item.id in mine and item.payload.get("file")]
    )
    cards.refresh_settled(tx, [item for item, _ in ended if item.id in mine])


def _acceptance(tx: Tx, rules: Rules, item: OutboxItem, sent: Sent) -> deliveries.Acceptance:
    deliver_by = None
    if item.channel in rules.reports and rules.next_courier(item.route_left) is not None:
        deliver_by = tx.now + rules.fallback_of(ChannelName(item.channel))
    return deliveries.Acceptance(item, sent.provider_id, deliver_by)


def on_outcome(tx: Tx, rules: Rules, item: OutboxItem, outcome: Outcome) -> None:
    """Decide what follows from one end that is not a plain accepted send."""
    if item.kind == outbox.CREATE_LINK:
        _on_create_outcome(tx, rules, item, outcome)
        return
    if item.kind == outbox.FETCH_FILE:
        bulk.on_fetched(tx, rules, item, outcome)
        return
    match outcome:
        case Done():
            outbox.end(tx, item.id, "done")
        case RetryLater():
            deliveries.note_try(tx, item, "not_sent", code=outcome.code, reason=outcome.reason)
            _on_not_sent(tx, rules, item, outcome)
        case Uncertain():
            deliveries.note_try(tx, item, "uncertain", code=outcome.code, reason=outcome.reason)
            _on_uncertain(tx, rules, item, outcome)
        case Refused():
            deliveries.note_try(tx, item, "refused", code=outcome.code, reason=outcome.reason)
            _on_refused(tx, rules, item, outcome)
        case _:
            assert_never(outcome)


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
    if MANNERS[purpose].on_uncertain is OnUncertain.DROP:
        outbox.end(tx, item.id, "uncertain", error=outcome.reason)
        _decide(tx, item, f"{purpose.value} let go", f"it may have left: {outcome.reason}")
    elif item.uncertain_count < MAX_RESENDS_WHEN_UNCERTAIN and tx.now < item.give_up_at:
        at = tx.now + _UNCERTAIN_RESEND
        outbox.again(tx, item.id, at=at, error=outcome.reason, is_uncertain=True)
        _decide(tx, item, f"{purpose.value} again", f"it may not have left: {outcome.reason}")
    elif rules.next_courier(item.route_left) is not None:
        next_channel(tx, rules, item, why=outcome.reason, may_have_left=True)
    else:
        outbox.end(tx, item.id, "uncertain", error=outcome.reason)
        _tell_undeliverable(tx, rules, item, f"nobody knows whether it left: {outcome.reason}")


def _on_refused(tx: Tx, rules: Rules, item: OutboxItem, outcome: Refused) -> None:
    to = outbox.resolve(item)
    if outcome.refusal is Refusal.OPTED_OUT and to is not None:
        people.set_reach(
            tx,
            to,
            reach="blocked",
            reason=outcome.code or outcome.reason,
            customer_id=item.customer.id if item.customer is not None else None,
        )
    next_channel(tx, rules, item, why=outcome.reason)


def next_channel(
    tx: Tx, rules: Rules, item: OutboxItem, *, why: str, may_have_left: bool = False
) -> None:
    """Give a message to the next channel of its route, else to a person.

    The next channel gets the same URL. Only where Migo surely does not message the customer and
    every try with the link ended as surely not sent is it replaced by one whose Migo channel fits.
    """
    found = rules.next_courier(item.route_left)
    if found is None:
        outbox.end(tx, item.id, "dead", error=why)
        _tell_undeliverable(tx, rules, item, why)
        return
    channel, left = found
    if (
        item.purpose is Purpose.LINK
        and not may_have_left
        and _may_replace(tx, rules, item, channel)
    ):
        _replace_link(tx, rules, item, channel, why)
        return
    outbox.reroute(tx, item.id, channel=channel, route_left=left, why=why)
    _decide(tx, item, f"{_name(item)} over {channel.value}", f"{item.channel}: {why}")


def _name(item: OutboxItem) -> str:
    return item.kind if item.purpose is None else item.purpose.value


def _decide(tx: Tx, item: OutboxItem, what: str, why: str) -> None:
    if item.payment is not None:
        ledger.decide(tx, item.payment.id, what, why, outbox_id=item.id)


def _may_replace(tx: Tx, rules: Rules, item: OutboxItem, channel: ChannelName) -> bool:
    link = item.link
    if rules.dispatches is not Dispatches.NO or link is None or item.payment is None:
        return False
    if rules.migo_channels[channel] == link.migo_channel:
        return False
    if outbox.others_with_link(tx, link.id, but=item.id) or links.facts_of(tx, link.uid):
        return False
    tries = deliveries.tries_with_link(tx, link.id)
    return all(each.outcome in ("refused", "not_sent") for each in tries)


def _replace_link(tx: Tx, rules: Rules, item: OutboxItem, channel: ChannelName, why: str) -> None:
    if item.link is None or item.payment is None:
        raise TypeError("only a link message has a link to replace")
    proof = [
        {"channel": each.channel, "outcome": each.outcome, "code": each.code}
        for each in deliveries.tries_with_link(tx, item.link.id)
    ]
    links.supersede(tx, item.link.id, why=why, unsent_proof=proof)
    outbox.end(tx, item.id, "cancelled", error=f"{why}; a new link follows")
    plan_create(tx, rules, item.payment, channel=channel.value, at=tx.now)
    _decide(
        tx,
        item,
        f"new link for {channel.value}",
        f"{item.channel}: {why}; the old link surely reached nobody and is out of use",
    )


def _tell_undeliverable(tx: Tx, rules: Rules, item: OutboxItem, why: str) -> None:
    if item.purpose is Purpose.STAFF or item.payment is None:
        return
    alarm(
        tx,
        rules,
        Alert.UNDELIVERABLE,
        key=f"{item.id}:{item.tries}",
        detail=f"the {_name(item)} could not be delivered over any channel; last reason: {why}",
        payment=item.payment,
    )


def _on_create_outcome(tx: Tx, rules: Rules, item: OutboxItem, outcome: Outcome) -> None:
    if item.attempt is None or item.payment is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    match outcome:
        case Done(LinkMade() as made):
            outbox.end(tx, item.id, "done")
            on_link_made(
                tx, rules, item.attempt, uid=made.uid, reference=made.reference, url=made.url
            )
        case RetryLater() if tx.now < item.give_up_at:
            links.end_attempt(tx, item.attempt.id, "planned", error_key=outcome.code)
            wait_s = max(create_retry_s(item.attempts, rules.random), outcome.after_s or 0.0)
            at = tx.now + timedelta(seconds=wait_s)
            outbox.again(tx, item.id, at=at, error=outcome.reason)
        case RetryLater() | Refused():
            links.end_attempt(tx, item.attempt.id, "refused", error_key=outcome.code)
            outbox.end(tx, item.id, "dead", error=outcome.reason)
            payment = payments.read(tx, item.payment.id, lock=True)
            if payment is not None and payment.status in UNPAID:
                _hold(tx, rules, payment, Alert.CREATE_REFUSED, outcome.reason, outcome.code)
        case Uncertain():
            links.end_attempt(
                tx, item.attempt.id, "unknown", error_key=outcome.code, uid_hint=outcome.uid
            )
            outbox.end(tx, item.id, "uncertain", error=outcome.reason)
            _on_unknown_create(tx, rules, item, outcome)
        case Done():
            raise TypeError("a link's creation cannot end as a sent message")
        case _:
            assert_never(outcome)


def _on_unknown_create(tx: Tx, rules: Rules, item: OutboxItem, outcome: Uncertain) -> None:
    """The orphan rule: ask Migo again only if an unknown link surely has no reader."""
    # Not as it was at the claim: it may have been cancelled or paid while Migo was asked.
    payment = None if item.payment is None else payments.read(tx, item.payment.id, lock=True)
    attempt = item.attempt
    if payment is None or attempt is None:
        raise TypeError("a create_link row belongs to an attempt of a payment")
    unknown = [each for each in links.attempts_of(tx, payment.id) if each.state == "unknown"]
    is_safe = rules.dispatches is Dispatches.NO and outcome.uid is None
    if not is_safe or len(unknown) >= MAX_UNKNOWN_CREATES or payment.status not in UNPAID:
        _hold(tx, rules, payment, Alert.CREATE_UNKNOWN, outcome.reason, outcome.code)
        return
    wait = timedelta(seconds=unknown_create_s(len(unknown)))
    plan_create(tx, rules, payment, channel=attempt.channel, at=tx.now + wait)
    ledger.decide(
        tx,
        payment.id,
        "new attempt",
        f"nobody knows whether Migo made a link ({outcome.reason}); if it did, it has no reader",
        next_at=tx.now + wait,
    )


def _hold(
    tx: Tx, rules: Rules, payment: Payment, kind: Alert, reason: str, code: str | None
) -> None:
    """Tell a person; a payment that is still asked for waits for what they decide."""
    if payment.status in UNPAID:
        payment = payments.move(
            tx, payment, PaymentStatus.HELD, why=reason, held_reason=code or kind.value
        )
    number = len(links.attempts_of(tx, payment.id))
    alarm(tx, rules, kind, key=f"{payment.id}:{number}", detail=reason, payment=payment)


def give_back_lapsed(tx: Tx, rules: Rules, *, all_claims: bool = False) -> int:
    """Settle what dead workers left in mid-call: nobody knows what became of it."""
    found = outbox.lapsed(tx, all_claims=all_claims)
    settle(tx, rules, [(item, Uncertain("the process died in mid-call")) for item in found])
    return len(found)


def on_overdue(tx: Tx, rules: Rules) -> int:
    """Give accepted messages without a delivered report to their next channel."""
    found = outbox.overdue(tx)
    for item in found:
        why = "no delivered report in time"
        next_channel(tx, rules, item, why=why, may_have_left=True)
    return len(found)
