"""What a route means to an installation, and where news for staff may go."""

import dataclasses
from datetime import timedelta

import pytest

from bot.handlers.planning import parse_target
from channels.base import Address, ChannelName
from tests.contract.world import rules_of

RULES = dataclasses.replace(
    rules_of(),
    couriers=frozenset({ChannelName.SMS, ChannelName.EMAIL}),
    fallback_after={ChannelName.SMS: timedelta(minutes=3)},
)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ((), None),
        (("web", "app"), None),
        (("whatsapp",), None),
        (("sms",), (ChannelName.SMS, ())),
        (("whatsapp", "sms", "email"), (ChannelName.SMS, ("email",))),
        (("web", "email", "whatsapp"), (ChannelName.EMAIL, ("whatsapp",))),
    ],
)
def test_the_next_courier_is_the_first_that_is_on(
    route: tuple[str, ...], expected: tuple[ChannelName, tuple[str, ...]] | None
) -> None:
    assert RULES.next_courier(route) == expected


def test_how_long_a_channel_may_stay_silent() -> None:
    assert RULES.fallback_of(ChannelName.SMS) == timedelta(minutes=3)
    assert RULES.fallback_of(ChannelName.WHATSAPP) == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("telegram:-100500", Address(ChannelName.TELEGRAM, "-100500")),
        ("email:a:b@example.com", Address(ChannelName.EMAIL, "a:b@example.com")),
        ("whatsapp:+50255551234", Address(ChannelName.WHATSAPP, "+50255551234")),
        ("telegram:", None),
        ("telegram", None),
        ("pigeon:1", None),
        ("", None),
    ],
)
def test_where_news_for_staff_goes(text: str, expected: Address | None) -> None:
    assert parse_target(text) == expected
