"""Which link of ours a callback is about, also where its uid was never told to us."""

from dataclasses import dataclass

from bot.domain.money import Money
from bot.domain.payment import Alert, Link
from bot.handlers.planning import alarm
from bot.handlers.rules import Rules
from bot.store import attempts, links, payments
from bot.store.engine import Tx

_MADE = ("created",)
_NEVER_CONFIRMED = ("unknown", "dropped")


@dataclass(frozen=True, slots=True)
class Named:
    """What a callback names: its uid, and whatever else may tell whose it is."""

    uid: str
    external_id: str | None
    reference: str | None
    money: Money | None


def owner_of(tx: Tx, rules: Rules, named: Named) -> Link | None:
    """The link that a callback is about; it may have another uid than the callback.

    By uid, then by the attempt that it names or that remembers the uid, then by Migo's reference
    where that leads to one link and the amount is the same.
    """
    found = links.find_link(tx, named.uid)
    if found is not None:
        return found
    attempt = attempt_named(tx, named)
    if attempt is not None and attempt.state in _NEVER_CONFIRMED:
        return _adopt_orphan(tx, rules, attempt, named)
    if attempt is not None and attempt.state in _MADE:
        return _other_name(tx, rules, links.link_of_attempt(tx, attempt.id), named)
    return _by_reference(tx, rules, named)


def attempt_named(tx: Tx, named: Named) -> attempts.Attempt | None:
    """The try to make a link that a callback names, or that remembers its uid."""
    payment_id, _, number = (named.external_id or "").rpartition(".")
    if payment_id and number.isdecimal():
        for each in attempts.attempts_of(tx, payment_id):
            if str(each.attempt_no) == number:
                return each
    return attempts.attempt_with_hint(tx, named.uid)


def _adopt_orphan(tx: Tx, rules: Rules, attempt: attempts.Attempt, named: Named) -> Link | None:
    """Give a uid we never learnt of to its attempt, whose end is unknown; one uid an attempt."""
    if links.link_of_attempt(tx, attempt.id) is not None:
        return None
    orphan = links.insert_link(tx, attempt, uid=named.uid, reference=named.reference, url="")
    links.supersede(tx, orphan.id, why="its creation was never confirmed to us")
    alarm(
        tx,
        rules,
        Alert.ORPHAN_PAID,
        key=named.uid,
        detail=f"Migo reports on {named.uid}, a link whose creation was never confirmed to us",
        payment=payments.read(tx, attempt.payment_id),
    )
    return orphan


def _by_reference(tx: Tx, rules: Rules, named: Named) -> Link | None:
    if named.reference is None:
        return None
    found = links.with_reference(tx, named.reference)
    if len(found) != 1:
        return None
    payment = payments.read(tx, found[0].payment_id)
    if payment is None or payment.money != named.money:
        return None
    return _other_name(tx, rules, found[0], named)


def _other_name(tx: Tx, rules: Rules, link: Link | None, named: Named) -> Link | None:
    """Take a callback for this link although it has another uid, and tell a person."""
    if link is None:
        return None
    alarm(
        tx,
        rules,
        Alert.UNKNOWN_UID,
        key=named.uid,
        detail=f"Migo reports on {named.uid} and means {link.uid} by what else it says; it is "
        "booked there, please compare it with Migo's dashboard",
        payment=payments.read(tx, link.payment_id),
    )
    return link
