"""What becomes of a message that its channel could not bring: the next channel, else a person."""

from bot.domain.delivery import Purpose, Refused
from bot.domain.payment import Alert
from bot.handlers import handoff
from bot.handlers.planning import alarm, has_no_reader, plan_create
from bot.handlers.rules import Rules
from bot.handlers.series import take_back
from bot.store import deliveries, handing, ledger, links, outbox, reported, waiting
from bot.store.claims import OutboxItem
from bot.store.engine import Tx
from channels.base import ChannelName

NEED_NOT_ARRIVE = frozenset({Purpose.REMINDER, Purpose.INVITE})
"""Nobody need look: the link itself is there."""


def next_channel(
    tx: Tx, rules: Rules, item: OutboxItem, *, why: str, may_have_left: bool = False
) -> None:
    """Give a message to the next channel of its route, else to a person.

    The next channel gets the same URL. Only where Migo surely does not message the customer, nobody
    was handed the URL, and every try with it ended as surely not sent is the link replaced by one
    whose Migo channel fits.
    """
    found = rules.next_courier(item.route_left)
    if found is None and item.purpose in NEED_NOT_ARRIVE:
        outbox.end(tx, item.id, "cancelled", error=why)
        decide(tx, item, f"{_name(item)} let go", why)
        take_back(tx, [item.id] if item.purpose is Purpose.REMINDER else [])
        return
    if found is None:
        outbox.end(tx, item.id, "dead", error=why)
        tell_undeliverable(tx, rules, item, why)
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
    decide(tx, item, f"{_name(item)} over {channel.value}", f"{item.channel}: {why}")


def _name(item: OutboxItem) -> str:
    return item.kind if item.purpose is None else item.purpose.value


def decide(tx: Tx, item: OutboxItem, what: str, why: str) -> None:
    """Keep what was decided about a row of a payment, and the reason."""
    if item.payment is not None:
        ledger.decide(tx, item.payment.id, what, why, outbox_id=item.id)


def _may_replace(tx: Tx, rules: Rules, item: OutboxItem, channel: ChannelName) -> bool:
    link = item.link
    if link is None or item.payment is None or not has_no_reader(tx, rules):
        return False
    if rules.migo_channels[channel] == link.migo_channel:
        return False
    if handing.goes_by_hand(item.payment.route) or handing.is_handed_out(tx, link.id):
        return False
    current = links.current_link(tx, link.payment_id)
    if current is None or current.id != link.id:
        return False
    if waiting.others_with_link(tx, link.id, but=item.id) or reported.facts_of(tx, link.uid):
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
    waiting.cancel_of_link(tx, item.link.id, why="another link took its place")
    outbox.end(tx, item.id, "cancelled", error=f"{why}; a new link follows")
    plan_create(tx, rules, item.payment, channel=channel.value, at=tx.now)
    decide(
        tx,
        item,
        f"new link for {channel.value}",
        f"{item.channel}: {why}; the old link surely reached nobody and is out of use",
    )


def tell_misconfigured(tx: Tx, rules: Rules, item: OutboxItem, outcome: Refused) -> None:
    """Tell staff that a provider does not accept us, also where another channel is left."""
    alarm(
        tx,
        rules,
        Alert.CONFIG,
        key=f"{item.lane}:{outcome.code}",
        detail=f"{item.lane} does not accept our settings: {outcome.reason}",
        reopens=True,
    )


def tell_undeliverable(tx: Tx, rules: Rules, item: OutboxItem, why: str) -> None:
    """Have a person look at a message that no channel could bring."""
    if item.purpose is Purpose.REPLY and item.payment is None:
        handoff.on_lost(tx, rules, item, why)
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
