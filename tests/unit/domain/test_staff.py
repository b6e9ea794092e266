"""Who may do what, and for how much: every cell of the table, and every edge of a limit."""

import pytest

from bot.domain.commands import NEEDS, Command
from bot.domain.money import Money
from bot.domain.staff import ALLOWED, MONEY_ACTIONS, Action, Cap, CapProblem, Caps, Role, may

TABLE = """
           viewer agent manager admin
help       yes    yes   yes     yes
list       yes    yes   yes     yes
see        yes    yes   yes     yes
see_all    yes    no    yes     yes
charge     no     yes   yes     yes
resend     no     yes   yes     yes
cancel     no     yes   yes     yes
qr         no     yes   yes     yes
receipt    no     yes   yes     yes
settle     no     no    yes     yes
replace    no     no    yes     yes
accept     no     no    yes     yes
approve    no     no    yes     yes
talk       no     yes   yes     yes
bulk       no     no    yes     yes
close_alerts no   no    yes     yes
schedule   no     yes   yes     yes
manage_schedules no no  yes     yes
"""
_HEAD, *_ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [
    (Role(role), Action(row[0]), word == "yes")
    for row in _ROWS
    for role, word in zip(_HEAD, row[1:], strict=True)
]
CAPS = Caps({(Role.AGENT, "GTQ"): Cap(per_payment=500, per_day=900, alone=300)})


def gtq(minor: int) -> Money:
    return Money(minor, "GTQ")


@pytest.mark.parametrize(("role", "action", "is_allowed"), CELLS)
def test_the_table_is_as_written_here(role: Role, action: Action, is_allowed: bool) -> None:
    assert may(role, action) is is_allowed


def test_no_cell_is_missing() -> None:
    assert {(role, action) for role, action, _ in CELLS} == {
        (role, action) for role in Role for action in Action
    }
    assert set(ALLOWED) == set(Role)
    assert set(NEEDS) == set(Command)
    assert {Action.CHARGE, Action.REPLACE, Action.ACCEPT} <= MONEY_ACTIONS


@pytest.mark.parametrize(
    ("minor", "today", "problem"),
    [
        (500, 0, None),
        (501, 0, CapProblem.PER_PAYMENT),
        (500, 400, None),
        (500, 401, CapProblem.PER_DAY),
        (1, 900, CapProblem.PER_DAY),
    ],
)
def test_limits_hold_to_the_last_cent(minor: int, today: int, problem: CapProblem | None) -> None:
    assert CAPS.check(Role.AGENT, gtq(minor), today_minor=today) is problem


def test_above_what_goes_alone_a_second_person_is_needed() -> None:
    assert not CAPS.needs_second(Role.AGENT, gtq(300))
    assert CAPS.needs_second(Role.AGENT, gtq(301))


def test_without_a_limit_nothing_goes() -> None:
    for role in Role:
        assert CAPS.check(role, Money(1, "JPY"), today_minor=0) is CapProblem.NO_LIMIT
        assert CAPS.needs_second(role, Money(1, "JPY"))
    assert CAPS.check(Role.VIEWER, gtq(1), today_minor=0) is CapProblem.NO_LIMIT


def test_our_own_limits_grow_with_the_role_and_fit_the_currency() -> None:
    ours = Caps()
    for currency in ("GTQ", "USD", "CLP", "COP"):
        agent, manager = ours.of(Role.AGENT, currency), ours.of(Role.MANAGER, currency)
        assert agent is not None
        assert manager is not None
        assert agent.alone <= agent.per_payment <= agent.per_day < manager.per_day
    quetzales, pesos = ours.of(Role.AGENT, "GTQ"), ours.of(Role.AGENT, "CLP")
    assert quetzales == Cap(500_000, 2_500_000, 300_000)
    assert pesos == Cap(600_000, 3_000_000, 360_000)
