"""Logs are one masked line each; numbers are there for whoever looks."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.telemetry import Mask, configure_logging, correlated, correlation_id
from bot.telemetry.logs import ERROR_CHARS, QUIET, TEXT_CHARS
from bot.telemetry.metrics import Metrics

BOT_TOKEN = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "uvicorn", *QUIET)]
    before = [(each, each.level, list(each.handlers), each.propagate) for each in loggers]
    yield
    for each, level, handlers, propagate in before:
        each.setLevel(level)
        each.handlers[:] = handlers
        each.propagate = propagate


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def only_line(stream: io.StringIO) -> str:
    (line,) = stream.getvalue().splitlines()
    assert stream.getvalue().endswith("\n")
    return line


def log_json(stream: io.StringIO, message: str, **extra: object) -> dict[str, object]:
    configure_logging("json", "INFO", stream)
    logging.getLogger("bot.test").info(message, extra=extra)
    line: dict[str, object] = json.loads(only_line(stream))
    return line


# Masking


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to +50255551234.", "to +502****1234."),
        ("to +502 5555-1234", "to +502****1234"),
        ("to whatsapp:+50255551234", "to whatsapp:+502****1234"),
        ("to +1 (415) 555-2671, twice", "to +141****2671, twice"),
        ("userId 50255551234", "userId ****1234"),
        ("pay 4111111111111111 now", "pay ****1111 now"),
        ("pay 4111111111111112 now", "pay ****1112 now"),
        ("pay 4111 1111 1111 1111 now", "pay •••• •••• •••• 1111 now"),
        ("pay +4111111111111111", "pay +411****1111"),
        ("mail ana.lopez@example.com!", "mail a***@example.com!"),
        ("<ana@mail.example.co.uk>", "<a***@mail.example.co.uk>"),
        (
            "https://web.migopayments.com/pay/?orderId=abc123 sent",
            "https://web.migopayments.com/*** sent",
        ),
        ("postgresql://ana:pa55@db:5432/pay", "postgresql://db:5432/***"),
        ("GET http://127.0.0.1:8010/", "GET http://127.0.0.1:8010/"),
        (f"token {BOT_TOKEN}", "token 123456789:***"),
        (f"https://api.telegram.org/bot{BOT_TOKEN}/getMe", "https://api.telegram.org/***"),
        ("Authorization: Bearer abcdef123456", "Authorization: ***"),
        ("{'x-api-key': 'abcdef123456'}", "{'x-api-key': '***'}"),
        ('{"authorization": "Basic QUM6c2VjcmV0"}', '{"authorization": "***"}'),
        ("auth_token=abc&next=1", "auth_token=***&next=1"),
        ("X-Twilio-Signature: c2lnbmF0dXJl=", "X-Twilio-Signature: ***"),
        ("sent with bearer abcdef123456", "sent with bearer ***"),
        ("Cookie: session=abcdef", "Cookie: ***"),
    ],
)
def test_people_links_and_secrets_are_cut(text: str, masked: str) -> None:
    assert Mask()(text) == masked
    assert Mask()(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "inbox item 4711 handled in 12.5 ms",
        "GTQ 150.00 of 15000 minor units",
        "2026-04-03 14:05:06.123 on 2026-04-03T14:05:06Z",
        "127.0.0.1:8000 and 192.168.100.200",
        "payment 0190f3a2-7b1c-7d3e-9a4b-5c6d7e8f9a0b",
        "uid V1StGXR8_Z5jdHi6B-myT reference CAMPGT020007SB",
        "version 1.2.3, exit code 2",
    ],
)
def test_what_names_nobody_stays_readable(text: str) -> None:
    assert Mask()(text) == text


def test_known_secrets_are_found_anywhere_the_longest_first() -> None:
    mask = Mask(["hunter2-hunter2", "hunter2-hunter2-more", "abc"])
    assert mask("x=hunter2-hunter2-more/hunter2-hunter2 abc") == "x=***/*** abc"


# Lines


def test_json_has_one_object_a_line(stream: io.StringIO) -> None:
    line = log_json(stream, "paid\nforged line \x1b[31m\u2028", payment="p1", count=3, none=None)
    assert line.pop("at", "").__class__ is str
    assert line == {
        "level": "info",
        "logger": "bot.test",
        "message": "paid\nforged line \x1b[31m\u2028",
        "payment": "p1",
        "count": 3,
    }
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\x9b", "\u2028", "\u202e"])
def test_text_lets_no_control_character_through(stream: io.StringIO, character: str) -> None:
    configure_logging("text", "INFO", stream)
    logging.getLogger("bot.test").info("a%sb", character, extra={"field": f"c{character}d"})
    line = only_line(stream)
    assert character not in line
    code = f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
    assert f"a{code}b field=c{code}d" in line


def test_a_terminal_reads_text_and_a_pipe_json(stream: io.StringIO) -> None:
    terminal = Terminal()
    for each in (terminal, stream):
        configure_logging(None, "INFO", each)
        logging.getLogger("bot.test").info("hello")
    assert "INFO    bot.test hello" in only_line(terminal)
    assert json.loads(only_line(stream))["message"] == "hello"


def test_extras_are_masked_and_sensitive_names_hidden(stream: io.StringIO) -> None:
    line = log_json(stream, "sent", to="+50255551234", api_token="whatever", about={"k": "a@b.co"})
    assert line["to"] == "+502****1234"
    assert line["api_token"] == "***"
    assert line["about"] == "{'k': 'a***@b.co'}"


def test_long_texts_are_cut(stream: io.StringIO) -> None:
    line = log_json(stream, "x" * 10_000)
    assert len(str(line["message"])) == TEXT_CHARS + 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_is_one_line_and_masked(stream: io.StringIO, form: str) -> None:
    configure_logging("json" if form == "json" else "text", "INFO", stream)
    try:
        raise ValueError("no route to ana@example.com\nat all" + "y" * 20_000)
    except ValueError:
        logging.getLogger("bot.test").exception("failed")
    line = only_line(stream)
    assert "ana@" not in line
    assert "a***@example.com" in line
    assert "ValueError" in line
    assert len(line) < ERROR_CHARS + 500


def test_a_text_error_says_where(stream: io.StringIO) -> None:
    configure_logging("text", "INFO", stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("bot.test").exception("failed")
    assert "failed (ValueError: boom at test_telemetry.py:" in only_line(stream)


def test_lines_carry_what_is_being_worked_on(stream: io.StringIO) -> None:
    assert correlation_id() == ""
    with correlated("inbox 7"):
        with correlated("outbox 9"):
            assert correlation_id() == "outbox 9"
        assert log_json(stream, "handled")["correlation"] == "inbox 7"
    assert correlation_id() == ""


def test_known_secrets_never_reach_the_stream(stream: io.StringIO) -> None:
    configure_logging("text", "INFO", stream, secrets={"canary-secret"})
    logging.getLogger("bot.test").warning("it is canary-secret", extra={"why": "canary-secret"})
    assert "canary" not in only_line(stream)


def test_configuring_again_replaces_and_does_not_repeat(stream: io.StringIO) -> None:
    configure_logging("json", "INFO", io.StringIO())
    configure_logging("json", "INFO", stream)
    logging.getLogger("bot.test").info("once")
    assert json.loads(only_line(stream))["message"] == "once"


@pytest.mark.parametrize("name", QUIET)
def test_libraries_tell_warnings_only_and_through_us(stream: io.StringIO, name: str) -> None:
    library = logging.getLogger(name)
    library.handlers[:] = [logging.StreamHandler(io.StringIO())] if "uvicorn" in name else []
    configure_logging("json", "DEBUG", stream)
    library.info("HTTP Request: GET https://example.com/?orderId=1")
    library.warning("trouble")
    assert json.loads(only_line(stream))["message"] == "trouble"
    assert library.handlers == []


def test_a_higher_level_quiets_libraries_too(stream: io.StringIO) -> None:
    configure_logging("json", "ERROR", stream)
    logging.getLogger("httpx").warning("trouble")
    logging.getLogger("bot.test").warning("trouble")
    assert stream.getvalue() == ""


# Numbers


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_counts_show_under_their_labels() -> None:
    metrics = Metrics()
    metrics.events.labels("migo", "applied").inc()
    metrics.events.labels("migo", "applied").inc()
    metrics.refused.labels("migo", 401).inc()
    metrics.outcomes.labels("sms", "receipt", "retry_later").inc()
    metrics.call_seconds.labels("sms").observe(0.2)
    shown = samples(metrics)
    assert shown["paybot_events_total", (("source", "migo"), ("verdict", "applied"))] == 2
    assert shown["paybot_refused_total", (("source", "migo"), ("status", "401"))] == 1
    labels = (("lane", "sms"), ("outcome", "retry_later"), ("purpose", "receipt"))
    assert shown["paybot_outcomes_total", labels] == 1
    assert shown["paybot_call_seconds_count", (("lane", "sms"),)] == 1


def test_two_registries_do_not_share() -> None:
    one, other = Metrics(), Metrics()
    one.refused.labels("migo", 401).inc()
    assert ("paybot_refused_total", (("source", "migo"), ("status", "401"))) not in samples(other)


def test_gauges_are_asked_when_somebody_looks() -> None:
    metrics, depth = Metrics(), [3.0]
    metrics.queue_items.labels("outbox").set_function(lambda: depth[0])
    key = ("paybot_queue_items", (("queue", "outbox"),))
    assert samples(metrics)[key] == 3
    depth[0] = 5
    assert samples(metrics)[key] == 5


def test_every_number_says_what_it_is() -> None:
    families = list(text_string_to_metric_families(Metrics().render().decode()))
    ours = [family for family in families if family.name.startswith("paybot_")]
    assert len(ours) >= 10
    assert all(family.documentation for family in ours)


def test_numbers_are_not_imported_before_they_are_wanted() -> None:
    code = "import sys, bot.telemetry; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
