"""Money that came in another amount than asked: a named person takes it as it came."""

from dataclasses import dataclass

from bot.domain.money import Money
from bot.domain.payment import Alert, Fact, FactStatus, Link, LinkStatus, Payment
from bot.handlers.facts import apply_facts
from bot.handlers.payment import RequestError, must_read
from bot.handlers.rules import Rules
from bot.store import ledger, links, reported
from bot.store import staff as staff_store
from bot.store.engine import Tx

_ACCEPTED = "another amount accepted"


@dataclass(frozen=True, slots=True)
class Offered:
    """What Migo reported for a link and nobody decided on yet."""

    link: Link
    fact: Fact
    money: Money


def offered(tx: Tx, payment_id: str) -> Offered | None:
    """The first link of a payment that is held for its amount, with the newest report of it."""
    for link in links.links_of(tx, payment_id):
        if link.status is not LinkStatus.HELD:
            continue
        for fact in reversed(reported.facts_of(tx, link.uid)):
            if fact.status is FactStatus.APPROVED and fact.money is not None:
                return Offered(link, fact, fact.money)
    return None


def accept_amount(
    tx: Tx, rules: Rules, payment_id: str, *, by: str, money: Money | None = None
) -> Payment:
    """Book a payment as paid with what came; receipt, cards and ledger name that amount.

    Args:
        tx: the transaction.
        rules: the rules of this installation.
        payment_id: which payment.
        by: who decides it.
        money: what that person saw; what Migo reported in the meantime is not accepted unseen.

    Raises:
        RequestError: no other amount waits for a person, or it is another than was seen.
    """
    payment = must_read(tx, payment_id)
    found = offered(tx, payment.id)
    if found is None:
        raise RequestError("no other amount waits for somebody to accept it")
    if money not in (None, found.money):
        raise RequestError("Migo reported another amount in the meantime; look at it again")
    came, asked = _said(found.money), _said(payment.money)
    override_id = ledger.record_override(
        tx, payment.id, who=by, what=_ACCEPTED, wording=f"{came} came instead of {asked}"
    )
    inbox_id = reported.accept_fact(
        tx, found.fact.uid, found.fact.body_hash, override_id=override_id
    )
    before, after = {"asked": asked}, {"uid": found.link.uid, "came": came}
    staff_store.audit(tx, by, "amount accepted", payment.id, before, after)
    ledger.decide(tx, payment.id, "amount accepted", f"{came} came instead of {asked}, says {by}")
    ledger.close_alert(tx, Alert.MISMATCH, key=found.link.uid, by=by)
    return apply_facts(tx, rules, payment.id, inbox_id=inbox_id)


def _said(money: Money) -> str:
    return f"{money.major()} {money.currency}"
