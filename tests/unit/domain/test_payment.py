"""Which moves a payment may make, and what sets of facts add up to."""

import dataclasses
from datetime import UTC, datetime
from itertools import combinations_with_replacement, permutations, product

import pytest

from bot.domain.money import Money
from bot.domain.payment import (
    MOVES,
    UNPAID,
    Alert,
    Fact,
    FactStatus,
    LinkFold,
    LinkStatus,
    PaymentStatus,
    came_of,
    fold_link,
    may_move,
    payment_status_of,
)

ASKED = Money(15000, "GTQ")
AT = datetime(2026, 1, 1, tzinfo=UTC)

MAY = {
    "requested": "linked paid denied refunded reversed expired cancelled held",
    "linked": "paid denied refunded reversed expired cancelled held",
    "denied": "linked paid refunded reversed expired cancelled held",
    "expired": "requested linked paid refunded reversed held",
    "cancelled": "paid refunded reversed held",
    "held": "requested linked denied paid refunded reversed expired cancelled",
    "paid": "refunded reversed",
    "refunded": "reversed",
    "reversed": "refunded",
}
"""The table once more, in words, so that nobody changes it without meaning to."""


@pytest.mark.parametrize(("old", "new"), list(product(PaymentStatus, PaymentStatus)))
def test_every_pair_of_statuses(old: PaymentStatus, new: PaymentStatus) -> None:
    assert may_move(old, new) is (new.value in MAY[old.value].split())


def test_every_status_has_its_row() -> None:
    assert set(MOVES) == set(PaymentStatus)


def test_what_is_still_asked_for_may_be_stopped() -> None:
    for status in UNPAID:
        assert may_move(status, PaymentStatus.CANCELLED)
        assert may_move(status, PaymentStatus.EXPIRED)
        assert may_move(status, PaymentStatus.PAID)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((PaymentStatus.PAID, status) for status in sorted(UNPAID)),
        *((PaymentStatus.REFUNDED, status) for status in sorted(UNPAID | {PaymentStatus.PAID})),
        *((PaymentStatus.REVERSED, status) for status in sorted(UNPAID | {PaymentStatus.PAID})),
    ],
)
def test_money_never_becomes_no_money(old: PaymentStatus, new: PaymentStatus) -> None:
    assert not may_move(old, new)


def fact(
    status: FactStatus, name: str, money: Money | None = ASKED, *, is_accepted: bool = False
) -> Fact:
    return Fact("u1", status, money, f"hash of {name}", AT, is_accepted)


FACTS = {
    "denied": fact(FactStatus.DENIED, "denied"),
    "approved": fact(FactStatus.APPROVED, "approved"),
    "approved with other bytes": fact(FactStatus.APPROVED, "approved with other bytes"),
    "refunded": fact(FactStatus.REFUNDED, "refunded"),
    "refunded in part": fact(FactStatus.REFUNDED, "refunded in part", Money(5000, "GTQ")),
    "refunded in dollars": fact(FactStatus.REFUNDED, "in dollars", Money(5000, "USD")),
    "reversed": fact(FactStatus.REVERSED, "reversed"),
    "mismatch": fact(FactStatus.APPROVED, "mismatch", Money(14999, "GTQ")),
    "other": fact(FactStatus.OTHER, "other"),
}


@pytest.mark.parametrize("size", range(6))
def test_order_and_repeats_do_not_matter(size: int) -> None:
    """Every order of every multiset of up to five facts gives what its bare set gives."""
    for names in combinations_with_replacement(FACTS, size):
        folds = {
            fold_link(ASKED, [FACTS[name] for name in order]) for order in set(permutations(names))
        }
        assert folds == {fold_link(ASKED, [FACTS[name] for name in sorted(set(names))])}, names


ROWS: list[tuple[str, LinkStatus, set[Alert]]] = [
    ("", LinkStatus.OPEN, set()),
    ("denied", LinkStatus.DENIED, set()),
    ("approved", LinkStatus.PAID, set()),
    ("denied, approved", LinkStatus.PAID, set()),
    ("refunded", LinkStatus.REFUNDED, {Alert.RETURN_WITHOUT_APPROVAL}),
    ("approved, refunded", LinkStatus.REFUNDED, set()),
    ("approved, refunded in part", LinkStatus.PART_REFUNDED, set()),
    ("approved, refunded in part, refunded", LinkStatus.REFUNDED, {Alert.FURTHER_REFUND}),
    ("approved, refunded in dollars", LinkStatus.REFUNDED, {Alert.ODD_REFUND}),
    ("denied, refunded", LinkStatus.REFUNDED, {Alert.RETURN_WITHOUT_APPROVAL}),
    ("reversed", LinkStatus.REVERSED, {Alert.RETURN_WITHOUT_APPROVAL}),
    ("approved, reversed", LinkStatus.REVERSED, set()),
    ("approved, refunded, reversed", LinkStatus.RETURNED_TWICE, {Alert.RETURNED_TWICE}),
    ("approved, approved with other bytes", LinkStatus.PAID, {Alert.SECOND_APPROVAL}),
    ("mismatch", LinkStatus.HELD, {Alert.MISMATCH}),
    ("denied, mismatch", LinkStatus.HELD, {Alert.MISMATCH}),
    ("mismatch, approved", LinkStatus.PAID, {Alert.MISMATCH, Alert.SECOND_APPROVAL}),
    ("other", LinkStatus.OPEN, {Alert.UNKNOWN_STATUS}),
    ("approved, other", LinkStatus.PAID, {Alert.UNKNOWN_STATUS}),
]


@pytest.mark.parametrize(("names", "status", "alerts"), ROWS)
def test_what_facts_add_up_to(names: str, status: LinkStatus, alerts: set[Alert]) -> None:
    facts = [FACTS[name] for name in names.split(", ") if name]
    assert fold_link(ASKED, facts) == LinkFold(status, frozenset(alerts))


