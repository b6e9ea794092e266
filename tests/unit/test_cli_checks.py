"""What `paybot doctor` finds, and how bad it calls it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bot.cli import checks
from bot.cli.checks import Finding, Level, check_all
from bot.settings import Settings
from bot.store.migrate import migrate

LINK = 'content_sid = "HX0123456789abcdef0123456789abcdef"\nvariables = ["url"]\n'


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(**given: str) -> Settings:
    return Settings.load(
        {
            "MIGO_CLIENT": "shop",
            "MIGO_TOKEN": "t",
            "MIGO_AMOUNT_UNIT": "minor",
            "MIGO_BASE_URL": "http://127.0.0.1:1/migo",
            "MIGO_CALLBACK_SECRET": "a-secret-of-enough-characters",
            "SMTP_URL": "smtp://127.0.0.1:1?tls=off",
            "EMAIL_FROM": "pay@example.com",
            **given,
        }
    )


def found(subject: str, **given: str) -> list[Finding]:
    return [each for each in check_all(settings(**given)) if each.subject == subject]


def levels(subject: str, **given: str) -> list[Level]:
    return [each.level for each in found(subject, **given)]


def test_a_good_installation_has_nothing_to_put_right() -> None:
    assert Level.FAIL not in {each.level for each in check_all(settings())}


def test_a_channel_that_is_off_says_what_would_turn_it_on() -> None:
    assert levels("email") == [Level.OK]
    [telegram] = found("telegram")
    assert telegram == Finding(Level.WARN, "telegram", "off: set TELEGRAM_BOT_TOKEN")
    assert levels("channels") == []
    assert levels("channels", SMTP_URL="") == [Level.FAIL]


def test_news_that_nobody_would_be_told_is_seen() -> None:
    assert levels("STAFF_NOTIFY") == [Level.WARN]
    assert levels("STAFF_NOTIFY", STAFF_NOTIFY="telegram:5") == [Level.WARN]
    assert levels("STAFF_NOTIFY", STAFF_NOTIFY="email:boss@example.com") == [Level.OK]


def test_a_slip_of_the_pen_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGO_CLEINT", "shop")
    [slip] = found("settings")
    assert (slip.level, "MIGO_CLIENT" in slip.text) == (Level.WARN, True)


def test_a_channel_that_migo_does_not_document_is_seen() -> None:
    assert levels("MIGO_CHANNELS") == []
    assert levels("MIGO_CHANNELS", MIGO_CHANNELS="sms=text") == [Level.WARN]


@pytest.mark.parametrize(("unit", "written"), [("minor", "15000"), ("major", "150.00")])
def test_the_unit_of_amounts_is_shown_by_an_example(unit: str, written: str) -> None:
    [amounts] = found("amounts", MIGO_AMOUNT_UNIT=unit)
    assert f" is written as {written} " in amounts.text


def test_unknown_dispatching_is_a_warning() -> None:
    assert levels("MIGO_DISPATCHES") == [Level.WARN]
    assert levels("MIGO_DISPATCHES", MIGO_DISPATCHES="no") == []


def test_sandbox_and_production_mixed_is_a_failure() -> None:
    given = {
        "MIGO_BASE_URL": "https://mw.migopayments.com",
        "MIGO_LINK_HOSTS": "sandbox.migopayments.com",
    }
    assert levels("migo") == [Level.OK]
    assert levels("migo", **given) == [Level.FAIL]


WHATSAPP = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_WHATSAPP_FROM": "+14155238886",
}


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("", [Level.FAIL, Level.WARN, Level.WARN]),
        (f"[link.es]\n{LINK}", [Level.WARN, Level.WARN, Level.WARN]),
        ("[link.es]\n", [Level.FAIL]),
        ("[", [Level.FAIL]),
    ],
)
def test_templates_are_looked_for_by_language(
    tmp_path: Path, toml: str, expected: list[Level]
) -> None:
    path = tmp_path / "templates.toml"
    path.write_text(toml)
    assert levels("templates", **WHATSAPP, WHATSAPP_TEMPLATES=str(path)) == expected


def test_templates_matter_only_to_whatsapp() -> None:
    assert levels("templates") == []
    assert levels("templates", **WHATSAPP) == [Level.WARN]


def test_a_database_is_looked_at_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "paybot.db"
    url = f"sqlite:///{path}"
    assert levels("database", DATABASE_URL=url) == [Level.OK]
    assert not path.exists()
    assert levels("database", DATABASE_URL=f"sqlite:///{tmp_path}/none/x.db") == [Level.FAIL]
    path.touch()
    assert levels("database", DATABASE_URL=url) == [Level.WARN]
    migrate(url)
    [current] = found("database", DATABASE_URL=url)
    assert current == Finding(Level.OK, "database", "opens, and is of this version")


def test_reminders_can_be_sent_everywhere_by_default() -> None:
    [fine] = found("reminders")
    assert (fine.level, fine.text) == (
        Level.OK,
        "rules and zones of 24 countries; own plans: none",
    )


def test_a_plan_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text('[gentle]\ndue = ["due-1"]\n')
    [fine] = found("reminders", REMINDERS_FILE=str(path))
    assert (fine.level, "own plans: gentle" in fine.text) == (Level.OK, True)
    path.write_text("[gentle]\nlate = []\n")
    [wrong] = found("reminders", REMINDERS_FILE=str(path))
    assert (wrong.level, wrong.text.startswith("REMINDERS_FILE: gentle")) == (Level.FAIL, True)


def test_hours_that_a_country_forbids_are_seen() -> None:
    _, closed = found("reminders", REMINDER_HOURS="sun 10:00-12:00")
    assert (closed.level, closed.text.rpartition(" in ")[2]) == (Level.WARN, "CO, CL, EC, PE, MX")
    at_home = levels("reminders", REMINDER_HOURS="sun 10:00-12:00", DEFAULT_REGION="PE")
    assert at_home == [Level.OK, Level.FAIL]


def test_a_zone_taken_for_a_whole_country_is_told() -> None:
    _, zone = found("reminders", DEFAULT_REGION="MX")
    assert (zone.level, "America/Mexico_City" in zone.text) == (Level.WARN, True)
    own = {"DEFAULT_REGION": "MX", "TIME_ZONES": "MX=America/Tijuana"}
    assert levels("reminders", **own) == [Level.OK]


def test_a_time_outside_the_hours_is_told() -> None:
    _, late = found("reminders", REMINDER_TIME="19:00")
    assert (late.level, "REMINDER_TIME" in late.text) == (Level.WARN, True)


def test_a_database_server_that_is_away_is_a_failure() -> None:
    [away] = found("database", DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x")
    assert away.level is Level.FAIL
    assert "hidden" not in away.text


def test_redis_away_is_a_warning_since_all_goes_on() -> None:
    assert levels("redis") == [Level.OK]
    assert levels("redis", REDIS_URL="redis://127.0.0.1:1") == [Level.WARN]


def test_redis_that_answers_is_fine(redis_url: str, redis_prefix: str) -> None:
    assert levels("redis", REDIS_URL=redis_url, REDIS_PREFIX=redis_prefix) == [Level.OK]


def test_callbacks_cannot_reach_a_loopback_address() -> None:
    assert levels("callbacks") == [Level.OK]
    real = {"MIGO_BASE_URL": "https://sb-mw.migopayments.com"}
    assert levels("callbacks", **real) == [Level.FAIL]


@pytest.mark.parametrize(
    ("apart", "expected"),
    [(timedelta(), Level.OK), (timedelta(minutes=1), Level.FAIL), (-timedelta(1), Level.FAIL)],
)
def test_a_clock_that_is_wrong_is_a_failure(apart: timedelta, expected: Level) -> None:
    date = format_datetime(datetime.now(UTC) + apart, usegmt=True)
    assert [each.level for each in checks.clock(date)] == [expected]


@pytest.mark.parametrize("zone", ["", " -0000"])
def test_a_date_without_a_zone_is_gmt(zone: str) -> None:
    date = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S}{zone}"
    assert [each.level for each in checks.clock(date)] == [Level.OK]


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_no_date_tells_nothing_of_the_clock(date: str | None) -> None:
    assert list(checks.clock(date)) == []


def test_own_texts_and_products_are_read(tmp_path: Path) -> None:
    texts, catalogue = tmp_path / "texts" / "es", tmp_path / "shop.toml"
    texts.mkdir(parents=True)
    assert levels("texts", TEXTS_DIR=str(texts.parent)) == [Level.OK]
    (texts / "link.txt").write_text("{{ nothing }}")
    [wrong] = found("TEXTS_DIR", TEXTS_DIR=str(texts.parent))
    assert (wrong.level, "link.txt" in wrong.text) == (Level.FAIL, True)
    catalogue.write_text('[[product]]\nname = "Pan"\nprice = "5.00"\ncurrency = "GTQ"\n')
    assert levels("catalogue", CATALOGUE=str(catalogue)) == [Level.OK]
    catalogue.write_text("[[")
    assert levels("CATALOGUE", CATALOGUE=str(catalogue)) == [Level.FAIL]
