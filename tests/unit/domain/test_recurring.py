"""Rules as people type them, and as they are kept."""

from datetime import date, time

import pytest

from bot.domain.recurring import (
    Cron,
    EveryMonths,
    Rule,
    RuleError,
    Weekly,
    anchored,
    document,
    write_rule,
)
from bot.domain.recurring_words import read_rule, take_rule

NINE, TEN = time(9), time(10)
MONDAY, THURSDAY = frozenset({0}), frozenset({3})
EVERY_DAY = frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("monthly 31 09:00", EveryMonths(1, 31)),
        ("every 3 months on 15 at 09:00", EveryMonths(3, 15)),
        ("every month on the 5th at 18:30", EveryMonths(1, 5, time(18, 30))),
        ("weekly mon,thu 10:00", Weekly(MONDAY | THURSDAY, TEN)),
        ("every 2 weeks on monday and thursday", Weekly(MONDAY | THURSDAY, NINE, 2)),
        ("every monday at 10:00", Weekly(MONDAY, TEN)),
        ("daily 10:00", Weekly(EVERY_DAY, TEN)),
        ("cron 0 9 1 * *", Cron("0 9 1 * *")),
        ("cada mes el 31", EveryMonths(1, 31)),
        ("Cada 3 meses el día 15 a las 10:00", EveryMonths(3, 15, TEN)),
        ("todos los meses el último día", EveryMonths(1, 31)),
        ("mensual 15", EveryMonths(1, 15)),
        ("cada día 5", EveryMonths(1, 5)),
        ("cada lunes", Weekly(MONDAY)),
        ("todos los sábados y domingos a las 9:00", Weekly(frozenset({5, 6}))),
        ("cada semana el miércoles", Weekly(frozenset({2}))),
        ("cada 2 semanas el lunes, jueves", Weekly(MONDAY | THURSDAY, NINE, 2)),
        ("cada día", Weekly(EVERY_DAY)),
        ("todo mês dia 31", EveryMonths(1, 31)),
        ("a cada 3 meses no dia 15 às 9h30", EveryMonths(3, 15, time(9, 30))),
        ("todo dia 10", EveryMonths(1, 10)),
        ("todo dia", Weekly(EVERY_DAY)),
        ("toda segunda-feira", Weekly(MONDAY)),
        ("todas as quintas às 10:00", Weekly(THURSDAY, TEN)),
    ],
)
def test_what_people_type(text: str, rule: Rule) -> None:
    assert read_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sometimes",
        "cada mes",
        "monthly 0",
        "monthly 32",
        "every 0 months on 5",
        "every 37 months on 5",
        "monthly 5 25:00",
        "weekly",
        "weekly fooday",
        "every 53 weeks on mon",
        "cron 0 9 1",
        "cada mes el 31 Mensualidad",
        "x" * 5000,
    ],
)
def test_what_is_no_rule_is_told_what_to_write(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        read_rule(text)
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("cada mes el 31 Mensualidad marzo", ("Mensualidad", "marzo")),
        ("cada lunes a las 10:00 Clase de las 11", ("Clase", "de", "las", "11")),
        ("monthly 5", ()),
        ("monthly 5 ¨ gym", ("¨", "gym")),
    ],
)
def test_the_words_behind_a_rule_are_given_as_typed(text: str, rest: tuple[str, ...]) -> None:
    assert take_rule(tuple(text.split()))[1] == rest


RULES: list[Rule] = [
    EveryMonths(1, 31),
    EveryMonths(3, 15, TEN),
    Weekly(MONDAY | THURSDAY, TEN),
    Weekly(MONDAY, NINE, 2),
    Weekly(EVERY_DAY, NINE),
    Weekly(EVERY_DAY, NINE, 2),
    Cron("0 9 * * 1-5"),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_kept_and_written_without_loss(rule: Rule) -> None:
    assert read_rule(write_rule(rule)) == rule
    since = anchored(rule, date(2026, 1, 31))
    assert read_rule(document(since)) == since


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "kind"),
        ({"kind": ["months"]}, "kind"),
        ({"kind": "months"}, "day"),
        ({"kind": "months", "day": True}, "day"),
        ({"kind": "months", "day": 3, "at": "9"}, "at must"),
        ({"kind": "months", "day": 3, "at": "09:00:30"}, "at must"),
        ({"kind": "months", "day": 3, "at": "09:00+01:00"}, "at must"),
        ({"kind": "months", "day": 3, "hour": 9}, "hour"),
        ({"kind": "weeks", "weekdays": []}, "weekdays"),
        ({"kind": "weeks", "weekdays": "mon"}, "weekdays"),
        ({"kind": "weeks", "weekdays": [["mon"]]}, "weekdays"),
        ({"kind": "weeks", "weekdays": ["mon"], "since": "soon"}, "since"),
        ({"kind": "cron", "expression": ""}, "expression"),
    ],
)
def test_a_wrong_document_is_told_by_its_field(given: dict[str, object], what: str) -> None:
    with pytest.raises(RuleError, match=what):
        read_rule(given)
