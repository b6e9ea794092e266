"""Settings come from a mapping alone, complete and checked, or tell every fault at once."""

import dataclasses
from datetime import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.domain.hours import hours_of
from bot.settings import LocalSettings, Settings, SettingsError, SmtpServer, near_misses
from bot.store.engine import make_engine
from channels.base import ChannelName

NEEDED = {
    "MIGO_CLIENT": "acme",
    "MIGO_AMOUNT_UNIT": "minor",
    "MIGO_TOKEN": "migo-token-value",
    "MIGO_CALLBACK_SECRET": "callback-secret-1",
}


def load(**more: str) -> Settings:
    return Settings.load({**NEEDED, **more})


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return caught.value.problems


def test_defaults_are_the_contract() -> None:
    settings = load()
    assert settings.store.url.get_secret_value() == "sqlite:///paybot.db"
    assert settings.coordination.url is None
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8000)
    assert settings.web.public_url == "http://127.0.0.1:8000"
    assert settings.web.api_tokens == ()
    merchant = settings.merchant
    assert (merchant.name, merchant.region, merchant.locale) == ("Paybot", "GT", "es")
    assert merchant.timezone == "America/Guatemala"
    migo = settings.migo
    assert migo.base_url == "https://sb-mw.migopayments.com"
    assert (migo.dispatches, migo.user_id, migo.callback_header) == ("unknown", "plus", "x-api-key")
    assert migo.currencies == ("GTQ",)
    assert migo.link_hosts == {"sandbox.migopayments.com", "web.migopayments.com"}
    assert dict(migo.channels) == {
        "whatsapp": "wa",
        "sms": "sms",
        "email": "email",
        "telegram": "app",
        "app": "app",
        "web": "web",
    }
    assert settings.twilio.base_url == "https://api.twilio.com"
    assert settings.telegram.api_url == "https://api.telegram.org"
    assert dict(settings.sending.rates) == {"whatsapp": 80, "sms": 10, "email": 20, "telegram": 30}
    assert settings.sending.mode.kind == "live"
    assert set(settings.sending.fallback_after_s.values()) == {600.0}
    assert (settings.log.format, settings.log.level) == (None, "INFO")


def test_defaults_of_reminders_are_the_contract() -> None:
    given = load().reminders
    assert given.hours == hours_of("mon-sat 09:00-18:00")
    assert (given.at, given.gap_hours, given.max_steps) == (time(10), 20, 3)
    assert (given.cap_day, given.cap_week) == (1, 2)
    assert (given.plans_path, dict(given.zones)) == (None, {})


def test_reminders_are_told_when_and_where() -> None:
    given = load(
        REMINDER_HOURS="mon-fri 08:00-24:00",
        REMINDER_TIME="9:30",
        TIME_ZONES="MX=America/Tijuana, BR = America/Manaus",
    ).reminders
    assert given.hours == hours_of("mon-fri 08:00-24:00")
    assert given.at == time(9, 30)
    assert dict(given.zones) == {"MX": "America/Tijuana", "BR": "America/Manaus"}


def test_everything_missing_is_told_at_once() -> None:
    told = problems({})
    assert [line.partition(":")[0] for line in told] == [
        "MIGO_AMOUNT_UNIT",
        "MIGO_CALLBACK_SECRET",
        "MIGO_CLIENT",
        "MIGO_TOKEN",
    ]
    assert all("set it" in line for line in told)


