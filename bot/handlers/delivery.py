"""What a provider's later word on a message means."""

from datetime import timedelta

from bot.domain.delivery import (
    Asked,
    Done,
    Outcome,
    Purpose,
    RetryLater,
    Uncertain,
    backoff_s,
    fold_delivery,
)
from bot.handlers import cards
from bot.handlers.consent import learn_block
from bot.handlers.fallback import next_channel, tell_undeliverable
from bot.handlers.rules import Rules
from bot.store import claims, deliveries, ledger, outbox
from bot.store.engine import Tx
from channels.base import Address, ChannelName, DeliveryReport, DeliveryState, Refusal

_FAILURES = frozenset({DeliveryState.FAILED, DeliveryState.UNDELIVERED})
_ARRIVED = frozenset({DeliveryState.DELIVERED, DeliveryState.READ})
_SECOND_TRY = timedelta(minutes=1)
_SILENT_AFTER = timedelta(minutes=10)
_ASK_FOR = timedelta(hours=24)


def on_report(tx: Tx, rules: Rules, report: DeliveryReport) -> bool:
    """Fold a report into its message; False if the message is not known (yet).

    Reports may repeat and come in any order; only a higher rank changes anything.
    """
    known = deliveries.find_delivery(tx, report.provider_id)
    if known is None:
        return False
    state = fold_delivery(known.state, report.state)
    if state is known.state:
        return True
    is_final = state in _ARRIVED or state in _FAILURES
    deliveries.set_delivery(tx, known, state, code=report.code, is_final=is_final)
    if state in _ARRIVED:
        _on_arrived(tx, known)
    elif state in _FAILURES:
        _on_failed(tx, rules, known, report)
    cards.refresh_reported(tx, known.outbox_id)
    return True


def ask_silent(tx: Tx, rules: Rules) -> int:
    """Owe a question about each message of which nothing final was heard in time."""
    silent = deliveries.take_silent(tx, sorted(rules.finds), older_than=_SILENT_AFTER)
    outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.ASK,
                lane=each.channel,
                key=f"ask:{each.id}",
                channel=ChannelName(each.channel),
                not_before=tx.now,
                give_up_at=tx.now + _ASK_FOR,
                payload={"provider_id": each.provider_id},
            )
            for each in silent
        ],
    )
    return len(silent)


def on_asked(tx: Tx, rules: Rules, item: claims.OutboxItem, outcome: Outcome) -> None:
    """Take the answer as if the provider had called us; ask again where there was none."""
    match outcome:
        case Done(Asked(report)):
            outbox.end(tx, item.id, "done")
            if report is not None:
                on_report(tx, rules, report)
        case RetryLater() | Uncertain() if tx.now < item.give_up_at:
            at = tx.now + timedelta(seconds=backoff_s(item.attempts, rules.random))
            outbox.again(tx, item.id, at=at, error=outcome.reason)
        case _:
            outbox.end(tx, item.id, "dead", error="the provider does not say")


def _on_arrived(tx: Tx, known: deliveries.Delivery) -> None:
    """A message that arrived after all needs no other channel."""
    payment_id = outbox.recall(
        tx, known.outbox_id, provider_id=known.provider_id, channel=known.channel
    )
    if payment_id is not None:
        why = f"{known.channel} delivered it"
        ledger.decide(tx, payment_id, "no other channel needed", why)


def _on_failed(tx: Tx, rules: Rules, known: deliveries.Delivery, report: DeliveryReport) -> None:
    if not outbox.is_current(tx, known.outbox_id, provider_id=known.provider_id):
        return
    item = claims.read(tx, known.outbox_id)
    if item is None:
        return
    if report.refusal is Refusal.OPTED_OUT:
        at = Address(ChannelName(known.channel), known.address)
        how = f"{known.channel} reported that a message was refused"
        learn_block(tx, at, customer_id=reader_of(item), how=how, wording=report.code)
    why = f"the provider could not deliver it ({report.code or 'no code'})"
    if report.refusal is Refusal.TEMPORARY and item.attempts == 1:
        outbox.again(tx, item.id, at=tx.now + _SECOND_TRY, error=why)
    elif item.purpose not in (None, Purpose.STAFF, Purpose.REPLY):
        next_channel(tx, rules, item, why=why, may_have_left=True)
    elif item.purpose is Purpose.REPLY and item.payment is None:
        tell_undeliverable(tx, rules, item, why)


def reader_of(item: claims.OutboxItem) -> int | None:
    """The customer whom a message goes to; news for staff goes to somebody else."""
    if item.customer is None or item.purpose is Purpose.STAFF:
        return None
    return item.customer.id
