"""What people agree to be sent: each yes and no is kept with who, when, how and in which words."""

from bot.domain.heard import Scope
from bot.domain.payment import Customer
from bot.store import people
from bot.store.engine import Tx
from channels.base import Address

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
        _set(tx, at, customer, reach="ok", reason="only reminders are stopped")
        if customer is not None:
            people.set_wishes(tx, customer.id, wants_reminders=False)
    elif scope is Scope.CHANNEL or customer is None:
        _set(tx, at, customer, reach="opted_out", reason="said stop here")
    else:
        people.set_wishes(tx, customer.id, is_opted_out=True)
        _set(tx, at, customer, reach="opted_out", reason=_EVERYWHERE)
        for address, _ in people.addresses_of(tx, customer.id):
            _set(tx, address, customer, reach="opted_out", reason=_EVERYWHERE)


def _resume(tx: Tx, at: Address, customer: Customer | None) -> None:
    _set(tx, at, customer, reach="ok", reason="asked for messages again")
    if customer is None:
        return
    people.set_wishes(tx, customer.id, is_opted_out=False, wants_reminders=True)
    for address, reason in people.addresses_of(tx, customer.id):
        if reason == _EVERYWHERE:
            _set(tx, address, customer, reach="ok", reason="asked for messages again")


def _set(tx: Tx, at: Address, customer: Customer | None, *, reach: str, reason: str) -> None:
    customer_id = None if customer is None else customer.id
    people.set_reach(tx, at, reach=reach, reason=reason, customer_id=customer_id)


def keep_stopped(tx: Tx, at: Address, customer: Customer) -> None:
    """A person who stopped everything is not asked for money on an address they add later."""
    if people.wishes(tx, customer.id).is_opted_out:
        _set(tx, at, customer, reach="opted_out", reason=_EVERYWHERE)
