"""What can be set, in groups, each field under the name that the environment gives it.

A field's description is what its absence is answered with.
"""

from datetime import time
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from bot.domain.calendars import MAX_STEPS
from bot.domain.hours import hours_of
from bot.settings import values
from channels.base import ChannelName

MIGO_CHANNELS = MappingProxyType(
    {
        "whatsapp": "wa",
        "sms": "sms",
        "email": "email",
        "telegram": "app",
        "app": "app",
        "web": "web",
    }
)
SEND_RATES = MappingProxyType({"whatsapp": 80.0, "sms": 10.0, "email": 20.0, "telegram": 30.0})
CUSTOMER_RATES = MappingProxyType({"whatsapp": 0.1667, "telegram": 1.0})
FALLBACK_AFTER_S = MappingProxyType({name.value: 600.0 for name in ChannelName})


class Group(BaseModel):
    """Settings that belong together; read only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(Group):
    """Where facts are kept."""

    url: values.DatabaseUrl = Field(SecretStr("sqlite:///paybot.db"), alias="DATABASE_URL")
    data_dir_override: Path | None = Field(None, alias="DATA_DIR")
    spool_dir_override: Path | None = Field(None, alias="SPOOL_DIR")

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None on PostgreSQL."""
        text = self.url.get_secret_value()
        return Path(text.removeprefix("sqlite:///")) if text.startswith("sqlite:") else None

    @property
    def data_dir(self) -> Path:
        """Where the spool and the first token lie: beside a database file, else here."""
        if self.data_dir_override:
            return self.data_dir_override
        return self.sqlite_path.parent if self.sqlite_path else Path()

    @property
    def spool_dir(self) -> Path:
        """Where callbacks are kept that the database cannot take."""
        return self.spool_dir_override or self.data_dir / "spool"

    @property
    def token_path(self) -> Path:
        """Where `serve` writes the `/v1` token that it makes when none is set."""
        return self.data_dir / "paybot.token"


class CoordinationSettings(Group):
    """Where processes meet; without a URL each keeps to itself."""

    url: values.RedisUrl | None = Field(None, alias="REDIS_URL")
    prefix: str = Field("paybot:", alias="REDIS_PREFIX")


