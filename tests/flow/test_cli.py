"""The command against a running service and its sandbox."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.cli.command import paybot
from bot.cli.demo import PLAYS
from tests.flow.service import PHONE, TOKEN, Service
from tests.services import eventually, free_port

Json = dict[str, Any]
SEND = ("send", "--phone", PHONE, "--amount", "150.00", "--currency", "GTQ")
PAYBOT = (sys.executable, "-m", "bot")
ENDS_S = 60


class Shop:
    """A running service, and the command as its merchant runs it."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.sandbox = service.sandbox
        self._env = {"PAYBOT_URL": service.base_url, "PAYBOT_TOKEN": TOKEN}
        self._folder = folder

    async def run(self, *args: str) -> Result:
        """Run the command in a thread, as the service needs this one."""
        return await asyncio.to_thread(CliRunner(env=self._env).invoke, paybot, args)

    async def json(self, *args: str) -> Json:
        result = await self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        document: Json = json.loads(result.stdout)
        return document


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.chdir(tmp_path)
    # An empty token leaves Telegram off, whose library takes seconds to import.
    async with Service(tmp_path, TELEGRAM_BOT_TOKEN="") as service:
        yield Shop(service, tmp_path)


async def test_send_waits_until_the_link_is_delivered(shop: Shop) -> None:
    result = await shop.run(*SEND, "--channel", "whatsapp", "--concept", "Mensualidad")
    assert result.exit_code == 0, result.output
    payment_id, *steps = result.stdout.splitlines()
    assert re.fullmatch(r"pay_\w+", payment_id)
    assert re.fullmatch(r"link \w+ made", steps[0])
    assert steps[-1] in ("whatsapp delivered", "whatsapp read")
    payment = await shop.json("show", payment_id)
    assert (payment["amount_minor"], payment["concept"]) == (15000, "Mensualidad")
    assert payment["created_by"].startswith("cli")
    assert len(shop.sandbox.twilio.handsets.received_by(f"whatsapp:{PHONE}")) == 1


async def test_send_follows_the_route_to_its_next_channel(shop: Shop) -> None:
    shop.sandbox.twilio.handsets.broken.add(f"whatsapp:{PHONE}")
    result = await shop.run(*SEND, "--route", "whatsapp,sms")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "sms delivered"


async def test_send_fails_with_the_reason_and_what_to_do(shop: Shop) -> None:
    shop.sandbox.twilio.handsets.broken.add(f"whatsapp:{PHONE}")
    result = await shop.run(*SEND, "--channel", "whatsapp")
    assert result.exit_code == 1
    payment_id = result.stdout.splitlines()[0]
    assert "could not be delivered" in result.stderr
    assert f"paybot resend {payment_id}" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_send_gives_up_waiting_but_says_that_it_goes_on(shop: Shop) -> None:
    shop.sandbox.faults.order("twilio", "create", "throttle", times=100)
    result = await shop.run(*SEND, "--channel", "sms", "--wait-s", "1")
    assert result.exit_code == 1
    payment_id = result.stdout.splitlines()[0]
    assert result.stderr.startswith("paybot: not delivered yet; the service goes on")
    assert f"paybot show {payment_id}" in result.stderr


async def test_send_returns_at_once_where_told(shop: Shop) -> None:
    sent = await shop.json(*SEND, "--channel", "sms", "--no-wait", "--no-reminders")
    assert sent["status"] in ("requested", "linked")
    later = await shop.run(*SEND, "--channel", "sms", "--at", "2096-01-01T00:00:00Z")
    assert later.exit_code == 2
    assert "send_at must be in the future, 90 days ahead at most" in later.stderr


async def test_send_is_safe_to_repeat_under_an_external_id(shop: Shop) -> None:
    args = (*SEND, "--channel", "sms", "--external-id", "INV-1")
    first, again = await shop.json(*args), await shop.json(*args)
    assert first["id"] == again["id"]
    other = await shop.run(*args, "--name", "Ana")
    assert other.exit_code == 1
    assert first["id"] in other.stderr


async def test_a_web_link_is_handed_over(shop: Shop) -> None:
    result = await shop.run(*SEND, "--channel", "web")
    assert result.exit_code == 0, result.output
    url = result.stdout.splitlines()[-1]
    assert url.startswith(f"{shop.sandbox.base_url}/pay/")
    again = await shop.run("resend", result.stdout.splitlines()[0])
    assert (again.exit_code, again.stdout) == (0, f"{url}\n")


async def test_what_the_service_refuses_is_said_by_its_field(shop: Shop) -> None:
    result = await shop.run("send", "--phone", "12", *SEND[3:], "--channel", "sms")
    assert result.exit_code == 2
    assert result.stderr == "paybot: customer.phone it has too few digits\n"


