"""How long to wait, how messages behave, and how reports add up."""

from datetime import timedelta
from functools import reduce
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.delivery import (
    MANNERS,
    MessageStatus,
    OnUncertain,
    Purpose,
    backoff_s,
    create_retry_s,
    fold_delivery,
    shown_status,
    unknown_create_s,
)
from channels.base import DeliveryState

CHANCE = st.floats(min_value=0, max_value=1, exclude_max=True)
FAILURES = {DeliveryState.FAILED, DeliveryState.UNDELIVERED}


def test_every_purpose_has_its_manners() -> None:
    assert set(MANNERS) == set(Purpose)


@pytest.mark.parametrize("purpose", Purpose)
def test_what_asks_for_money_respects_a_stop_and_what_tells_of_money_does_not(
    purpose: Purpose,
) -> None:
    manners = MANNERS[purpose]
    assert manners.is_exempt is (not manners.asks_money and purpose is not Purpose.INVITE)
    assert manners.asks_money is (purpose in {Purpose.LINK, Purpose.REMINDER, Purpose.DENIED})


@pytest.mark.parametrize("purpose", Purpose)
def test_what_may_be_lost_and_what_may_be_doubled(purpose: Purpose) -> None:
    is_droppable = purpose in {Purpose.REMINDER, Purpose.DENIED}
    assert (MANNERS[purpose].on_uncertain is OnUncertain.DROP) is is_droppable


@pytest.mark.parametrize("purpose", [Purpose.RECEIPT, Purpose.REFUNDED, Purpose.REVERSED])
def test_news_of_money_is_tried_for_three_days(purpose: Purpose) -> None:
    assert MANNERS[purpose].give_up == timedelta(hours=72)
    assert MANNERS[purpose].follows_route


@given(st.integers(min_value=1, max_value=10**6), CHANCE)
def test_backoff_keeps_its_bounds(attempts: int, chance: float) -> None:
    assert 0.5 <= backoff_s(attempts, lambda: chance) <= min(900.0, 2.0 ** min(attempts, 10))


@given(st.integers(min_value=1, max_value=100), CHANCE)
def test_backoff_never_shrinks_with_the_tries(attempts: int, chance: float) -> None:
    assert backoff_s(attempts, lambda: chance) <= backoff_s(attempts + 1, lambda: chance)


@given(CHANCE)
def test_backoff_is_spread_over_its_whole_range(chance: float) -> None:
    assert backoff_s(20, lambda: chance) == max(0.5, 900.0 * chance)


@given(st.integers(min_value=1, max_value=10**6), CHANCE)
def test_a_create_is_tried_again_about_when_the_table_says(attempts: int, chance: float) -> None:
    base = {1: 1.0, 2: 5.0, 3: 30.0}.get(attempts, 300.0)
    assert 0.75 * base <= create_retry_s(attempts, lambda: chance) <= 1.25 * base


def test_an_unknown_create_is_followed_after_5_then_30_seconds() -> None:
    assert [unknown_create_s(unknowns) for unknowns in (1, 2, 3, 9)] == [5.0, 30.0, 30.0, 30.0]


def fold(states: tuple[DeliveryState, ...]) -> DeliveryState | None:
    start: DeliveryState | None = None
    return reduce(lambda known, news: fold_delivery(known, news), states, start)


@pytest.mark.parametrize("size", range(1, 5))
def test_the_order_of_reports_does_not_matter(size: int) -> None:
    """But for which of two failures came first, which nobody sees."""
    for states in product(DeliveryState, repeat=size):
        ends = {fold(order) for order in permutations(states)}
        assert len(ends) == 1 or ends == FAILURES
        assert len({shown_status(end) for end in ends}) == 1


@pytest.mark.parametrize(("first", "second"), list(product(DeliveryState, DeliveryState)))
def test_a_report_never_takes_back_more(first: DeliveryState, second: DeliveryState) -> None:
    end = fold((first, second))
    assert end in (first, second)
    if DeliveryState.READ in (first, second):
        assert end is DeliveryState.READ
    elif DeliveryState.DELIVERED in (first, second):
        assert end is DeliveryState.DELIVERED
    elif FAILURES & {first, second}:
        assert end in FAILURES


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_is_ranked_and_shown(state: DeliveryState) -> None:
    assert fold_delivery(None, state) is state
    assert fold_delivery(state, state) is state
    assert shown_status(state) in MessageStatus


def test_without_a_report_a_message_is_accepted() -> None:
    assert shown_status(None) is MessageStatus.ACCEPTED
