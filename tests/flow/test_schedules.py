"""Schedules over `/v1`: asked for, fired when their time comes, looked at, ended."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from bot.app import utc_now
from tests.flow.dialog import new_person
from tests.flow.service import Service
from tests.services import eventually

Json = dict[str, Any]
ZONE = "America/Guatemala"
A_MONDAY = datetime(2026, 2, 2, 16, tzinfo=UTC)
"""Two weeks without a holiday follow, whatever the day on which this is run."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Ahead:
    """The present, and as many days ahead as a test says."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.by


CLOCK = Ahead()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("schedules")
    CLOCK.by = A_MONDAY - utc_now()
    async with Service(folder, None, CLOCK, TELEGRAM_BOT_TOKEN="") as running:
        yield running


def body_for(phone: str, **fields: object) -> Json:
    return {
        "customer": {"phone": phone, "name": "Ana", "locale": "es"},
        "amount_minor": 15000,
        "currency": "GTQ",
        "route": ["sms"],
        "concept": "Mensualidad",
        "rule": "daily 09:00",
        "time_zone": ZONE,
        **fields,
    }


async def added(service: Service, **fields: object) -> Json:
    answer = await service.http.post(
        "/v1/schedules", json=body_for(new_person(service).phone, **fields)
    )
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["location"] == f"/v1/schedules/{made['id']}"
    return made


async def read(service: Service, made: Json) -> Json:
    found: Json = (await service.http.get(f"/v1/schedules/{made['id']}")).json()
    return found


async def act(service: Service, made: Json, verb: str, **body: object) -> Json:
    answer = await service.http.post(f"/v1/schedules/{made['id']}/{verb}", json=body or None)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_schedule_makes_its_payment_when_its_time_comes(service: Service) -> None:
    made = await added(service, due_after_days=3)
    assert (made["status"], made["runs"], made["rule_text"]) == ("active", [], "daily 09:00")
    assert made["next_on"] == made["next_dates"][0]
    assert len(made["next_dates"]) == 5
    CLOCK.by = datetime.fromisoformat(made["next_at"]) - datetime.now(UTC) + timedelta(seconds=1)
    seen: Json = {}

    async def has_run() -> bool:
        nonlocal seen
        seen = await read(service, made)
        return bool(seen["runs"] and seen["runs"][0]["payment_id"])

    await eventually(has_run, 20)
    [run] = seen["runs"]
    assert (run["on"], run["state"]) == (made["next_on"], "made")
    assert seen["next_on"] > made["next_on"]
    payment = (await service.http.get(f"/v1/payments/{run['payment_id']}")).json()
    assert payment["created_by"] == f"schedule:{made['id']}"
    assert payment["due_at"] is not None
    await service.until_message(payment, "link", "delivered")
    [text] = service.sandbox.twilio.handsets.received_by(payment["customer"]["phone"])
    assert "150.00" in text.body
    CLOCK.by += timedelta(hours=1)
    again = await read(service, made)
    assert len(again["runs"]) == 1


async def test_it_is_paused_resumed_skipped_and_ended(service: Service) -> None:
    made = await added(service, rule="monthly 31 09:00")
    assert (await act(service, made, "pause"))["status"] == "paused"
    assert (await read(service, made))["next_dates"] == []
    assert (await act(service, made, "resume", by="ana"))["next_dates"] == made["next_dates"]
    skipped = await act(service, made, "skip")
    assert skipped["next_dates"][:4] == made["next_dates"][1:]
    later = await act(service, made, "skip", on=made["next_dates"][2])
    assert [run["state"] for run in later["runs"]] == ["skipped", "skipped"]
    answer = await service.http.delete(f"/v1/schedules/{made['id']}?by=ana")
    assert (answer.status_code, answer.json()["status"]) == (200, "ended")
    refused = await service.http.post(f"/v1/schedules/{made['id']}/resume")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_possible")
    wrong = await service.http.post(f"/v1/schedules/{made['id']}/skip", json={"on": "soon"})
    assert wrong.json()["error"]["fields"][0]["field"] == "on"


async def test_the_same_key_gives_the_same_schedule(service: Service) -> None:
    body, headers = body_for(new_person(service).phone), {"idempotency-key": "sch-1"}
    first = await service.http.post("/v1/schedules", json=body, headers=headers)
    again = await service.http.post("/v1/schedules", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    same = {**body, "rule": {"kind": "weeks", "weekdays": _EVERY_DAY, "at": "09:00"}}
    assert (await service.http.post("/v1/schedules", json=same, headers=headers)).status_code == 200
    other = await service.http.post(
        "/v1/schedules", json={**body, "amount_minor": 1}, headers=headers
    )
    assert other.status_code == 409


_EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rule": "sometimes"}, "rule"),
        ({"rule": None}, "rule"),
        ({"rule": 7}, "rule"),
        ({"rule": {"kind": "months", "day": 40}}, "rule"),
        ({"rule": "cron 0 9 30 2 *"}, "rule"),
        ({"rule": "cron * * * * *"}, "rule"),
        ({"rule": "yearly", "x": 1}, "x"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"starts_on": "2020-01-01"}, "starts_on"),
        ({"starts_on": "2999-01-01"}, "starts_on"),
        ({"starts_on": 5}, "starts_on"),
        ({"starts_on": "2027-02-01", "ends_on": "2027-01-01"}, "ends_on"),
        ({"due_after_days": 91}, "due_after_days"),
        ({"due_after_days": True}, "due_after_days"),
        ({"currency": "JPY"}, "currency"),
        ({"route": ["telegram"]}, "route"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"external_id": "x"}, "external_id"),
        ({"send_at": "2027-01-01T00:00:00Z"}, "send_at"),
    ],
)
async def test_what_cannot_be_taken_is_told_by_its_field(
    service: Service, fields: Json, field: str
) -> None:
    answer = await service.http.post(
        "/v1/schedules", json=body_for(new_person(service).phone, **fields)
    )
    assert answer.status_code == 422, answer.text
    assert field in [each["field"] for each in answer.json()["error"]["fields"]]


async def test_schedules_are_listed_page_by_page(service: Service) -> None:
    made = [await added(service) for _ in range(3)]
    await act(service, made[0], "pause")
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = (await service.http.get(f"/v1/schedules?{query}")).json()
        seen += [each["id"] for each in page["schedules"]]
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen[:3] == [each["id"] for each in reversed(made)]
    paused = (await service.http.get("/v1/schedules?status=paused,ended")).json()["schedules"]
    assert made[0]["id"] in [each["id"] for each in paused]
    assert "active" not in [each["status"] for each in paused]
    assert (await service.http.get("/v1/schedules?status=lost")).status_code == 422


@pytest.mark.parametrize("wrong", ["sch_nobody", "%00", "x" * 100])
async def test_what_is_not_there_is_not_found(service: Service, wrong: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/skip")):
        answer = await service.http.request(method, f"/v1/schedules/{wrong}{path}")
        assert answer.status_code == 404, answer.text


async def test_the_preview_tells_what_will_be_made(service: Service) -> None:
    made = await added(service, rule="weekly mon,thu 10:00", concept="Clase")
    answer = await service.http.get("/v1/preview?days=14")
    rows = [each for each in answer.json()["planned"] if each["schedule_id"] == made["id"]]
    assert [each["what"] for each in rows if each["what"] != "reminder"] == ["payment"] * 4
    assert rows[0]["at"] == made["next_at"]
    assert (rows[0]["rule"], rows[0]["channel"]) == ("weekly mon,thu 10:00", "sms")
    assert (await service.http.get("/v1/preview?days=0")).status_code == 422
    await act(service, made, "pause")
    after = (await service.http.get("/v1/preview")).json()["planned"]
    assert made["id"] not in [each["schedule_id"] for each in after]


async def test_the_description_names_every_route_and_body(service: Service) -> None:
    found = (await service.http.get("/v1/openapi.json")).json()
    paths = {path for path in found["paths"] if path.startswith("/schedules")}
    one = "/schedules/{schedule_id}"
    assert paths == {"/schedules", one, f"{one}/pause", f"{one}/resume", f"{one}/skip"}
    assert {"ScheduleBody", "SkipBody"} <= found["components"]["schemas"].keys()
    assert "/preview" in found["paths"]


async def test_the_preview_tells_of_reminders_too(service: Service) -> None:
    payment = await service.create("sms", customer={"phone": new_person(service).phone})
    await service.until_message(payment, "link", "delivered", "read")
    planned = (await service.http.get("/v1/preview?days=14")).json()["planned"]
    rows = [each for each in planned if each["payment_id"] == payment["id"]]
    assert rows
    assert {(each["what"], each["schedule_id"]) for each in rows} == {("reminder", None)}
    assert [each["at"] for each in planned] == sorted(each["at"] for each in planned)
