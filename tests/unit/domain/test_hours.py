"""Hours are read as they are typed, or the setting says how to write them."""

from datetime import time

import pytest

from bot.domain.hours import Hours, hours_of


def test_days_and_times_are_read() -> None:
    assert hours_of("mon-sat 09:00-18:00; sun 10:00-12:00") == (
        Hours(frozenset(range(6)), time(9), time(18)),
        Hours(frozenset({6}), time(10), time(12)),
    )


@pytest.mark.parametrize(
    ("text", "weekdays", "opens", "closes"),
    [
        ("MON 9:00-18:30", {0}, time(9), time(18, 30)),
        ("mon, wed,fri-sun 09:00 - 18:00;", {0, 2, 4, 5, 6}, time(9), time(18)),
        ("sat-mon 09:00-18:00", {5, 6, 0}, time(9), time(18)),
        ("mon-sun 00:00-24:00", set(range(7)), time.min, time.max),
    ],
)
def test_days_may_be_listed_and_go_round(
    text: str, weekdays: set[int], opens: time, closes: time
) -> None:
    assert hours_of(text) == (Hours(frozenset(weekdays), opens, closes),)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "one day at least"),
        (" ; ", "one day at least"),
        ("mon", "from-to"),
        ("09:00-18:00", "from-to"),
        ("mon 9-18", "from-to"),
        ("monday 09:00-18:00", "mon tue wed"),
        ("mon- 09:00-18:00", "mon tue wed"),
        ("mon,, 09:00-18:00", "mon tue wed"),
        ("lun-vie 09:00-18:00", "mon tue wed"),
        ("mon 24:01-25:00", "00:00 to 24:00"),
        ("mon 09:60-10:00", "00:00 to 24:00"),
        ("mon 18:00-09:00", "the later time second"),
        ("mon 09:00-09:00", "the later time second"),
        ("mon 24:00-24:00", "the later time second"),
    ],
)
def test_anything_else_is_told_how_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        hours_of(text)
    assert "mon-sat 09:00-18:00" in str(caught.value)
