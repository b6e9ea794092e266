"""What can be chosen about the emulated providers; secrets are random unless given."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from bot.sandbox.people import Person

AmountUnit = Literal["minor", "major"]


def utc_now() -> datetime:
    """Give the machine's time as an aware UTC value."""
    return datetime.now(UTC)


def _hex(digits: int) -> Callable[[], str]:
    return lambda: secrets.token_hex(digits // 2)


def _telegram_token() -> str:
    # Clients check the shape: digits, a colon, and 35 characters that begin with AA.
    return f"{secrets.randbelow(10**9) + 10**9}:AA{secrets.token_urlsafe(25)[:33]}"


@dataclass(frozen=True, slots=True)
class MigoConfig:
    """One merchant at the emulated Migo.

    `min_minor` and `max_minor` bound an amount in minor units. `callback_extras` are the fields
    put into the callback beside the documented five. `callback_retries` repeats a callback that
    was not answered with 2xx; `retry_delay_s` doubles each time.

    Source: Migo docs "Create a Payment Link"; which extras a real callback has is not confirmed.
    """

    token: str = field(default_factory=_hex(64), repr=False)
    public_key: str = field(default_factory=_hex(32), repr=False)
    private_key: str = field(default_factory=_hex(64), repr=False)
    # The one slug that Migo's sandbox cheat sheet makes public.
    client: str = "migoDeveloper"
    merchant: str = "Sandbox Merchant"
    amount_unit: AmountUnit = "minor"
    currencies: tuple[str, ...] = ("GTQ", "USD")
    channels: tuple[str, ...] = ("wa", "sms", "email", "web", "app")
    min_minor: int = 1
    max_minor: int = 5_000_000
    customers: Mapping[str, Literal["blocked", "suspended", "excluded"]] = field(
        default_factory=dict
    )
    callback_header: str = "x-api-key"
    callback_secret: str = field(default_factory=_hex(48), repr=False)
    callback_extras: tuple[str, ...] = ("externalId", "customKeys")
    callback_retries: int = 0
    retry_delay_s: float = 1.0


@dataclass(frozen=True, slots=True)
class TwilioConfig:
    """One account at the emulated Twilio.

    `create_latency_s` holds back the answer to each create; `step_s` is the pause between two
    delivery statuses. `advanced_opt_out` puts `OptOutType` into inbound messages.
    """

    account_sid: str = field(default_factory=lambda: "AC" + secrets.token_hex(16))
    auth_token: str = field(default_factory=_hex(32), repr=False)
    whatsapp_from: str = "+14155238886"
    sms_from: str = "+15005550006"
    messaging_service_sid: str = field(default_factory=lambda: "MG" + secrets.token_hex(16))
    create_latency_s: float = 0.0
    step_s: float = 0.0
    advanced_opt_out: bool = False


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """One bot at the emulated Telegram; `retry_s` is the first pause before redelivery."""

    token: str = field(default_factory=_telegram_token, repr=False)
    username: str = "paybot_sandbox_bot"
    name: str = "Paybot"
    retry_s: float = 1.0
    retry_max_s: float = 60.0


def _seller() -> Person:
    return Person("staff", "Vendedora", phone="+50255550900", telegram_id=700000900)


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything about a sandbox; the defaults run the demo.

    `people` are customers, the first of them shown first; `staff` sells to them from a phone of her
    own. Their phones show the time of `time_zone`. `keep` bounds each list
    of things that happened, oldest forgotten first.
    """

    migo: MigoConfig = field(default_factory=MigoConfig)
    twilio: TwilioConfig = field(default_factory=TwilioConfig)
    telegram: TelegramConfig = field(default_factory=TelegramConfig)
    email_from: str = "pagos@sandbox.example"
    people: tuple[Person, ...] = (
        Person("ana", "Ana", phone="+50255550101", email="ana@example.com", telegram_id=700000101),
    )
    staff: Person = field(default_factory=_seller)
    time_zone: str = "America/Guatemala"
    keep: int = 20_000
    webhook_timeout_s: float = 15.0
    now: Callable[[], datetime] = utc_now
