"""A file of payments over `/v1/bulk`: checked, confirmed, sent at the allowed pace, read back."""

import asyncio
import csv
import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.flow.service import TOKEN, Service
from tests.services import eventually

Json = dict[str, Any]
CSV = {"content-type": "text/csv"}
RATE = 10
ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder: Path = tmp_path_factory.mktemp("bulk")
    rates = f"whatsapp=1000,sms={RATE},email=1000,telegram=1000"
    async with Service(folder, SEND_RATES=rates, MIGO_CURRENCIES="GTQ,USD") as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


def phones(first: int, number: int) -> list[str]:
    return [f"+502{first + each}" for each in range(number)]


def file(numbers: Sequence[str], *, prefix: str, channel: str = "whatsapp") -> bytes:
    lines = ["telefono;monto;moneda;concepto;referencia;nombre;canal"]
    lines += [
        f"{phone};15.00;GTQ;Mensualidad;{prefix}-{number};Cliente {number};{channel}"
        for number, phone in enumerate(numbers)
    ]
    return "\r\n".join(lines).encode()


async def upload(service: Service, content: bytes, **query: str) -> Json:
    answer = await service.http.post("/v1/bulk", content=content, headers=CSV, params=query)
    assert answer.status_code in (200, 201), answer.text
    found: Json = answer.json()
    return found


async def ask(service: Service, batch: Json, verb: str) -> httpx.Response:
    return await service.http.post(f"/v1/bulk/{batch['id']}/{verb}")


async def read(service: Service, batch: Json) -> Json:
    answer = await service.http.get(f"/v1/bulk/{batch['id']}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def until(
    service: Service, batch: Json, holds: Callable[[Json], bool], within_s: float = 30
) -> Json:
    seen: Json = {}

    async def is_so() -> bool:
        nonlocal seen
        seen = await read(service, batch)
        return holds(seen)

    await eventually(is_so, within_s)
    return seen


async def result(service: Service, batch: Json) -> list[dict[str, str]]:
    answer = await service.http.get(f"/v1/bulk/{batch['id']}/result.csv")
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return read_csv(answer.content)


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def is_sent(seen: Json) -> bool:
    return bool(seen["status"] == "done" and not seen["progress"]["waiting"])


async def test_a_file_is_checked_confirmed_and_reaches_everybody_once(service: Service) -> None:
    numbers = phones(30001000, 12)
    batch = await upload(service, file(numbers, prefix="once"), filename="marzo.csv", by="ana")
    assert batch["status"] == "checked"
    assert batch["rows"] == {"total": 12, "right": 12, "wrong": 0}
    assert batch["sums"] == [{"amount_minor": 18000, "currency": "GTQ"}]
    assert batch["countries"] == {"GT": 12}
    received = service.sandbox.twilio.handsets.received_by
    assert not any(received(f"whatsapp:{phone}") for phone in numbers)
    assert (await ask(service, batch, "confirm")).status_code == 200
    assert (await ask(service, batch, "confirm")).status_code == 200
    seen = await until(service, batch, is_sent)
    assert seen["progress"]["sent"] == 12
    assert [len(received(f"whatsapp:{phone}")) for phone in numbers] == [1] * 12
    lines = await result(service, batch)
    assert {line["estado"] for line in lines} <= {"enviado", "entregado", "leído"}
    assert all(line["enlace"].startswith(service.sandbox.base_url) for line in lines)
    assert [line["telefono"] for line in lines] == [f"'{phone}" for phone in numbers]
    made = await service.http.get(f"/v1/payments/{lines[0]['pago']}")
    assert made.json()["created_by"] == "ana"


async def test_wrong_rows_are_told_and_the_right_ones_go(service: Service) -> None:
    content = (
        "Teléfono,Monto,Moneda,Referencia\r\n"
        "+50230002001,10.00,GTQ,mix-1\r\n"
        "123,10.00,GTQ,mix-2\r\n"
        "+50230002002,=1+1,GTQ,mix-3\r\n"
        "+50230002003,5.00,EUR,mix-4\r\n"
        "+50230002004,5.00,USD,mix-1\r\n"
    ).encode()
    batch = await upload(service, content)
    assert batch["rows"] == {"total": 5, "right": 1, "wrong": 4}
    assert batch["errors"]["columns"][:2] == ["fila", "motivo"]
    assert [row[0] for row in batch["errors"]["rows"]] == ["3", "4", "5", "6"]
    assert "dígitos" in batch["errors"]["rows"][0][1]
    assert "fila 2" in batch["errors"]["rows"][3][1]
    await ask(service, batch, "confirm")
    await until(service, batch, is_sent)
    lines = await result(service, batch)
    assert [line["estado"] for line in lines[1:]] == ["con error"] * 4
    assert lines[2]["Monto"] == "'=1+1"
    again = await upload(service, content)
    assert again["rows"]["right"] == 0
    assert "ya hay un cobro" in again["errors"]["rows"][0][1]
    refused = await ask(service, again, "confirm")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == "this batch has no row left to send"


async def test_a_row_with_a_card_number_is_wrong_and_the_number_is_not_kept(
    service: Service,
) -> None:
    number = "4111 1111 1111 1111"
    content = file(phones(51118000, 2), prefix="CARD").replace(b"Cliente 1", number.encode())
    batch = await upload(service, content)
    assert batch["rows"] == {"total": 2, "right": 1, "wrong": 1}
    assert "número de tarjeta" in batch["errors"]["rows"][0][1]
    assert "•••• •••• •••• 1111" in batch["errors"]["rows"][0]
    kept = await service.select("select 1 from batch_row where request like '%4111 1111%'")
    assert kept == []
    named = await service.http.post(
        "/v1/bulk", content=content, headers=CSV, params={"filename": number}
    )
    assert named.status_code == 422