async def test_list_pages_through_payments(shop: Shop) -> None:
    assert (await shop.run("list")).stdout == "no payments\n"
    made = [(await shop.json(*SEND, "--channel", "sms", "--no-wait"))["id"] for _ in range(3)]
    first = await shop.run("list", "--limit", "2")
    head, *rows = first.stdout.splitlines()
    assert head.split()[:3] == ["ID", "STATUS", "AMOUNT"]
    assert [row.split()[0] for row in rows] == made[:0:-1]
    assert "GTQ 150.00" in rows[0]
    assert PHONE in rows[0]
    hint = re.search(r"--cursor (\S+)", first.stderr)
    assert hint is not None
    rest = await shop.run("list", "--limit", "2", "--cursor", hint[1])
    assert [row.split()[0] for row in rest.stdout.splitlines()[1:]] == made[:1]
    assert rest.stderr == ""
    assert (await shop.json("list", "--status", "paid", "--status", "held"))["payments"] == []


async def test_show_and_why_tell_the_story(shop: Shop) -> None:
    sent = await shop.json(*SEND, "--channel", "sms", "--name", "Ana")
    shown = (await shop.run("show", sent["id"])).stdout
    for part in (sent["id"], "GTQ 150.00", f"Ana {PHONE}", sent["links"][0]["url"], "delivered"):
        assert part in shown
    why = (await shop.run("why", sent["id"])).stdout
    assert "Migo made the link" in why
    assert sent["links"][0]["url"] not in why


