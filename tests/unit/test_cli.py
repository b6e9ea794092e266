"""The command by itself: help, mistakes, and what a wait makes of what it reads."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result

from bot.cli import client, display, send
from bot.cli.command import VERBS, paybot
from bot.cli.progress import arrived, end_of, reason, steps
from bot.settings import LocalSettings

Json = dict[str, Any]

MIGO = {
    "MIGO_CLIENT": "shop",
    "MIGO_TOKEN": "t",
    "MIGO_AMOUNT_UNIT": "minor",
    "MIGO_CALLBACK_SECRET": "a-secret-of-enough-characters",
}
HEAVY = (
    *("httpx", "pydantic", "sqlalchemy", "fastapi", "starlette", "uvicorn", "aiogram", "twilio"),
    *("rich", "babel", "phonenumbers", "redis", "apscheduler", "bot.app", "bot.settings"),
    *("asyncio", "email_validator", "segno"),
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where no .env, database or token lies."""
    monkeypatch.chdir(tmp_path)
    for name in ("PAYBOT_URL", "PAYBOT_TOKEN", "DATABASE_URL", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*args: str, **env: str) -> Result:
    return CliRunner().invoke(paybot, args, env=env)


def assert_one_line(result: Result, exit_code: int, *words: str) -> None:
    assert result.exit_code == exit_code, result.output
    assert result.stderr.startswith("paybot: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("args", [["--help"], ["-h"], []])
def test_help_fits_one_screen_and_names_every_verb(args: list[str]) -> None:
    result = run(*args)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for verb in VERBS:
        assert any(line.split()[:1] == [verb] for line in lines), verb


@pytest.mark.parametrize("args", ["['--help']", "['nonsense']", "['send', '--help']", "['send']"])
def test_help_and_mistakes_import_nothing_heavy(args: str) -> None:
    code = (
        "import sys\n"
        "from bot.cli.command import paybot\n"
        "try:\n"
        f"    paybot.main({args}, prog_name='paybot')\n"
        "except SystemExit:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_of_its_own(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: paybot {verb}")
    assert "--help" in result.stdout


def test_every_verb_that_prints_data_prints_json() -> None:
    for verb in ("send", "show", "list", "cancel", "resend", "why", "doctor", "replace", "accept"):
        assert "--json" in run(verb, "--help").stdout, verb


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("--nonsense",),
        ("send",),
        ("show",),
        ("show", "a", "b"),
        ("list", "--status", "gone"),
        ("list", "--limit", "0"),
        ("resend", "pay_1", "--channel", "web"),
        ("replace", "pay_1", "--yes"),
        ("accept", "pay_1"),
        ("sandbox", "--port", "70000"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(args: tuple[str, ...]) -> None:
    assert_one_line(run(*args), 2, "--help")


SEND = ("send", "--phone", "55551234", "--currency", "GTQ", "--channel", "sms", "--amount")


@pytest.mark.parametrize("amount", ["", "0", "-1", "1,500", "1.505", "ten", "9" * 30])
def test_an_amount_that_is_none_is_refused_before_anything_is_asked(amount: str) -> None:
    assert_one_line(run(*SEND, amount), 2, "--amount")


def test_either_a_channel_or_a_route_is_wanted() -> None:
    assert_one_line(run(*SEND, "1", "--route", "sms,email"), 2, "--channel", "--route")
    assert_one_line(run(*SEND[:5], "--amount", "1"), 2, "--channel", "--route")
    assert_one_line(run(*SEND[:5], "--amount", "1", "--route", "sms,fax"), 2, "fax", "whatsapp")


def test_without_a_token_it_says_where_one_comes_from() -> None:
    assert_one_line(run("list"), 2, "paybot.token", "paybot serve", "PAYBOT_TOKEN")


def test_without_a_service_it_says_how_to_start_one() -> None:
    result = run("list", PAYBOT_TOKEN="t", PAYBOT_URL="http://127.0.0.1:1")
    assert_one_line(result, 1, "http://127.0.0.1:1", "paybot serve")


def test_a_wrong_setting_is_one_line() -> None:
    assert_one_line(run("list", PAYBOT_URL="ftp://x"), 2, "PAYBOT_URL")


def test_a_token_that_no_header_can_carry_is_refused() -> None:
    assert_one_line(run("list", PAYBOT_TOKEN="tökèn"), 2, "PAYBOT_TOKEN")


@pytest.mark.parametrize("payment_id", ["../alerts", "a b", "é", "x?y=1"])
def test_an_id_that_is_none_never_becomes_a_path(payment_id: str) -> None:
    result = run("show", payment_id, PAYBOT_TOKEN="t", PAYBOT_URL="http://127.0.0.1:1")
    assert_one_line(result, 2, "paybot list")


def test_serve_tells_every_wrong_file_at_once(tmp_path: Path) -> None:
    catalogue, plans, texts = tmp_path / "shop.toml", tmp_path / "plans.toml", tmp_path / "texts"
    catalogue.write_text("[[product]]\nname = 1\n[[product]]\nname = 2\n")
    plans.write_text("[gentle]\nno_due = 7\n")
    (texts / "es").mkdir(parents=True)
    (texts / "es" / "link.txt").write_text("{{ nothing }}")
    result = run(
        "serve", CATALOGUE=str(catalogue), REMINDERS_FILE=str(plans), TEXTS_DIR=str(texts), **MIGO
    )
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for part in ("CATALOGUE: ", "REMINDERS_FILE: gentle", "link.txt"):
        assert part in result.output


def test_serve_tells_one_wrong_file_in_one_line(tmp_path: Path) -> None:
    catalogue = tmp_path / "shop.toml"
    catalogue.write_text("[[")
    assert_one_line(run("serve", CATALOGUE=str(catalogue), **MIGO), 2, "CATALOGUE: ")


def test_serve_tells_every_wrong_setting_at_once() -> None:
    result = run("serve", MIGO_AMOUNT_UNIT="cents", PORT="x")
    assert result.exit_code == 2
    for name in ("MIGO_AMOUNT_UNIT", "MIGO_CLIENT", "MIGO_CALLBACK_SECRET", "MIGO_TOKEN", "PORT"):
        assert f"\n  {name}: " in result.stderr
    assert "paybot demo" in result.stderr


def test_the_sandbox_does_not_write_over_a_file_of_others(tmp_path: Path) -> None:
    mine = tmp_path / ".env"
    mine.write_text("MIGO_CLIENT=mine\n")
    assert_one_line(run("sandbox", "--env-file", str(mine)), 2, str(mine))
    assert mine.read_text() == "MIGO_CLIENT=mine\n"


def service_of(handle: Callable[[httpx.Request], httpx.Response]) -> client.Service:
    settings = LocalSettings.load({"PAYBOT_TOKEN": "t"})
    return client.Service(settings, transport=httpx.MockTransport(handle))


def answering(answer: httpx.Response | Exception) -> client.Service:
    """A client whose service answers like this."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return service_of(handle)


@pytest.mark.parametrize(
    ("answer", "exit_code", "words"),
    [
        (httpx.Response(401, json={"error": {"message": "no"}}), 2, "PAYBOT_TOKEN"),
        (httpx.Response(404, json={"error": {"message": "there is none"}}), 2, "there is none"),
        (httpx.Response(409, json={"error": {"message": "paid already"}}), 1, "paid already"),
        (
            httpx.Response(
                422, json={"error": {"fields": [{"field": "a.b", "message": "is bad"}]}}
            ),
            2,
            "a.b is bad",
        ),
        (httpx.Response(503, json={"error": {"message": "try again"}}), 1, "try again"),
        (httpx.Response(502, text="<html>"), 1, "502"),
        (httpx.Response(200, text="<html>"), 1, "200"),
        (httpx.Response(200, json=[]), 1, "200"),
        (httpx.ReadTimeout("late"), 1, "ReadTimeout"),
        (httpx.ConnectError("refused"), 1, "paybot serve"),
    ],
)
def test_every_answer_becomes_one_line(
    answer: httpx.Response | Exception, exit_code: int, words: str
) -> None:
    with answering(answer) as service, pytest.raises(click.ClickException) as raised:
        service.read("pay_1")
    assert raised.value.exit_code == exit_code
    assert words in raised.value.format_message()


def test_a_create_whose_answer_is_lost_is_repeated_under_its_key() -> None:
    keys: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("late")
        return httpx.Response(200, json={"id": "pay_1"})

    with service_of(handle) as service:
        assert service.create({})["id"] == "pay_1"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_create_that_is_never_answered_says_to_look_first() -> None:
    service = answering(httpx.ReadTimeout("late"))
    with service, pytest.raises(click.ClickException, match="before repeating"):
        service.create({})


def payment(status: str, *messages: tuple[str, str], route: tuple[str, ...] = ("sms",)) -> Json:
    return {
        "id": "pay_1",
        "status": status,
        "route": list(route),
        "links": [],
        "alerts": [],
        "messages": [
            {"purpose": "link", "channel": channel, "status": state, "error": None}
            for channel, state in messages
        ],
    }


@pytest.mark.parametrize(
    ("read", "end"),
    [
        (payment("requested"), None),
        (payment("linked", ("sms", "planned")), None),
        (payment("linked", ("sms", "accepted")), None),
        (payment("linked", ("sms", "sent")), None),
        (payment("linked", ("sms", "delivered")), True),
        (payment("linked", ("whatsapp", "read")), True),
        (payment("linked", ("email", "accepted")), True),
        (payment("linked", ("telegram", "accepted")), True),
        (payment("linked", ("whatsapp", "failed"), ("sms", "planned")), None),
        (payment("linked", ("whatsapp", "failed"), ("sms", "delivered")), True),
        (payment("linked", ("whatsapp", "failed"), ("whatsapp", "dead")), False),
        (payment("linked", ("sms", "uncertain")), False),
        (payment("linked", ("sms", "uncertain"), ("sms", "planned")), None),
        (payment("held"), False),
        (payment("expired", ("sms", "cancelled")), False),
        (payment("cancelled", ("sms", "delivered")), True),
        (payment("paid", ("sms", "cancelled")), True),
        (payment("requested", route=("web",)), None),
        (payment("linked", route=("web",)) | {"links": [{}]}, True),
    ],
)
def test_when_a_wait_for_the_link_ends(read: Json, end: bool | None) -> None:
    assert end_of(read, "link") is end


def test_a_receipt_is_waited_for_by_itself() -> None:
    read = payment("paid", ("sms", "delivered"))
    assert end_of(read, "receipt") is None
    read["messages"].append(
        {"purpose": "receipt", "channel": "sms", "status": "delivered", "error": None}
    )
    assert end_of(read, "receipt") is True
    assert arrived(read, "receipt") == read["messages"][-1]


def test_the_reason_of_a_failure_comes_first_and_what_to_do_last() -> None:
    read = payment("linked", ("sms", "dead"))
    read["messages"][0]["error"] = "unknown number"
    assert reason(read).startswith("unknown number; see `paybot why pay_1`")
    read["alerts"] = [{"detail": "no channel is left"}]
    assert reason(read).startswith("no channel is left; ")
    assert reason(payment("held")).startswith("the payment is held; ")


def test_steps_tell_each_message_but_those_not_begun() -> None:
    read = payment("linked", ("whatsapp", "failed"), ("sms", "planned"))
    read["links"] = [{"reference": None, "uid": "u1"}]
    assert list(steps(read)) == ["link u1 made", "whatsapp failed"]


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(15000, "GTQ", "GTQ 150.00"), (150, "JPY", "JPY 150"), (123456789, "KWD", "KWD 123,456.789")],
)
def test_an_amount_is_written_exactly(minor: int, currency: str, text: str) -> None:
    assert display.amount({"amount_minor": minor, "currency": currency}) == text


def test_a_table_is_cut_into_columns_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    display.print_table(("A", "BB"), [("long one", "x"), ("", "[red]y")])
    assert capsys.readouterr().out.splitlines() == [
        "A         BB",
        "long one  x",
        "          [red]y",
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Ana\x1b]0;x\x07\x9b2J", "Ana?]0;x??2J"),
        ("\u202eanA\u2066", "?anA?"),
        ("one\nline\r", "one?line?"),
        ("Q\xa0150.00 Ñandú 👩\u200d🍳", "Q\xa0150.00 Ñandú 👩\u200d🍳"),
    ],
)
def test_what_strangers_wrote_moves_no_terminal(
    capsys: pytest.CaptureFixture[str], written: str, shown: str
) -> None:
    display.print_table(("NAME",), [(written,)])
    display.print_facts([("name", written)])
    assert capsys.readouterr().out == f"NAME\n{shown}\nname  {shown}\n"


def test_doctor_tells_wrong_settings_as_json() -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 2
    findings = json.loads(result.stdout)
    assert {each["level"] for each in findings} == {"fail"}
    assert {each["text"].split(":")[0] for each in findings} >= {"MIGO_CLIENT", "MIGO_TOKEN"}


def test_a_currency_may_be_written_small() -> None:
    asked = dict.fromkeys(
        ("name", "email", "concept", "external_id", "send_at", "due_at", "expires_at", "reminders")
    )
    more = {"phone": "1", "amount": "150.00", "currency": "gtq", "channel": "sms", "route": None}
    body = send._body({**asked, **more, "no_reminders": False})
    assert (body["amount_minor"], body["currency"]) == (15000, "GTQ")
