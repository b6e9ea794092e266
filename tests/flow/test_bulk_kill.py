"""`paybot serve` is killed in mid-batch, again and again: everybody gets one link."""

import random
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.crash.cuts import Cut
from tests.crash.killed import Killed
from tests.services import eventually

SEED = 20261123
ROWS = 60
KILLS = 5
WITHIN_S = 60.0


def _phone(number: int) -> str:
    return f"+502555{number:05d}"


def _file() -> bytes:
    rows = (f"{_phone(number)};15.00;GTQ;sms" for number in range(ROWS))
    return "\n".join(["telefono;monto;moneda;canal", *rows]).encode()


def _has_received(service: Killed, messages: int) -> bool:
    handsets = service.sandbox.twilio.handsets
    return sum(len(handsets.received_by(_phone(n))) for n in range(ROWS)) >= messages


async def _confirmed(service: Killed) -> str:
    headers = {"content-type": "text/csv"}
    checked = await service.http.post("/v1/bulk", content=_file(), headers=headers)
    assert checked.json()["rows"]["right"] == ROWS, checked.text
    batch_id: str = checked.json()["id"]
    assert (await service.http.post(f"/v1/bulk/{batch_id}/confirm")).is_success
    return batch_id


async def _killed_on_the_way(service: Killed, chance: random.Random) -> None:
    """Kill at moments counted by what customers have received, so that links are on their way."""
    for moment in sorted(chance.sample(range(1, ROWS - 10), KILLS)):
        await eventually(partial(_has_received, service, moment), WITHIN_S)
        service.kill()
        await service.start()


async def _is_made(service: Killed, batch_id: str) -> bool:
    try:
        seen = (await service.http.get(f"/v1/bulk/{batch_id}")).json()
    except httpx.TransportError:
        return False
    return bool(seen["status"] == "done")


async def test_kills_in_mid_batch_send_nobody_a_second_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Cut("").arm(monkeypatch)
    async with Killed(tmp_path, f"sqlite:///{tmp_path}/paybot.db", Cut("")) as service:
        batch_id = await _confirmed(service)
        await _killed_on_the_way(service, random.Random(SEED))
        await eventually(lambda: _is_made(service, batch_id), WITHIN_S)
        service.kill()
        await service.revive()
        await service.rest()
        handsets = service.sandbox.twilio.handsets
        counts = {_phone(n): len(handsets.received_by(_phone(n))) for n in range(ROWS)}
        assert Counter(counts.values()) == {1: ROWS}, counts
        made = await service.select("select count(*), count(distinct customer_id) from payment")
        assert made == [(ROWS, ROWS)]
        states = await service.select("select distinct state from batch_row")
        assert states == [("created",)]
