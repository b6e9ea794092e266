"""Values that must never be logged are sent through everything, and looked for in every line."""

import itertools
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import httpx
import pytest

from bot.handlers import chat, facts, outgoing
from tests.flow.nasty import UNREADABLE
from tests.flow.service import TOKEN, Json, Service
from tests.services import eventually

PHONE = "+50255512345"
NAME = "Zacarina Canaria"
EMAIL = "zacarina.canaria@example.com"
CONCEPT = "Concepto canario"
SAID = "secreto dicho en el chat"
DELIVERED = ("delivered", "read")
START_S = 60.0


class Served(Service):
    """`paybot serve` as a process of its own, which logs into a file."""

    async def start(self, roles: object = None) -> None:
        self._spawn()
        await eventually(self._is_up, START_S)

    def _spawn(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                env={**self.environment(), "PATH": os.environ["PATH"]},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> Path:
        return self._folder / "serve.log"

    async def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return (await self.http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def stop(self) -> None:
        self.process.terminate()
        await eventually(lambda: self.process.poll() is not None, 30)


def _secrets(service: Service, payment: Json) -> Mapping[str, str]:
    """What must not be found, by name, in the plainest form in which it would be."""
    config = service.sandbox.config
    return {
        "phone": PHONE.removeprefix("+502"),
        "name": NAME,
        "e-mail": EMAIL,
        "concept": CONCEPT,
        "what a person wrote": SAID,
        "link": f"orderId={service.uid_of(payment)}",
        "API token": TOKEN,
        "Migo's token": config.migo.token,
        "callback secret": config.migo.callback_secret,
        "Twilio's token": config.twilio.auth_token,
        "Telegram's token": config.telegram.token.partition(":")[2],
    }


async def _go_through_everything(service: Service) -> Json:
    """The loop over several channels, with refusals, lost answers, garbage and trespassers."""
    customer = {"phone": PHONE, "name": NAME, "email": EMAIL}
    fields: Json = {"customer": customer, "concept": CONCEPT}
    faults, handsets = service.sandbox.faults, service.sandbox.twilio.handsets
    chat_id = service.sandbox.people.by_phone(PHONE).telegram_id
    service.sandbox.telegram.start(chat_id)
    service.sandbox.telegram.share_contact(chat_id)
    await handsets.write(f"whatsapp:{PHONE}", SAID)
    faults.order("migo", "create", "refuse", code=2004)
    await service.until_status(await service.create("sms", **fields), "held")
    faults.order("twilio", "create", "refuse", code=63024)
    faults.order("smtp", "rcpt", "refuse")
    payment = await service.create("whatsapp", "email", "sms", "telegram", **fields)
    await service.until_message(payment, "link", "accepted", "sent", *DELIVERED, within_s=60)
    payment = await service.read(payment)
    faults.order("twilio", "create", "garbage")
    faults.order("telegram", "sendMessage", "server_error")
    service.sandbox.migo.approve(service.uid_of(payment), times=2)
    await service.until_status(payment, "paid")
    migo = service.sandbox.config.migo
    for body in UNREADABLE.values():
        headers = {"content-type": "application/json", migo.callback_header: migo.callback_secret}
        await service.http.post("/webhooks/migo", content=body + PHONE.encode(), headers=headers)
    for path in ("/v1/payments/nobody", f"/v1/payments/{PHONE}", f"/{EMAIL}"):
        assert (await service.http.get(path)).status_code in (404, 422)
    wrong = {"authorization": f"Bearer {migo.callback_secret}"}
    assert (await service.http.get("/v1/payments", headers=wrong)).status_code == 401
    return payment


def _hits(text: str, secrets: Mapping[str, str]) -> list[str]:
    return [name for name, value in secrets.items() if value.lower() in text.lower()]


async def test_our_own_log_lines_need_no_mask(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `bot` and `channels` log, before anything is cut out of it."""
    caplog.set_level(logging.DEBUG)
    _let_loops_stumble(monkeypatch)
    paid = await _go_through_everything(service)
    own = [record for record in caplog.records if record.name.startswith(("bot", "channels"))]
    assert "bot.relay" in {record.name for record in own}
    formatter = logging.Formatter()
    lines = [formatter.format(record) for record in own]
    secrets = _secrets(service, paid)
    found = {line: hits for line in lines if (hits := _hits(line, secrets))}
    assert found == {}


def _let_loops_stumble(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that fails tells of the item it failed with, and of everything on the way there."""
    # A failure within a shared commit is first tried again alone, and not told.
    for module, name, times in (
        (outgoing, "settle", 4),
        (facts, "on_payment_event", 1),
        (chat, "on_message", 1),
    ):
        monkeypatch.setattr(module, name, _stumbling(getattr(module, name), times))


def _stumbling(function: Callable[..., object], times: int) -> Callable[..., object]:
    calls = itertools.count()

    def stumbling(*args: object, **options: object) -> object:
        result = function(*args, **options)
        if next(calls) < times:
            raise OSError("the disk is full")
        return result

    return stumbling


@pytest.fixture(params=["json", "text"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path, LOG_LEVEL="DEBUG", LOG_FORMAT=request.param) as running:
        yield running


async def test_the_process_prints_nothing_of_it(served: Served) -> None:
    payment = await _go_through_everything(served)
    await served.stop()
    text = served.log.read_text()
    assert "paybot is up" in text
    assert _hits(text, _secrets(served, payment)) == []
