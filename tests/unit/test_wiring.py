"""What settings become for the rooms that are told of them."""

from datetime import time, timedelta

from bot import wiring
from bot.domain.hours import hours_of
from bot.settings import Settings

NEEDED = {
    "MIGO_CLIENT": "acme",
    "MIGO_AMOUNT_UNIT": "minor",
    "MIGO_TOKEN": "migo-token-value",
    "MIGO_CALLBACK_SECRET": "callback-secret-1",
}


def settings(**more: str) -> Settings:
    return Settings.load({**NEEDED, **more})


def test_decisions_know_when_customers_may_be_reminded() -> None:
    reminding = wiring.rules(
        settings(
            REMINDER_HOURS="mon 08:00-12:00",
            REMINDER_TIME="08:30",
            REMINDER_CAP_DAY="2",
            REMINDER_CAP_WEEK="4",
            REMINDER_GAP_HOURS="12",
            REMINDER_MAX="5",
        ),
        {},
    ).reminding
    assert (reminding.hours, reminding.at) == (hours_of("mon 08:00-12:00"), time(8, 30))
    assert (reminding.cap_day, reminding.cap_week) == (2, 4)
    assert (reminding.gap, reminding.max_steps) == (timedelta(hours=12), 5)
    assert reminding.window("CO").pack.one_channel_a_week


def test_decisions_take_the_merchants_zone_for_a_country() -> None:
    packs = wiring.rules(settings(TIME_ZONES="MX=America/Tijuana"), {}).reminding.packs
    assert (packs["MX"].zone, packs["GT"].zone) == ("America/Tijuana", "America/Guatemala")