async def test_cancel_and_resend(shop: Shop) -> None:
    sent = await shop.json(*SEND, "--channel", "sms")
    again = await shop.run("resend", sent["id"], "--channel", "whatsapp")
    assert again.exit_code == 0, again.output
    await eventually(lambda: bool(shop.sandbox.twilio.handsets.received_by(f"whatsapp:{PHONE}")))
    cancelled = await shop.run("cancel", sent["id"])
    assert cancelled.exit_code == 0
    assert cancelled.stdout.startswith(f"{sent['id']} is cancelled\n")
    refused = await shop.run("resend", sent["id"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "paybot: a payment that is cancelled needs no link\n"
    unknown = await shop.run("cancel", "pay_none")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)


async def test_a_link_is_replaced_after_a_yes(shop: Shop) -> None:
    sent = await shop.json(*SEND, "--channel", "sms")
    unsure = await shop.run("replace", sent["id"], "--by", "Olga")
    assert (unsure.exit_code, unsure.stderr.count("\n")) == (2, 1)
    assert "--yes" in unsure.stderr
    done = await shop.run("replace", sent["id"], "--by", "Olga", "--yes")
    assert done.exit_code == 0, done.output
    assert "another link is being made" in done.stdout
    await eventually(lambda: len(shop.sandbox.twilio.handsets.received_by(PHONE)) == 2)
    shown = await shop.run("show", sent["id"])
    assert "may be able to pay both links" in shown.stdout
    assert "out of use" in shown.stdout


async def test_another_amount_is_accepted(shop: Shop) -> None:
    sent = await shop.json(*SEND, "--channel", "sms")
    early = await shop.run("accept", sent["id"], "--by", "Olga")
    assert (early.exit_code, early.stderr.count("\n")) == (1, 1)
    shop.sandbox.migo.approve(sent["links"][0]["uid"], amount_minor=14000)
    await shop.service.until_status(sent, "held")
    done = await shop.run("accept", sent["id"], "--by", "Olga")
    assert done.exit_code == 0, done.output
    said = "is paid: 140.00 GTQ came instead of 150.00 GTQ, says Olga"
    assert done.stdout == f"{sent['id']} {said}\n"
    await eventually(
        lambda: any(
            "Q140.00" in str(each) for each in shop.sandbox.twilio.handsets.received_by(PHONE)
        )
    )


async def test_what_people_did_is_told_page_by_page(shop: Shop) -> None:
    assert (await shop.run("staff", "audit")).stdout == "nothing yet\n"
    sent = await shop.json(*SEND, "--channel", "sms")
    await shop.service.until_message(sent, "link", "delivered")
    await shop.run("replace", sent["id"], "--by", "Olga", "--yes")
    await shop.run("staff", "invite", "--role", "agent", "--name", "Luisa")
    told = await shop.json("staff", "audit", "--limit", "1")
    [newest] = told["entries"]
    assert (newest["what"], newest["payment_id"]) == ("staff invited", None)
    assert newest["after"] == {"role": "agent", "name": "Luisa"}
    rest = await shop.run("staff", "audit", "--cursor", str(told["next_cursor"]))
    assert [part in rest.stdout for part in ("Olga", "link replaced", sent["id"], "uid ")] == [
        True
    ] * 4
    assert "staff invited" not in rest.stdout
    of_payment = await shop.json("staff", "audit", "--payment", sent["id"])
    assert [each["what"] for each in of_payment["entries"]] == ["link replaced"]
    assert of_payment["next_cursor"] is None


async def test_the_token_is_found_beside_the_database(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "paybot.token").write_text(TOKEN + "\n")
    env = {"PAYBOT_URL": shop.service.base_url}
    result = await asyncio.to_thread(CliRunner(env=env).invoke, paybot, ["list"])
    assert (result.exit_code, result.stdout) == (0, "no payments\n")


async def test_a_wrong_token_is_told(shop: Shop) -> None:
    env = {"PAYBOT_URL": shop.service.base_url, "PAYBOT_TOKEN": "wrong"}
    result = await asyncio.to_thread(CliRunner(env=env).invoke, paybot, ["list"])
    assert result.exit_code == 2
    assert "PAYBOT_TOKEN" in result.stderr


def clean_environment(**env: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **env}


class Running:
    """A `paybot` process whose output is read as it comes."""

    def __init__(self, *args: str, folder: Path, **env: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*PAYBOT, *args],
            cwd=folder,
            env=clean_environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(ENDS_S)
        self._reader.join(ENDS_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running(*args: str, folder: Path, **env: str) -> Iterator[Running]:
    started = Running(*args, folder=folder, **env)
    try:
        yield started
    finally:
        started.stop()


async def test_a_sandbox_and_a_service_meet_over_the_env_file(tmp_path: Path) -> None:
    sandbox_port, smtp_port, port = (str(free_port()) for _ in range(3))
    url = f"http://127.0.0.1:{port}"
    ports = ("--port", sandbox_port, "--smtp-port", smtp_port)
    env_file = ("--service", url, "--env-file", ".env")
    serve = {"PORT": port, "TELEGRAM_BOT_TOKEN": ""}
    with running("sandbox", *ports, *env_file, folder=tmp_path) as sandbox:
        await eventually(lambda: sandbox.has_said("phones: "), ENDS_S)
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
        with running("serve", folder=tmp_path, **serve) as service:
            await eventually(lambda: service.has_said("paybot is up"), ENDS_S)
            assert (tmp_path / "paybot.token").stat().st_mode & 0o777 == 0o600
            sent = await asyncio.to_thread(
                once, *SEND, "--channel", "sms", folder=tmp_path, PAYBOT_URL=url
            )
            assert sent.returncode == 0, sent.stderr
            doctor = await asyncio.to_thread(once, "doctor", folder=tmp_path, **serve)
            assert "held by a running paybot, which is ready" in doctor.stdout
            second = await asyncio.to_thread(once, "serve", folder=tmp_path, **serve)
            assert second.returncode == 1
            assert second.stderr.splitlines()[-1].startswith("paybot: another paybot holds ")
            assert "Traceback" not in second.stderr
            token = (tmp_path / "paybot.token").read_text().strip()
            assert not service.has_said(token)
            told = ("migrate", "--restored", "--yes")
            early = await asyncio.to_thread(once, *told, folder=tmp_path)
            assert early.returncode == 1
            assert early.stderr.startswith("paybot: another paybot holds ")
            assert service.stop() == 0
        migrated = await asyncio.to_thread(once, "migrate", folder=tmp_path)
        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert "already" in migrated.stdout
        restored = await asyncio.to_thread(once, *told, folder=tmp_path)
        assert (restored.returncode, restored.stderr) == (0, "")
        assert "wait for a person in `paybot alerts`: links 0, messages 0" in restored.stdout
        answer = await asyncio.to_thread(once, "migrate", "--yes", folder=tmp_path)
        assert answer.returncode == 2
        assert "--restored" in answer.stderr
        assert sandbox.stop() == 0


def once(*args: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PAYBOT, *args],
        cwd=folder,
        env=clean_environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENDS_S,
        check=False,
    )


@pytest.mark.parametrize("option", ["--port", "--smtp-port"])
def test_a_taken_port_is_one_line(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": "0", "--smtp-port": "0", option: str(taken.getsockname()[1])}
        args = [part for pair in ports.items() for part in pair]
        ended = once("sandbox", *args, folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("paybot: cannot start: ")
    assert ended.stderr.count("\n") == 1


def test_the_demo_plays_the_loop_on_every_channel(tmp_path: Path) -> None:
    ended = once("demo", folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for play in PLAYS:
        rows = [line for line in ended.stdout.splitlines() if line.startswith(f"{play.label}  ")]
        assert len(rows) == 1, ended.stdout
        cells = re.split(r"\s{2,}", rows[0].strip())
        assert cells[1] == play.route[-1]
        assert cells[3] == "yes"
        assert all(re.fullmatch(r"\d+\.\d\d s", cells[number]) for number in (2, 4))
    assert f"{len(PLAYS)} of {len(PLAYS)} paid and receipted" in ended.stdout
    assert re.search(r"^phones: http://127\.0\.0\.1:\d+/$", ended.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_covers_every_channel() -> None:
    assert {play.route[0] for play in PLAYS} == {"whatsapp", "sms", "email", "telegram"}