def test_every_link_status_is_reached() -> None:
    assert {status for _, status, _ in ROWS} == set(LinkStatus)


@pytest.mark.parametrize("money", [None, Money(15001, "GTQ"), Money(15000, "USD"), Money(0, "GTQ")])
def test_only_the_asked_amount_in_the_asked_currency_pays(money: Money | None) -> None:
    fold = fold_link(ASKED, [fact(FactStatus.APPROVED, "odd", money)])
    assert fold == LinkFold(LinkStatus.HELD, frozenset({Alert.MISMATCH}))


def test_a_person_may_accept_another_amount() -> None:
    taken = fact(FactStatus.APPROVED, "odd", Money(14000, "GTQ"), is_accepted=True)
    assert fold_link(ASKED, [taken]) == LinkFold(LinkStatus.PAID)
    refused = dataclasses.replace(taken, is_accepted=False)
    assert fold_link(ASKED, [refused]).status is LinkStatus.HELD


@pytest.mark.parametrize("money", [None, ASKED, Money(20000, "GTQ"), Money(5000, "USD")])
def test_a_refund_that_is_not_surely_partial_is_whole(money: Money | None) -> None:
    facts = [FACTS["approved"], fact(FactStatus.REFUNDED, "r", money)]
    assert fold_link(ASKED, facts).status is LinkStatus.REFUNDED


def test_what_came_is_what_was_asked_or_what_a_person_accepted() -> None:
    less = fact(FactStatus.APPROVED, "less", Money(9000, "GTQ"), is_accepted=True)
    assert came_of(ASKED, [FACTS["denied"], FACTS["mismatch"]]) is None
    assert came_of(ASKED, [FACTS["mismatch"], FACTS["approved"]]) == ASKED
    for facts in permutations([less, FACTS["mismatch"], FACTS["approved"]]):
        assert came_of(ASKED, facts) == less.money


@pytest.mark.parametrize(
    ("minor", "status"), [(9000, LinkStatus.REFUNDED), (8999, LinkStatus.PART_REFUNDED)]
)
def test_a_refund_is_whole_by_what_was_accepted(minor: int, status: LinkStatus) -> None:
    less = fact(FactStatus.APPROVED, "less", Money(9000, "GTQ"), is_accepted=True)
    facts = [less, fact(FactStatus.REFUNDED, "r", Money(minor, "GTQ"))]
    assert fold_link(ASKED, facts).status is status


@pytest.mark.parametrize(
    ("money", "is_odd"),
    [
        (None, False),
        (ASKED, False),
        (Money(1, "GTQ"), False),
        (Money(15001, "GTQ"), True),
        (Money(1, "USD"), True),
    ],
)
def test_more_than_was_paid_does_not_go_back(money: Money | None, is_odd: bool) -> None:
    fold = fold_link(ASKED, [FACTS["approved"], fact(FactStatus.REFUNDED, "r", money)])
    assert (Alert.ODD_REFUND in fold.alerts) is is_odd


@pytest.mark.parametrize("current", PaymentStatus)
def test_what_links_make_of_a_payment_is_always_a_legal_move(current: PaymentStatus) -> None:
    for size in range(4):
        for links in combinations_with_replacement(LinkStatus, size):
            target, _ = payment_status_of(current, links)
            assert target is current or may_move(current, target)
            assert target not in UNPAID or LinkStatus.PAID not in links


PAYMENT_ROWS: list[tuple[str, str, str, set[Alert]]] = [
    ("linked", "open", "linked", set()),
    ("linked", "denied", "denied", set()),
    ("linked", "paid", "paid", set()),
    ("denied", "paid", "paid", set()),
    ("requested", "paid", "paid", set()),
    ("linked", "held", "held", set()),
    ("held", "paid", "paid", set()),
    ("cancelled", "paid", "paid", {Alert.PAID_AFTER_STOP}),
    ("expired", "paid", "paid", {Alert.PAID_AFTER_STOP}),
    ("cancelled", "denied", "cancelled", set()),
    ("expired", "held", "held", set()),
    ("paid", "denied", "paid", set()),
    ("paid", "held", "paid", set()),
    ("paid", "paid held", "paid", set()),
    ("paid", "paid paid", "paid", {Alert.OVERPAID}),
    ("cancelled", "paid paid", "paid", {Alert.OVERPAID, Alert.PAID_AFTER_STOP}),
    ("paid", "refunded", "refunded", set()),
    ("paid", "part_refunded", "refunded", set()),
    ("linked", "reversed", "reversed", set()),
    ("paid", "returned_twice", "reversed", set()),
    ("paid", "refunded paid", "paid", set()),
    ("refunded", "refunded paid", "refunded", {Alert.OVERPAID}),
    ("refunded", "reversed", "reversed", set()),
]


@pytest.mark.parametrize(("current", "links", "expected", "alerts"), PAYMENT_ROWS)
def test_what_links_make_of_a_payment(
    current: str, links: str, expected: str, alerts: set[Alert]
) -> None:
    statuses = [LinkStatus(name) for name in links.split()]
    assert payment_status_of(PaymentStatus(current), statuses) == (
        PaymentStatus(expected),
        frozenset(alerts),
    )


@pytest.mark.parametrize("size", range(4))
def test_the_order_of_links_decides_only_between_ways_of_giving_back(size: int) -> None:
    returns = {PaymentStatus.REFUNDED, PaymentStatus.REVERSED}
    for current, links in product(PaymentStatus, combinations_with_replacement(LinkStatus, size)):
        results = {payment_status_of(current, order) for order in set(permutations(links))}
        assert len(results) == 1 or {status for status, _ in results} <= returns
