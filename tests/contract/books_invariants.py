"""What must hold of the books after every step, asked of the tables themselves.

The numbers are those of the failure model's invariants.
"""

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa

from bot.domain.money import Money
from bot.domain.payment import MOVES, LinkStatus, PaymentStatus, came_of, fold_link
from bot.store import reported
from bot.store.engine import Tx
from bot.store.schema import alert, fact, ledger, link, outbox, override, payment

RETURNED = {PaymentStatus.REFUNDED, PaymentStatus.REVERSED}
MONEY = RETURNED | {PaymentStatus.PAID}


def check_books(tx: Tx, ever_paid: set[str]) -> None:
    """Check everything; `ever_paid` collects the uids that were paid at some step."""
    _check_links(tx, ever_paid)
    _check_replaced(tx)
    _check_receipts(tx, ever_paid)
    _check_ledger(tx)
    _check_alerts(tx)
    _check_facts(tx)


def _check_links(tx: Tx, ever_paid: set[str]) -> None:
    """I2: a link is what its facts add up to. I5: one exposed link in use. I6: sent is exposed."""
    money = {row.id: Money(row.amount_minor, row.currency) for row in tx.run(sa.select(payment))}
    exposed: Counter[str] = Counter()
    known = set(tx.run(sa.select(fact.c.uid)).scalars())
    for row in tx.run(sa.select(link)):
        facts = reported.facts_of(tx, row.uid) if row.uid in known else []
        fold = fold_link(money[row.payment_id], facts)
        assert LinkStatus(row.status) is fold.status, f"I2: {row.uid}"
        if fold.status is LinkStatus.PAID:
            ever_paid.add(row.uid)
        exposed[row.payment_id] += row.exposed_at is not None and row.superseded_at is None
    assert all(number <= 1 for number in exposed.values()), f"I5: {exposed}"
    homeless = tx.run(
        sa.select(outbox.c.key)
        .join(link, link.c.id == outbox.c.link_id)
        .where(outbox.c.payment_id.is_distinct_from(link.c.payment_id))
    )
    assert homeless.all() == [], "a row has a link but not its payment"
    hidden = tx.run(
        sa.select(outbox.c.key)
        .join(link, link.c.id == outbox.c.link_id)
        .where(
            outbox.c.purpose.in_(["link", "reminder", "denied"]),
            outbox.c.status == "sending",
            link.c.exposed_at.is_(None),
        )
    )
    assert hidden.all() == [], "I6"


def _check_replaced(tx: Tx) -> None:
    """An exposed link went out of use for a proof or by a person, and the payment tells it."""
    rows = tx.run(
        sa.select(
            link.c.uid,
            link.c.exposed_at,
            link.c.unsent_proof,
            link.c.payment_id,
            override.c.payment_id.label("decided"),
            payment.c.is_multi_link,
        )
        .join(payment, payment.c.id == link.c.payment_id)
        .outerjoin(override, override.c.id == link.c.override_id)
        .where(link.c.superseded_at.is_not(None))
    )
    for row in rows:
        assert row.decided in (None, row.payment_id), row.uid
        if row.exposed_at is not None and row.unsent_proof is None:
            assert row.decided is not None, f"nobody decided on {row.uid}"
            assert row.is_multi_link, f"not flagged: {row.payment_id}"


def _check_receipts(tx: Tx, ever_paid: set[str]) -> None:
    """I3 and I4: one receipt for every uid that was paid, and none for any other."""
    rows = tx.run(sa.select(outbox.c.key, outbox.c.status).where(outbox.c.purpose == "receipt"))
    receipts = {row.key: row.status for row in rows}
    assert set(receipts) == {f"receipt:{uid}" for uid in ever_paid}, "I4"
    assert "cancelled" not in receipts.values(), "I4"