class WebSettings(Group):
    """Where the doors are."""

    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(8000, alias="PORT", ge=0, le=65535)
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, alias="METRICS_PORT")
    public_url_override: values.Url | None = Field(None, alias="PUBLIC_URL")
    api_tokens: values.Secrets = Field((), alias="API_TOKENS")
    trusted_proxies: values.Networks = Field((), alias="TRUSTED_PROXIES")

    @property
    def public_url(self) -> str:
        """What providers were told, without a slash at the end; signatures cover it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url_override or f"http://{host}:{self.port}"


class MerchantSettings(Group):
    """Who is paid, and how they speak."""

    name: str = Field("Paybot", alias="MERCHANT_NAME", max_length=60)
    region: values.Region = Field("GT", alias="DEFAULT_REGION")
    locale: Annotated[
        str, values.matching(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,4})*", "a language like es or pt-BR")
    ] = Field("es", alias="DEFAULT_LOCALE")
    timezone: values.TimeZone = Field("America/Guatemala", alias="TIMEZONE")
    texts_dir: values.ExistingPath | None = Field(None, alias="TEXTS_DIR")
    catalogue_path: values.ExistingPath | None = Field(None, alias="CATALOGUE")
    link_ttl_days: int = Field(30, alias="LINK_TTL_DAYS", ge=1, le=365)


class MigoSettings(Group):
    """The payment company."""

    base_url: values.Url = Field("https://sb-mw.migopayments.com", alias="MIGO_BASE_URL")
    client: str = Field(alias="MIGO_CLIENT", description="the merchant's slug at Migo")
    token: SecretStr | None = Field(None, alias="MIGO_TOKEN")
    public_key: SecretStr | None = Field(None, alias="MIGO_PUBLIC_KEY")
    private_key: SecretStr | None = Field(None, alias="MIGO_PRIVATE_KEY")
    amount_unit: Literal["minor", "major"] = Field(
        alias="MIGO_AMOUNT_UNIT",
        description="minor (integer cents) or major (whole units), as Migo does for this client",
    )
    dispatches: Literal["unknown", "yes", "no"] = Field("unknown", alias="MIGO_DISPATCHES")
    currencies: values.Currencies = Field(("GTQ",), alias="MIGO_CURRENCIES")
    channels: Annotated[values.ChannelMap, values.over(MIGO_CHANNELS)] = Field(
        default_factory=lambda: MIGO_CHANNELS, alias="MIGO_CHANNELS"
    )
    user_id: Literal["plus", "digits"] = Field("plus", alias="MIGO_USER_ID")
    link_hosts: values.Hosts = Field(
        frozenset({"sandbox.migopayments.com", "web.migopayments.com"}), alias="MIGO_LINK_HOSTS"
    )
    callback_header: Annotated[
        str, BeforeValidator(str.lower), values.matching(r"[a-z0-9-]+", "a header name")
    ] = Field("x-api-key", alias="MIGO_CALLBACK_HEADER")
    callback_secrets: values.CallbackSecrets = Field(
        alias="MIGO_CALLBACK_SECRET",
        description="the value of the static header, at least 16 characters, as agreed with Migo",
    )


class TwilioSettings(Group):
    """The carrier of WhatsApp and SMS."""

    account_sid: Annotated[str, values.matching(r"AC\w+", "an account SID (AC…)")] | None = Field(
        None, alias="TWILIO_ACCOUNT_SID"
    )
    auth_tokens: values.Secrets = Field((), alias="TWILIO_AUTH_TOKEN")
    base_url: values.Url = Field("https://api.twilio.com", alias="TWILIO_BASE_URL")
    whatsapp_from: values.Phone | None = Field(None, alias="TWILIO_WHATSAPP_FROM")
    sms_from: values.Phone | None = Field(None, alias="TWILIO_SMS_FROM")
    messaging_service_sid: (
        Annotated[str, values.matching(r"MG\w+", "a messaging service SID (MG…)")] | None
    ) = Field(None, alias="TWILIO_MESSAGING_SERVICE_SID")
    templates_path: values.ExistingPath | None = Field(None, alias="WHATSAPP_TEMPLATES")


class SmtpSettings(Group):
    """The mail relay."""

    url: values.SmtpUrl | None = Field(None, alias="SMTP_URL")
    sender: (
        Annotated[str, values.matching(r"[^\s@]+@[^\s@]+|.+ <[^\s@]+@[^\s@]+>", "an address")]
        | None
    ) = Field(None, alias="EMAIL_FROM")

    @property
    def server(self) -> values.SmtpServer | None:
        """What the URL says, taken apart."""
        return values.SmtpServer.parse(self.url.get_secret_value()) if self.url else None


class TelegramSettings(Group):
    """The bot; with a webhook secret it is called, without one it polls."""

    bot_token: (
        Annotated[SecretStr, values.secret_matching(r"\d+:[\w-]+", "the token BotFather gave")]
        | None
    ) = Field(None, alias="TELEGRAM_BOT_TOKEN")
    api_url: values.Url = Field("https://api.telegram.org", alias="TELEGRAM_API_URL")
    webhook_secret: (
        Annotated[SecretStr, values.secret_matching(r"[\w-]{1,256}", "1-256 of A-Z a-z 0-9 _ -")]
        | None
    ) = Field(None, alias="TELEGRAM_WEBHOOK_SECRET")


class SendingSettings(Group):
    """How fast, to whom, and when another channel takes over."""

    rates: Annotated[values.Rates, values.over(SEND_RATES)] = Field(
        default_factory=lambda: SEND_RATES, alias="SEND_RATES"
    )
    customer_rates: Annotated[values.Rates, values.over(CUSTOMER_RATES)] = Field(
        default_factory=lambda: CUSTOMER_RATES, alias="CUSTOMER_RATES"
    )
    mode: values.Mode = Field(values.SendMode(), alias="SEND_MODE")
    staff_notify: (
        Annotated[
            str,
            values.matching(
                r"telegram:-?\d+|(whatsapp|sms):\+\d{7,15}|email:[^\s@]+@[^\s@]+",
                "telegram:<chat id>, whatsapp:+…, sms:+… or email:…",
            ),
        ]
        | None
    ) = Field(None, alias="STAFF_NOTIFY")
    fallback_after_s: Annotated[values.Rates, values.over(FALLBACK_AFTER_S)] = Field(
        default_factory=lambda: FALLBACK_AFTER_S, alias="FALLBACK_AFTER"
    )


class ReminderSettings(Group):
    """When and how often customers are reminded, inside what their country allows."""

    hours: values.WeekHours = Field(hours_of("mon-sat 09:00-18:00"), alias="REMINDER_HOURS")
    at: values.DayTime = Field(time(10), alias="REMINDER_TIME")
    cap_day: int = Field(1, alias="REMINDER_CAP_DAY", ge=1, le=10)
    cap_week: int = Field(2, alias="REMINDER_CAP_WEEK", ge=1, le=50)
    gap_hours: int = Field(20, alias="REMINDER_GAP_HOURS", ge=1, le=720)
    max_steps: int = Field(3, alias="REMINDER_MAX", ge=0, le=MAX_STEPS)
    plans_path: values.ExistingPath | None = Field(None, alias="REMINDERS_FILE")
    zones: values.CountryZones = Field(default_factory=dict, alias="TIME_ZONES")


class StaffSettings(Group):
    """How much those who send links from a chat may ask for, and when they are told of the day."""

    caps: values.StaffCaps = Field(default_factory=dict, alias="STAFF_CAPS")
    summary_at: values.DayTimeOrOff = Field(time(18), alias="SUMMARY_TIME")


class LogSettings(Group):
    """What is told, and in which form; no format means text on a terminal, else JSON."""

    format: Literal["text", "json"] | None = Field(None, alias="LOG_FORMAT")
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
    ] = Field("INFO", alias="LOG_LEVEL")


class ClientSettings(Group):
    """Where the verbs that act on payments find the service."""

    url: values.Url = Field("http://127.0.0.1:8000", alias="PAYBOT_URL")
    token_override: SecretStr | None = Field(None, alias="PAYBOT_TOKEN")
