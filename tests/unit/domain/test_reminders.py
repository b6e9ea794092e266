"""Which reminders a payment gets, and on which dates."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.reminders import (
    DEFAULT_PLAN,
    Anchor,
    Plan,
    PlanError,
    Step,
    Times,
    Tone,
    dates_of,
    plan_of,
    read_plans,
    read_step,
)

MONDAY = date(2026, 11, 30)


def days(*numbers: int) -> list[date]:
    return [MONDAY + timedelta(days=number) for number in numbers]


def series(times: Times, plan: Plan = DEFAULT_PLAN) -> list[tuple[date, Tone]]:
    return [(planned.day, planned.tone) for planned in dates_of(plan, times)]


def test_without_a_due_date_it_is_one_three_and_seven_days_later() -> None:
    found = series(Times(MONDAY, None, MONDAY + timedelta(days=60)))
    assert found == list(zip(days(1, 3, 7), [Tone.FRIENDLY, Tone.FRIENDLY, Tone.LAST], strict=True))


def test_around_a_due_date_it_is_three_days_before_the_day_and_two_after() -> None:
    due = MONDAY + timedelta(days=20)
    found = series(Times(MONDAY, due, due + timedelta(days=30)))
    assert found == list(zip(days(17, 20, 22), [Tone.FRIENDLY, Tone.DUE, Tone.LAST], strict=True))


def test_with_an_expiry_of_its_own_the_last_one_is_a_day_before() -> None:
    expires = MONDAY + timedelta(days=30)
    found = series(Times(MONDAY, None, expires, has_own_expiry=True))
    assert [day for day, _ in found] == days(1, 3, 29)
    assert found[-1][1] is Tone.LAST


def test_what_would_come_at_the_end_or_later_comes_once_a_day_before_it() -> None:
    found = series(Times(MONDAY, None, MONDAY + timedelta(days=3)))
    assert found == [(days(1)[0], Tone.FRIENDLY), (days(2)[0], Tone.LAST)]


def test_nothing_comes_on_the_first_day_or_before() -> None:
    assert series(Times(MONDAY, MONDAY, MONDAY + timedelta(days=8)))[0][0] == days(2)[0]
    assert series(Times(MONDAY, None, MONDAY + timedelta(days=1))) == []


@given(
    due=st.none() | st.integers(-5, 40),
    expires=st.none() | st.integers(0, 60),
    own=st.booleans(),
)
def test_a_series_is_in_order_one_a_date_and_over_before_the_expiry(
    due: int | None, expires: int | None, own: bool
) -> None:
    end = None if expires is None else MONDAY + timedelta(days=expires)
    when = None if due is None else MONDAY + timedelta(days=due)
    found = [day for day, _ in series(Times(MONDAY, when, end, has_own_expiry=own))]
    assert found == sorted(set(found))
    assert len(found) <= 3
    assert all(day > MONDAY for day in found)
    assert end is None or all(day < end for day in found)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("created+3", Step(Anchor.CREATED, 3, Tone.FRIENDLY)),
        ("due", Step(Anchor.DUE, 0, Tone.DUE)),
        ("DUE -1", Step(Anchor.DUE, -1, Tone.FRIENDLY)),
        ("due+2", Step(Anchor.DUE, 2, Tone.LAST)),
        ("due + 5 friendly", Step(Anchor.DUE, 5, Tone.FRIENDLY)),
        ("expiry-1", Step(Anchor.EXPIRY, -1, Tone.LAST)),
    ],
)
def test_a_step_is_read_as_people_write_it(text: str, step: Step) -> None:
    assert read_step(text) == step
    assert read_step(str(step)) == step


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("tomorrow", "no reminder step"),
        ("due+1 rude", "no reminder step"),
        ("created", "not after the payment"),
        ("created-1", "not after the payment"),
        ("expiry", "after the payment has expired"),
        ("due+900", "more than a year"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused_with_the_reason(text: str, hint: str) -> None:
    with pytest.raises(PlanError, match=hint):
        read_step(text)


def test_a_merchants_plan_may_leave_a_list_to_the_built_in_one() -> None:
    plans = read_plans('[gentle]\ndue = ["due-1", "due+3 last"]\n', max_steps=3)
    assert plans["gentle"].no_due == DEFAULT_PLAN.no_due
    assert [str(step) for step in plans["gentle"].due] == ["due-1 friendly", "due+3 last"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[gentle]\ndue = ['soon']", "gentle.due: 'soon'"),
        ("[gentle]\ndue = ['due-4','due-3','due-2','due-1']", "4 reminders are too many"),
        ("[gentle]\nno_due = ['due-1']", "no_due counts from a due date"),
        ("[gentle]\nlate = ['due-1']", "late is not known"),
        ("[gentle]\ndue = 'due-1'", "gentle.due is no list"),
        ("[gentle]\ndue = ['due', 'due']", "named twice"),
        ("gentle = 3", "gentle: a plan is a table"),
        ("[off]\n", "off: a plan"),
        ("[", "not TOML"),
    ],
)
def test_a_wrong_plan_is_refused_where_it_is_wrong(text: str, hint: str) -> None:
    with pytest.raises(PlanError, match=hint):
        read_plans(text, max_steps=3)


def test_a_payment_asks_for_a_plan_by_name_by_steps_or_not_at_all() -> None:
    gentle = read_plans('[gentle]\ndue = ["due-1"]\n', max_steps=3)
    assert plan_of("off", {}) is None
    assert plan_of("default", {}) == DEFAULT_PLAN
    assert plan_of("gentle", gentle) == gentle["gentle"]
    own = plan_of(["due-2", "created+4"], {})
    assert own is not None
    assert [str(step) for step in own.no_due] == ["created+4 friendly"]
    with pytest.raises(PlanError, match="known: default, gentle, off"):
        plan_of("rude", gentle)
    with pytest.raises(PlanError, match="list of steps"):
        plan_of({"due": 1}, {})
    with pytest.raises(PlanError, match="6 reminders are too many"):
        plan_of([f"created+{day}" for day in range(1, 7)], {})