def _check_ledger(tx: Tx) -> None:
    """Every move is by the table, follows the one before, and ends where the payment stands."""
    stands: dict[str, tuple[int, PaymentStatus]] = {}
    for row in tx.run(sa.select(ledger).order_by(ledger.c.payment_id, ledger.c.version)):
        version, before = stands.get(row.payment_id, (-1, None))
        new = PaymentStatus(row.to_status)
        assert row.version == version + 1
        assert row.from_status == (None if before is None else before.value)
        is_money_entry = new is before and row.uid is not None and row.amount_minor is not None
        assert before is None or new in MOVES[before] or is_money_entry
        stands[row.payment_id] = (row.version, new)
    for row in tx.run(sa.select(payment)):
        assert stands[row.id] == (row.version, PaymentStatus(row.status)), row.id


def _check_alerts(tx: Tx) -> None:
    """I13: whatever is held or given up has an open alert."""
    told: dict[str, set[str]] = {}
    for row in tx.run(sa.select(alert).where(alert.c.closed_at.is_(None))):
        told.setdefault(row.payment_id or "", set()).add(row.kind)
    held = tx.run(sa.select(payment.c.id).where(payment.c.status == "held")).scalars()
    for payment_id in held:
        assert told.get(payment_id, set()) & {"mismatch", "create_refused", "create_unknown"}
    dead = tx.run(
        sa.select(outbox.c.payment_id).where(
            outbox.c.status == "dead",
            outbox.c.kind == "send",
            outbox.c.purpose != "staff",
            outbox.c.payment_id.is_not(None),
        )
    ).scalars()
    for payment_id in dead:
        assert "undeliverable" in told.get(payment_id, set()), payment_id
    for payment_id in tx.run(_NOBODY_KNOWS).scalars():
        assert "undeliverable" in told.get(payment_id, set()), payment_id
    held_links = tx.run(sa.select(link.c.payment_id).where(link.c.status == "held")).scalars()
    for payment_id in held_links:
        assert "mismatch" in told.get(payment_id, set()), payment_id


_NOBODY_KNOWS = sa.select(outbox.c.payment_id).where(
    outbox.c.status == "uncertain",
    outbox.c.purpose.in_(["link", "receipt", "refunded", "reversed"]),
    outbox.c.payment_id.is_not(None),
)
"""Messages given up without knowing whether they left, though silence is not harmless."""


def _check_facts(tx: Tx) -> None:
    """I15: a fact counts for the payment of its link, once, and money is never overlooked."""
    owners: Mapping[str, str] = {
        row.uid: row.payment_id for row in tx.run(sa.select(link.c.uid, link.c.payment_id))
    }
    for row in tx.run(sa.select(fact.c.uid, fact.c.payment_id)):
        assert row.payment_id == owners.get(row.uid), f"I15: {row.uid}"
    _check_amounts(tx)
    paid = tx.run(
        sa.select(
            link.c.payment_id,
            payment.c.status,
            payment.c.is_overpaid,
            sa.func.count().label("number"),
        )
        .join(payment, payment.c.id == link.c.payment_id)
        .where(link.c.status == "paid")
        .group_by(link.c.payment_id, payment.c.status, payment.c.is_overpaid)
    )
    for row in paid:
        assert PaymentStatus(row.status) in MONEY, f"I15: {row.payment_id}"
        assert row.is_overpaid or row.number == 1, f"I15: {row.payment_id}"


def _check_amounts(tx: Tx) -> None:
    """I15: for every paid uid the books and its receipt name what came, and nothing else."""
    paid = tx.run(
        sa.select(link.c.uid, payment.c.amount_minor, payment.c.currency)
        .join(payment, payment.c.id == link.c.payment_id)
        .where(link.c.status == "paid")
    )
    for row in paid.all():
        asked = Money(row.amount_minor, row.currency)
        came = came_of(asked, reported.facts_of(tx, row.uid))
        assert came is not None
        entries = tx.run(
            sa.select(ledger.c.amount_minor, ledger.c.currency).where(
                ledger.c.uid == row.uid, ledger.c.to_status.in_(MONEY)
            )
        )
        assert (came.minor, came.currency) in [tuple(entry) for entry in entries], row.uid
        receipt = outbox.c.key == f"receipt:{row.uid}"
        said = tx.run(sa.select(outbox.c.payload).where(receipt)).scalar_one().get("came")
        expected = None if came == asked else {"minor": came.minor, "currency": came.currency}
        assert said == expected, row.uid
