"""When a provider is left alone, and when it is called again."""

from datetime import UTC, datetime, timedelta

from bot.domain.breaker import FAILURES_TO_OPEN, Breaker, Change

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.note_failure(NOW)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_says_so_once() -> None:
    breaker = Breaker()
    changes = [breaker.note_failure(NOW) for _ in range(FAILURES_TO_OPEN + 5)]
    assert changes.count(Change.OPENED) == 1
    assert changes[FAILURES_TO_OPEN - 1] is Change.OPENED
    assert breaker.allowed(64, under_way=0, now=NOW) == 0


def test_one_that_gets_through_begins_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.note_failure(NOW)
    breaker.note_through()
    breaker.note_failure(NOW)
    assert breaker.allowed(64, under_way=9, now=NOW) == 64


def test_one_at_a_time_tries_it() -> None:
    breaker = opened()
    assert breaker.allowed(64, under_way=3, now=LATER) == 0
    assert breaker.allowed(64, under_way=0, now=LATER) == 1
    assert breaker.note_through() is Change.CLOSED
    assert breaker.allowed(64, under_way=0, now=LATER) == 64


def test_the_waits_grow_up_to_five_minutes() -> None:
    breaker, waits, now = opened(), [], NOW
    for _ in range(9):
        assert breaker.retry_at is not None
        waits.append((breaker.retry_at - now).total_seconds())
        now = breaker.retry_at
        breaker.note_failure(now)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_wait() -> None:
    breaker = opened()
    for _ in range(100):
        breaker.note_failure(NOW)
    assert breaker.retry_at == LATER


def test_the_first_that_gets_through_is_news() -> None:
    """A process that died may have told of an outage."""
    breaker = Breaker()
    assert [breaker.note_through(), breaker.note_through()] == [Change.CLOSED, Change.NOTHING]


def test_a_key_that_is_not_accepted_opens_it_at_once() -> None:
    assert Breaker().note_failure(NOW, is_last=True) is Change.OPENED
