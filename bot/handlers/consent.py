"""What people agree to be sent: each yes and no is kept with who, when, how and in which words."""

from bot.domain.heard import Scope
from bot.domain.payment import Customer
from bot.store import addresses, people
from bot.store.addresses import Known
from bot.store.engine import Tx
from channels.base import Address

_HERE = "said stop here"
_PROVIDER = "provider"
_EVERYWHERE = "said stop on all channels"
_WORDING_CHARS = 200


def set_consent(
    tx: Tx,
    at: Address,
    customer: Customer | None,
    scope: Scope,
    *,
    is_given: bool,
    how: str,
    wording: str,
) -> None:
    """Let a person's yes or no take effect, and keep it for ever.

    Args:
        tx: the transaction.
        at: where they said it.
        customer: who they are, if that is known; only then can it reach beyond this address.
        scope: what it is about; a yes always takes back every no that this person can take back.
        is_given: yes or no.
        how: in which way it was said.
        wording: in which words.
    """
    if is_given:
        _resume(tx, at, customer)
    else:
        _stop(tx, at, customer, scope)
    people.record_consent(
        tx,
        at,
        customer_id=None if customer is None else customer.id,
        is_given=is_given,
        scope=scope.value,
        who="customer",
        how=how,
        wording=wording[:_WORDING_CHARS],
    )


def _stop(tx: Tx, at: Address, customer: Customer | None, scope: Scope) -> None:
    if scope is Scope.REMINDERS:
        # Chosen after a wider stop, it is what the person wants instead of it.
        _lift(tx, at, customer, reason="only reminders are stopped")
        if customer is not None:
            people.set_wishes(tx, customer.id, is_opted_out=False, wants_reminders=False)
        return
    is_all = scope is Scope.ALL
    if is_all and customer is not None:
        people.set_wishes(tx, customer.id, is_opted_out=True)
    for each in _known_at(tx, at, customer):
        if is_all or each.at.channel is at.channel:
            said = _EVERYWHERE if is_all else _HERE
            _set(tx, each.at, customer, reach="opted_out", reason=said)


def _resume(tx: Tx, at: Address, customer: Customer | None) -> None:
    if customer is not None:
        people.set_wishes(tx, customer.id, is_opted_out=False, wants_reminders=True)
    _lift(tx, at, customer, reason="asked for messages again")


def _lift(tx: Tx, at: Address, customer: Customer | None, *, reason: str) -> None:
    """Take back each no that was said on this channel, or for all of them."""
    _set(tx, at, customer, reach="ok", reason=reason)
    for each in _known_at(tx, at, customer):
        is_meant = each.at.channel is at.channel or each.reason == _EVERYWHERE
        if is_meant and each.reach == "opted_out":
            _set(tx, each.at, customer, reach="ok", reason=reason)


def _known_at(tx: Tx, at: Address, customer: Customer | None) -> list[Known]:
    """All addresses of whoever wrote from this one: a no is a person's, not a number's."""
    return [Known(at)] if customer is None else addresses.of_customer(tx, customer)


def _set(tx: Tx, at: Address, customer: Customer | None, *, reach: str, reason: str) -> None:
    customer_id = None if customer is None else customer.id
    people.set_reach(tx, at, reach=reach, reason=reason, customer_id=customer_id)


def keep_stopped(tx: Tx, at: Address, customer: Customer) -> None:
    """A person who stopped everything is not asked for money on an address they add later."""
    if people.wishes(tx, customer.id).is_opted_out:
        _set(tx, at, customer, reach="opted_out", reason=_EVERYWHERE)


def carry_stop(tx: Tx, at: Address, customer: Customer) -> None:
    """Have a no hold for all of a person that was said here before it was known who they are."""
    known = people.reach_of(tx, at)
    if known is not None and known.customer_id is None and known.reach == "opted_out":
        _stop(tx, at, customer, Scope.ALL if known.reason == _EVERYWHERE else Scope.CHANNEL)


def is_stopped(tx: Tx, at: Address, customer: Customer | None) -> bool:
    """Whether whoever writes from this address wants no messages on its channel."""
    is_out = customer is not None and people.wishes(tx, customer.id).is_opted_out
    return is_out or addresses.is_stopped(tx, at, customer)


def learn_block(
    tx: Tx, at: Address, *, customer_id: int | None, how: str, wording: str | None = None
) -> None:
    """Write here no more, since the provider says that the person wants none; keep that it did.

    Args:
        tx: the transaction.
        at: where.
        customer_id: who they are, if that is known.
        how: in which way the provider said it.
        wording: its code and words.
    """
    known = people.reach_of(tx, at)
    reason = wording or "the provider says so"
    people.set_reach(tx, at, reach="blocked", reason=reason, customer_id=customer_id)
    if known is None or known.reach == "ok":
        _record_of_provider(tx, at, customer_id, is_given=False, how=how, wording=wording)


def learn_return(tx: Tx, at: Address, *, how: str) -> None:
    """Write here again, since the provider says that the person lets us; keep that it did."""
    if people.unblock(tx, at, reason="the provider says so"):
        _record_of_provider(tx, at, None, is_given=True, how=how, wording=None)


def _record_of_provider(
    tx: Tx, at: Address, customer_id: int | None, *, is_given: bool, how: str, wording: str | None
) -> None:
    known = people.reach_of(tx, at)
    people.record_consent(
        tx,
        at,
        customer_id=customer_id if known is None else known.customer_id or customer_id,
        is_given=is_given,
        scope=Scope.CHANNEL.value,
        who=_PROVIDER,
        how=how,
        wording=None if wording is None else wording[:_WORDING_CHARS],
    )