def test_wrong_and_missing_are_told_together() -> None:
    told = problems({"PORT": "seventy", "SEND_RATES": "sms", "TIMEZONE": "Mars/Olympus"})
    names = {line.partition(":")[0] for line in told}
    assert {"PORT", "SEND_RATES", "TIMEZONE", "MIGO_CLIENT", "MIGO_TOKEN"} <= names


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "sqlite:paybot.db"),
        ("DATABASE_URL", "sqlite:////folder/"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite://host/file.db"),
        ("DATABASE_URL", "postgresql://host"),
        ("DATABASE_URL", "postgresql://host:port/db"),
        ("REDIS_URL", "http://host"),
        ("HOST", "line\nbreak"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PUBLIC_URL", "ftp://host"),
        ("PUBLIC_URL", "https://user@host"),
        ("PUBLIC_URL", "https://host/?q=1"),
        ("DEFAULT_REGION", "gt"),
        ("DEFAULT_REGION", "Guatemala"),
        ("DEFAULT_LOCALE", "Spanish!"),
        ("TIMEZONE", "Guatemala"),
        ("REMINDER_HOURS", "9-18"),
        ("REMINDER_HOURS", "mon 18:00-09:00"),
        ("REMINDER_TIME", "10"),
        ("REMINDER_TIME", "24:00"),
        ("REMINDER_CAP_DAY", "0"),
        ("REMINDER_CAP_WEEK", "many"),
        ("REMINDER_GAP_HOURS", "0"),
        ("REMINDER_MAX", "6"),
        ("REMINDERS_FILE", "no/such/file.toml"),
        ("TIME_ZONES", "MX"),
        ("TIME_ZONES", "MX=Tijuana"),
        ("TIME_ZONES", "Mexico=America/Tijuana"),
        ("MIGO_AMOUNT_UNIT", "cents"),
        ("MIGO_DISPATCHES", "maybe"),
        ("MIGO_CURRENCIES", "GTQ,QQQ"),
        ("MIGO_CURRENCIES", ","),
        ("MIGO_CHANNELS", "fax=fx"),
        ("MIGO_CHANNELS", "sms="),
        ("MIGO_USER_ID", "raw"),
        ("MIGO_LINK_HOSTS", "https://web.migopayments.com"),
        ("MIGO_CALLBACK_HEADER", "x api key"),
        ("MIGO_CALLBACK_SECRET", "fifteen-chars-x"),
        ("MIGO_CALLBACK_SECRET", "long-enough-secret,short"),
        ("MIGO_CALLBACK_SECRET", ","),
        ("TWILIO_ACCOUNT_SID", "SK123"),
        ("TWILIO_WHATSAPP_FROM", "50255551234"),
        ("TWILIO_SMS_FROM", "+0123"),
        ("TWILIO_MESSAGING_SERVICE_SID", "AC123"),
        ("WHATSAPP_TEMPLATES", "no/such/file.toml"),
        ("SMTP_URL", "http://host"),
        ("SMTP_URL", "smtp://host?tls=maybe"),
        ("SMTP_URL", "smtp://"),
        ("EMAIL_FROM", "nobody"),
        ("TELEGRAM_BOT_TOKEN", "not-a-token"),
        ("TELEGRAM_WEBHOOK_SECRET", "has space"),
        ("SEND_RATES", "sms=fast"),
        ("SEND_RATES", "sms=0"),
        ("SEND_RATES", "sms=inf"),
        ("SEND_RATES", "pigeon=1"),
        ("SEND_MODE", "redirect:"),
        ("SEND_MODE", "redirect:ana"),
        ("SEND_MODE", "dry:+50255551234"),
        ("SEND_MODE", "off"),
        ("FALLBACK_AFTER", "sms=-1"),
        ("SUMMARY_TIME", "25:00"),
        ("SUMMARY_TIME", "never"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_one_line_under_its_name_without_the_value(name: str, value: str) -> None:
    (line,) = problems({**NEEDED, name: value})
    assert line.startswith(f"{name}: ")
    if len(value) > 4 and name.endswith(("_URL", "SECRET", "TOKEN")):
        assert value not in line


def test_the_summary_has_an_hour_or_is_off() -> None:
    assert load().staff.summary_at == time(18)
    assert load(SUMMARY_TIME="7:05").staff.summary_at == time(7, 5)
    assert load(SUMMARY_TIME="off").staff.summary_at is None


def test_a_key_pair_stands_in_for_the_token() -> None:
    pair = {"MIGO_PUBLIC_KEY": "public-key-value", "MIGO_PRIVATE_KEY": "private-key-value"}
    without_token = {name: value for name, value in NEEDED.items() if name != "MIGO_TOKEN"}
    assert Settings.load({**without_token, **pair}).migo.token is None
    (line,) = problems({**without_token, "MIGO_PUBLIC_KEY": "public-key-value"})
    assert "MIGO_PRIVATE_KEY" in line


def test_naming_one_channel_keeps_the_others() -> None:
    settings = load(SEND_RATES="sms=2.5", MIGO_CHANNELS="telegram = web", FALLBACK_AFTER="sms=30")
    assert dict(settings.sending.rates) == {"whatsapp": 80, "sms": 2.5, "email": 20, "telegram": 30}
    assert (settings.migo.channels["telegram"], settings.migo.channels["whatsapp"]) == ("web", "wa")
    assert settings.sending.fallback_after_s == {
        "whatsapp": 600.0,
        "sms": 30.0,
        "email": 600.0,
        "telegram": 600.0,
    }


def test_lists_are_split_and_trimmed() -> None:
    settings = load(
        API_TOKENS=" one , two ,",
        MIGO_CURRENCIES="GTQ, USD",
        MIGO_LINK_HOSTS="Web.Example.com,127.0.0.1:8010",
        MIGO_CALLBACK_SECRET="old-secret-value-1, new-secret-value-2",
    )
    assert [token.get_secret_value() for token in settings.web.api_tokens] == ["one", "two"]
    assert settings.migo.currencies == ("GTQ", "USD")
    assert settings.migo.link_hosts == {"web.example.com", "127.0.0.1:8010"}
    secrets = [secret.get_secret_value() for secret in settings.migo.callback_secrets]
    assert secrets == ["old-secret-value-1", "new-secret-value-2"]


@pytest.mark.parametrize(
    ("url", "path", "data_dir"),
    [
        ("sqlite:///paybot.db", Path("paybot.db"), Path()),
        ("sqlite:////var/lib/paybot/p.db", Path("/var/lib/paybot/p.db"), Path("/var/lib/paybot")),
        ("postgresql://user:pass@host:5432/pay", None, Path()),
    ],
)
def test_the_database_tells_where_files_lie(url: str, path: Path | None, data_dir: Path) -> None:
    store = load(DATABASE_URL=url).store
    assert (store.sqlite_path, store.data_dir) == (path, data_dir)
    assert store.token_path.parent == data_dir


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_has_one_spelling_inside(scheme: str) -> None:
    url = load(DATABASE_URL=f"{scheme}://user@host/pay").store.url
    assert url.get_secret_value() == "postgresql://user@host/pay"


@pytest.mark.parametrize(
    ("said", "host", "port", "target"),
    [
        ("u:p@one:5433,two/pay", "one,two", "5433,5432", "read-write"),
        (
            "u:p@[::1]:1,10.0.0.2:2/pay?target_session_attrs=primary",
            "::1,10.0.0.2",
            "1,2",
            "primary",
        ),
        ("u:p@/pay?host=one:1&host=two:2&target_session_attrs=any", "one,two", "1,2", "any"),
    ],
)
def test_several_postgres_servers_may_be_named(
    said: str, host: str, port: str, target: str
) -> None:
    url = load(DATABASE_URL=f"postgres://{said}").store.url
    engine = make_engine(url.get_secret_value())
    _, told = engine.dialect.create_connect_args(engine.url)
    assert (told["user"], told["password"], told["dbname"]) == ("u", "p", "pay")
    assert (told["host"], told["port"], told["target_session_attrs"]) == (host, port, target)


@pytest.mark.parametrize("hosts", ["one:x,two", "one,,two", "one:1,two:2:3"])
def test_hosts_that_are_none_are_refused(hosts: str) -> None:
    (line,) = problems({**NEEDED, "DATABASE_URL": f"postgresql://u:hidden@{hosts}/pay"})
    assert "DATABASE_URL" in line
    assert "with commas between" in line
    assert "hidden" not in line


def test_a_data_dir_wins_over_the_place_of_the_database() -> None:
    assert load(DATA_DIR="/data").store.token_path == Path("/data/paybot.token")


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "username"),
    [
        ("smtp://ana:p%40ss@mail.example.com:587", "mail.example.com", 587, "starttls", "ana"),
        ("smtp://mail.example.com", "mail.example.com", 587, "starttls", None),
        ("smtps://ana:p%40ss@mail.example.com", "mail.example.com", 465, "implicit", "ana"),
        ("smtp://127.0.0.1:2525?tls=off", "127.0.0.1", 2525, "off", None),
    ],
)
def test_smtp_url_forms(url: str, host: str, port: int, tls: str, username: str | None) -> None:
    server = load(SMTP_URL=url).smtp.server
    assert isinstance(server, SmtpServer)
    assert (server.host, server.port, server.tls, server.username) == (host, port, tls, username)
    assert (server.password and server.password.get_secret_value()) == (username and "p@ss")


@pytest.mark.parametrize(
    ("text", "kind", "redirect_to"),
    [
        ("live", "live", None),
        ("dry", "dry", None),
        ("redirect:+50255551234", "redirect", "+50255551234"),
    ],
)
def test_send_modes(text: str, kind: str, redirect_to: str | None) -> None:
    mode = load(SEND_MODE=text).sending.mode
    assert (mode.kind, mode.redirect_to) == (kind, redirect_to)


def test_public_url_has_no_slash_at_the_end_and_knows_ipv6() -> None:
    assert load(PUBLIC_URL="https://pay.example.com/").web.public_url == "https://pay.example.com"
    assert load(HOST="::1", PORT="9").web.public_url == "http://[::1]:9"


def test_channels_without_credentials_are_off_and_say_why() -> None:
    off = dict(load(TWILIO_ACCOUNT_SID="AC1", EMAIL_FROM="a@example.com").channels_off())
    assert off == {
        ChannelName.WHATSAPP: "set TWILIO_AUTH_TOKEN and TWILIO_WHATSAPP_FROM",
        ChannelName.SMS: "set TWILIO_AUTH_TOKEN and TWILIO_SMS_FROM",
        ChannelName.EMAIL: "set SMTP_URL",
        ChannelName.TELEGRAM: "set TELEGRAM_BOT_TOKEN",
    }


def test_a_messaging_service_is_a_sender_too() -> None:
    settings = load(
        TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKEN="token-1", TWILIO_MESSAGING_SERVICE_SID="MG1"
    )
    assert [channel for channel, _ in settings.channels_off()] == [
        ChannelName.EMAIL,
        ChannelName.TELEGRAM,
    ]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\nMIGO_CLIENT=from-file\nMERCHANT_NAME='Café Ana'\nPORT=\n")
    settings = Settings.load(NEEDED, file)
    assert settings.migo.client == "acme"
    assert settings.merchant.name == "Café Ana"
    assert settings.web.port == 8000


def test_a_file_that_is_absent_is_no_fault_but_an_unreadable_one_is(tmp_path: Path) -> None:
    assert Settings.load(NEEDED, tmp_path / "none").migo.client == "acme"
    broken = tmp_path / ".env"
    broken.write_bytes(b"MERCHANT_NAME=\xff\xfe\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        Settings.load(NEEDED, broken)


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1234")
    monkeypatch.setenv("web", '{"PORT": 4321}')
    assert load().web.port == 8000


def test_no_secret_shows_in_any_print() -> None:
    secrets = {
        "DATABASE_URL": "postgresql://u:canary-db@host/pay",
        "REDIS_URL": "redis://:canary-redis@host",
        "API_TOKENS": "canary-api",
        "MIGO_TOKEN": "canary-migo",
        "MIGO_PUBLIC_KEY": "canary-public",
        "MIGO_PRIVATE_KEY": "canary-private",
        "MIGO_CALLBACK_SECRET": "canary-callback-secret",
        "TWILIO_AUTH_TOKEN": "canary-twilio",
        "SMTP_URL": "smtp://u:canary-smtp@host",
        "TELEGRAM_BOT_TOKEN": "123:canary-telegram",
        "TELEGRAM_WEBHOOK_SECRET": "canary-webhook",
    }
    settings = load(**secrets)
    shown = repr(settings) + str(settings)
    assert "canary" not in shown
    assert "canary" not in repr(settings.smtp.server)
    known = settings.secrets()
    assert {value for value in known if "canary" in value} == {
        "canary-db",
        "canary-redis",
        "canary-api",
        "canary-migo",
        "canary-public",
        "canary-private",
        "canary-callback-secret",
        "canary-twilio",
        "canary-smtp",
        "123:canary-telegram",
        "canary-webhook",
    }
    assert known == {value for value in known if "canary" in value}


def test_nothing_can_be_changed_afterwards() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.web.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.sending.rates["sms"] = 1e9  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.sending.mode.kind = "dry"  # type: ignore[misc]


def test_local_verbs_need_nothing_and_find_the_written_token(tmp_path: Path) -> None:
    local = LocalSettings.load({"DATABASE_URL": f"sqlite:///{tmp_path}/p.db"})
    assert local.client.url == "http://127.0.0.1:8000"
    assert local.api_token() is None
    (tmp_path / "paybot.token").write_text("written-by-serve\n")
    assert local.api_token() == "written-by-serve"
    assert LocalSettings.load({"PAYBOT_TOKEN": "given"}).api_token() == "given"


def test_slips_of_the_pen_are_noticed_and_strangers_are_not() -> None:
    environ = {"TWILIO_ACOUNT_SID": "AC1", "MIGO_CALBACK_SECRET": "x", "HOME": "/", "PATH": "/"}
    assert near_misses(environ) == [
        ("MIGO_CALBACK_SECRET", "MIGO_CALLBACK_SECRET"),
        ("TWILIO_ACOUNT_SID", "TWILIO_ACCOUNT_SID"),
    ]