async def test_a_dry_run_keeps_nothing(service: Service) -> None:
    before = await service.select("select count(*) from batch")
    found = await upload(service, file(phones(30003000, 3), prefix="dry"), dry_run="true")
    assert found["rows"]["right"] == 3
    assert "id" not in found
    assert await service.select("select count(*) from batch") == before


async def test_the_pace_of_a_channel_is_held(service: Service) -> None:
    numbers = phones(30004000, 35)
    batch = await upload(service, file(numbers, prefix="pace", channel="sms"))
    await ask(service, batch, "confirm")
    most_ahead = 0

    async def is_done() -> bool:
        nonlocal most_ahead
        seen = await read(service, batch)
        most_ahead = max(most_ahead, seen["progress"]["waiting"])
        return is_sent(seen)

    await eventually(is_done, 30)
    assert most_ahead <= 3 * RATE + 1
    received = service.sandbox.twilio.handsets.received_by
    times = sorted(message.created_at for phone in numbers for message in received(phone))
    assert len(times) == 35
    # Windows are aligned, so that two of them may meet: no second holds more than two windows,
    # and the whole takes at least as long as its full windows.
    assert (times[-1] - times[0]).total_seconds() >= (35 - 2 * RATE) / RATE
    within = [
        sum(start <= at and (at - start).total_seconds() < 1 for at in times) for start in times
    ]
    assert max(within) <= 2 * RATE


async def test_a_pause_stops_what_has_not_begun_and_a_cancel_ends_it(service: Service) -> None:
    numbers = phones(30005000, 200)
    batch = await upload(service, file(numbers, prefix="pause", channel="sms"))
    assert (await ask(service, batch, "pause")).status_code == 409
    await ask(service, batch, "confirm")
    await until(service, batch, lambda seen: bool(seen["progress"]["created"]))
    paused = (await ask(service, batch, "pause")).json()
    assert paused["status"] == "paused"
    made = paused["progress"]["created"]
    assert 0 < made < 200
    settled = await until(service, batch, lambda seen: not seen["progress"]["waiting"])
    assert settled["progress"]["created"] == made
    assert (await ask(service, batch, "resume")).json()["status"] == "sending"
    await until(service, batch, lambda seen: seen["progress"]["created"] > made)
    assert (await ask(service, batch, "cancel")).json()["status"] == "cancelled"
    assert (await ask(service, batch, "resume")).status_code == 409
    lines = await result(service, batch)
    assert len(lines) == 200
    assert lines[-1]["estado"] == "pendiente"


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", CSV, 422, "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", CSV, 422, "not_a_table"),
        (b"hola\n", CSV, 422, "empty"),
        (b"hola;mundo\n1;2\n", CSV, 422, "missing_columns"),
        (b"x" * (5 * 1024 * 1024 + 1), CSV, 413, "too_large"),
        (b"a;b\n1;2\n", {"content-type": "application/json"}, 415, "not_a_file"),
    ],
)
async def test_what_is_no_file_is_refused_in_words(
    service: Service, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await service.http.post("/v1/bulk", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_strangers_and_wrong_ids_get_nothing(service: Service) -> None:
    assert (await service.http.get("/v1/bulk/bulk_0")).status_code == 404
    assert (await service.http.post("/v1/bulk/bulk_0/confirm")).status_code == 404
    assert (await service.http.get("/v1/bulk/pay_0/result.csv")).status_code == 404
    wrong = await service.http.post("/v1/bulk?route=paloma&x=1", content=b"a", headers=CSV)
    assert {each["field"] for each in wrong.json()["error"]["fields"]} == {"route", "x"}
    stranger = {"authorization": "Bearer wrong"}
    assert (await service.http.post("/v1/bulk", headers=stranger)).status_code == 401


async def run(service: Service, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the `paybot` command as a process of its own."""
    environment = os.environ | {"PAYBOT_URL": service.base_url, "PAYBOT_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "bulk", *arguments),
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_checks_sends_and_leaves_a_result_beside_the_file(
    service: Service, tmp_path: Path
) -> None:
    numbers = phones(30006000, 4)
    path = tmp_path / "marzo.csv"
    path.write_bytes(file(numbers, prefix="cli") + b"\r\n12;1;GTQ;;cli-x;;sms")
    code, out, err = await run(service, tmp_path, "marzo.csv", "--dry-run")
    assert code == 1, err
    assert "4 of 5 rows are right: GTQ 60.00" in out
    errors = list(csv.reader(io.StringIO((tmp_path / "marzo.errors.csv").read_text("utf-8-sig"))))
    assert errors[0][:3] == ["fila", "motivo", "telefono"]
    assert errors[1][0] == "6"
    code, _, err = await run(service, tmp_path, "marzo.csv")
    assert (code, "--yes" in err) == (2, True)
    code, out, err = await run(service, tmp_path, "marzo.csv", "--yes")
    assert code == 0, err
    assert "4 links sent, 0 not" in out
    lines = read_csv((tmp_path / "marzo.result.csv").read_bytes())
    assert [line["estado"] for line in lines].count("con error") == 1
    received = service.sandbox.twilio.handsets.received_by
    assert [len(received(f"whatsapp:{phone}")) for phone in numbers] == [1] * 4


async def test_the_command_says_what_is_wrong_with_a_file(service: Service, tmp_path: Path) -> None:
    (tmp_path / "foto.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    code, out, err = await run(service, tmp_path, "foto.png", "--yes")
    assert (code, out) == (2, "")
    assert "foto.png: no es un archivo CSV ni XLSX" in err
