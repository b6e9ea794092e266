"""What settings become for the rooms that are told of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from bot import wiring
from bot.domain.delivery import Purpose
from bot.domain.hours import hours_of
from bot.domain.reminders import PlanError
from bot.handlers.facts import Report
from bot.settings import Settings
from bot.store.inbox import InboxItem, Source
from channels.base import Address, ChannelName
from channels.errors import MalformedError
from channels.sms import Sms
from tests.unit.dispatcher.items import message_item

NEEDED = {
    "MIGO_CLIENT": "acme",
    "MIGO_AMOUNT_UNIT": "minor",
    "MIGO_TOKEN": "migo-token-value",
    "MIGO_CALLBACK_SECRET": "callback-secret-1",
}


def settings(**more: str) -> Settings:
    return Settings.load({**NEEDED, **more})


def test_ids_are_in_the_order_of_time_and_not_to_be_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new_id, ids = wiring.rules(settings(), {}).new_id, []
    for now_s in (1_900_000_000.9, 1_900_000_001.0, 4_000_000_000.0):
        monkeypatch.setattr("time.time", lambda now_s=now_s: now_s)
        ids.append([new_id() for _ in range(100)])
    assert all(len(each) == 20 for made in ids for each in made)
    assert all(len(set(made)) == 100 for made in ids)
    assert max(ids[0]) < min(ids[1])
    assert max(ids[1]) < min(ids[2])


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


def test_decisions_know_the_merchants_own_plans(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text('[gentle]\ndue = ["due-1"]\n')
    assert set(wiring.rules(settings(REMINDERS_FILE=str(path)), {}).plans) == {"gentle"}
    assert wiring.rules(settings(), {}).plans == {}


@pytest.mark.parametrize("content", [b"[off]\n", b"[x]\ndue = 1\n", b"\xff", b"[x"])
def test_plans_that_cannot_be_read_name_their_setting(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plans.toml"
    path.write_bytes(content)
    with pytest.raises(PlanError, match="REMINDERS_FILE: "):
        wiring.plans(settings(REMINDERS_FILE=str(path)))


def test_a_plan_may_not_have_more_reminders_than_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text('[gentle]\ndue = ["due-1", "due+0"]\n')
    with pytest.raises(PlanError, match="at most 1"):
        wiring.plans(settings(REMINDERS_FILE=str(path), REMINDER_MAX="1"))


def report_of(**more: str) -> object:
    body = json.dumps({"uid": "u1", "status": "approved", "amount": 1, "currency": "GTQ", **more})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    item = InboxItem(1, Source.MIGO, None, "/", {}, body.encode(), at, 1, "token")
    [report] = wiring.readers(settings(), {})[Source.MIGO](item)
    return report


@pytest.mark.parametrize("more", [{}, {"client": "acme"}, {"client": " Acme"}])
def test_a_callback_that_names_no_other_merchant_is_read(more: dict[str, str]) -> None:
    assert isinstance(report_of(**more), Report)


def test_a_callback_for_another_merchant_is_not() -> None:
    with pytest.raises(MalformedError, match="another merchant"):
        report_of(client="acme-two")


def test_no_answer_by_sms_is_asked_for_where_none_comes() -> None:
    twilio = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "t" * 32,
        "TWILIO_SMS_FROM": "+15550001111",
    }
    reminder = message_item()._replace(purpose=Purpose.REMINDER, payload={"tone": "due"})

    def said(phone: str, **more: str) -> str:
        assert reminder.customer is not None
        item = reminder._replace(customer=replace(reminder.customer, phone=phone))
        to = Address(ChannelName.SMS, phone)
        found = wiring.composer(settings(**twilio, **more)).compose(
            item, to, Sms.limits, is_window_open=True
        )
        assert found is not None
        return found.text

    assert "YA PAGUE" in said("+573001234567")
    assert "YA PAGUE" not in said("+50255551234")
    assert "wa.me" not in said("+50255551234")
    assert "https://wa.me/15550002222" in said("+50255551234", TWILIO_WHATSAPP_FROM="+15550002222")
