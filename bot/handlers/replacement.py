"""Another link for a payment whose link may be in somebody's hands: only by a named person's word.

Migo's old link stays payable whatever we do, so that both may be paid; then the payment is overpaid
and told.
"""

from bot.domain.payment import Link, Payment
from bot.handlers import cards
from bot.handlers.payment import RISK, RequestError, check_wanted, must_read, order_link
from bot.handlers.planning import has_no_reader
from bot.handlers.rules import Rules
from bot.store import attempts, ledger, links, payments, waiting
from bot.store import staff as staff_store
from bot.store.engine import Tx


def replaceable(tx: Tx, payment: Payment) -> Link:
    """The link that another one could take the place of.

    Raises:
        RequestError: there is none, and what to do instead.
    """
    check_wanted(tx, payment)
    if any(each.state in ("planned", "sending") for each in attempts.attempts_of(tx, payment.id)):
        raise RequestError("its link is being made right now; nothing to send again yet")
    link = links.current_link(tx, payment.id)
    if link is None:
        raise RequestError("it has no link that could be replaced; send it again instead")
    return link


def replace_link(
    tx: Tx,
    rules: Rules,
    payment_id: str,
    *,
    by: str | None,
    accepts_risk: bool,
    uid: str | None = None,
) -> Payment:
    """Take a payment's link out of use and owe another; the payment is flagged from now on.

    Args:
        tx: the transaction.
        rules: the rules of this installation.
        payment_id: which payment.
        by: the name of who decides it.
        accepts_risk: they know that the customer may be able to pay both.
        uid: the link that they saw; one that took its place since is not replaced.

    Raises:
        RequestError: nobody took the risk by name, or there is no such link to replace.
    """
    payment = must_read(tx, payment_id)
    link = replaceable(tx, payment)
    if uid not in (None, link.uid):
        raise RequestError("another link took its place in the meantime")
    if by is None or not accepts_risk:
        raise RequestError(
            "the customer may be able to pay both, since Migo's old link cannot be switched off; "
            "repeat with accept_risk and by, the name of who decides it"
        )
    _put_out(tx, rules, payment, link, by=by)
    payment = order_link(tx, rules, payment, channel=payment.route[0], by=by)
    cards.refresh(tx, payment.id)
    return payment


def _put_out(tx: Tx, rules: Rules, payment: Payment, link: Link, *, by: str) -> None:
    override_id = ledger.record_override(tx, payment.id, who=by, what="link replaced", wording=RISK)
    # A claim takes a message first and then its link.
    waiting.cancel_of_link(tx, link.id, why="another link took its place")
    links.supersede(tx, link.id, why=f"replaced by {by}", override_id=override_id)
    # Only now is it sure that nobody claims a first message with it.
    old = links.find_link(tx, link.uid) or link
    if old.exposed_at is not None or not has_no_reader(tx, rules):
        payments.flag_multi_link(tx, payment.id)
    before = {"uid": link.uid, "reference": link.reference}
    staff_store.audit(tx, by, "link replaced", payment.id, before, None)
    why = f"the customer may be able to pay both, decided by {by}"
    ledger.decide(tx, payment.id, "link replaced", why)
