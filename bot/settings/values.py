"""How each kind of value is written in the environment: lists, maps, URLs, phones, modes.

A text comes in, a checked value goes out or a `ValueError` that says what it must be. The words
of an error never repeat the value, which may be a secret.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit
from zoneinfo import available_timezones

from babel.core import get_global
from pydantic import AfterValidator, BeforeValidator, SecretStr

from bot.domain.hours import Hours, hours_of
from bot.domain.money import from_major, is_currency
from bot.domain.staff import Cap, Role

MIN_SECRET_CHARS = 16
"""Shortest callback secret taken: what guards money must not be guessable."""


def split(text: str) -> tuple[str, ...]:
    """Read `a, b` as two names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def over(defaults: Mapping[str, object]) -> BeforeValidator:
    """Read `a=1,b=2` over the defaults, so that naming one channel keeps the others."""

    def read(text: str) -> dict[str, object]:
        pairs = [part.partition("=") for part in split(text)]
        if not all(right.strip() for _, _, right in pairs):
            raise ValueError("must look like name=value,name=value")
        given = {left.strip(): right.strip() for left, _, right in pairs}
        if unknown := sorted(given.keys() - defaults.keys()):
            raise ValueError(f"does not know {', '.join(unknown)}, only {', '.join(defaults)}")
        return {**defaults, **given}

    return BeforeValidator(read)


def _positive(value: Mapping[str, float]) -> Mapping[str, float]:
    if not all(0 < number < float("inf") for number in value.values()):
        raise ValueError("must have numbers above zero only")
    return MappingProxyType(dict(value))


def _read_only(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


def _split_url(text: str, *schemes: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise ValueError("must be a URL with a valid host and port") from error
    if url.scheme not in schemes:
        raise ValueError("must begin with " + " or ".join(f"{name}://" for name in schemes))
    return url


def _http_url(value: str) -> str:
    url = _split_url(value, "https", "http")
    if not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("must be https://host[:port][/path] without user, query or fragment")
    return value.rstrip("/")


def _database_url(value: SecretStr) -> SecretStr:
    text = re.sub(r"^postgres(ql\+psycopg)?://", "postgresql://", value.get_secret_value())
    text = _hosts_apart(text)
    url = _split_url(text, "sqlite", "postgresql")
    if url.scheme == "sqlite" and not re.fullmatch(r"sqlite:///.*[^/:]", text):
        raise ValueError("must name a file: sqlite:///relative.db or sqlite:////absolute.db")
    if url.scheme == "postgresql" and len(url.path) < 2:
        raise ValueError("must name a database: postgresql://user:password@host:5432/name")
    return SecretStr(text)


def _hosts_apart(text: str) -> str:
    """Several servers, as PostgreSQL's own tools have them in a URL, in its other way to say so.

    Source: PostgreSQL docs, 34.1.1.3, "Specifying Multiple Hosts".
    """
    found = _SEVERAL_HOSTS.fullmatch(text)
    if found is None:
        return text
    user, hosts, name, query = found.groups(default="")
    said = hosts.split(",")
    pairs = [pair.groups("5432") for each in said if (pair := _HOST.fullmatch(each))]
    if len(pairs) < len(said):
        raise ValueError("must be a URL whose hosts are host[:port], with commas between")
    told = {
        "host": ",".join(host.strip("[]") for host, _ in pairs),
        "port": ",".join(port for _, port in pairs),
    }
    # Without it the first that answers would be taken, though it may be a standby.
    wanted = {"target_session_attrs": "read-write"} | dict(parse_qsl(query.removeprefix("?")))
    return f"postgresql://{user}/{name}?{urlencode(told | wanted, safe=',')}"


_SEVERAL_HOSTS = re.compile(r"postgresql://([^/?@]*@)?([^/?@]*,[^/?@]*)/([^?]*)(\?.*)?")
_HOST = re.compile(r"([\w.-]+|\[[\da-fA-F:.]+\])(?::(\d+))?")


def _redis_url(value: SecretStr) -> SecretStr:
    _split_url(value.get_secret_value(), "redis", "rediss", "unix")
    return value


def _phone(value: str) -> str:
    phone = value.removeprefix("whatsapp:")
    if not re.fullmatch(r"\+[1-9]\d{6,14}", phone):
        raise ValueError("must be a phone like +50255551234")
    return phone


def _region(value: str) -> str:
    if value not in get_global("territory_currencies") or not value.isalpha():
        raise ValueError("must be a two-letter country code like GT")
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be an IANA time zone like America/Guatemala")
    return value


def _country_zones(value: str | Mapping[str, str]) -> Mapping[str, str]:
    """Read "MX=America/Tijuana,BR=America/Manaus": a zone for a country that has several."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in split(value)]
    zones = {country.strip(): zone.strip() for country, _, zone in pairs}
    try:
        for country, zone in zones.items():
            _region(country), _time_zone(zone)
    except ValueError as error:
        raise ValueError(f"must be like MX=America/Tijuana; each {error}") from None
    return MappingProxyType(zones)


def _week_hours(value: str | tuple[Hours, ...]) -> tuple[Hours, ...]:
    return hours_of(value) if isinstance(value, str) else value


def _day_time(value: str | time) -> time:
    if isinstance(value, time):
        return value
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value)
    if match is None:
        raise ValueError("must be a time of the day like 10:00")
    return time(int(match[1]), int(match[2]))


def _day_time_or_off(value: str | time | None) -> time | None:
    if value is None or value == "off":
        return None
    try:
        return _day_time(value)
    except ValueError:
        raise ValueError("must be a time of the day like 18:00, or off") from None


def _currencies(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(map(is_currency, value)):
        raise ValueError("must list ISO 4217 codes like GTQ,USD")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for each in value:
            ipaddress.ip_network(each, strict=False)
    except ValueError:
        raise ValueError("must list addresses or networks like 10.0.0.5,10.1.0.0/16") from None
    return value


def _hosts(value: tuple[str, ...]) -> frozenset[str]:
    hosts = frozenset(host.lower() for host in value)
    if not hosts or not all(re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?", host) for host in hosts):
        raise ValueError("must list host or host:port, without https://")
    return hosts


def _callback_secrets(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not value or any(len(secret.get_secret_value()) < MIN_SECRET_CHARS for secret in value):
        raise ValueError(f"must have at least {MIN_SECRET_CHARS} characters in each secret")
    return value


def _existing(value: Path) -> Path:
    if not value.exists():
        raise ValueError("names a path that does not exist")
    return value


def matching(pattern: str, wanted: str) -> AfterValidator:
    """Take only what `pattern` matches whole; `wanted` says what that is."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {wanted}")
        return value

    return AfterValidator(check)


def secret_matching(pattern: str, wanted: str) -> AfterValidator:
    """Do the same for a value that must not be shown."""

    def check(value: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, value.get_secret_value()):
            raise ValueError(f"must be {wanted}")
        return value

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is submitted, and how the connection is protected."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "off"]
    username: str | None
    password: SecretStr | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `smtp://user:password@host:587`, `smtps://host:465` or `smtp://host:25?tls=off`.

        Raises:
            ValueError: the URL is none of these.
        """
        url = _split_url(text, "smtp", "smtps")
        query = parse_qs(url.query)
        if not url.hostname or query not in ({}, {"tls": ["off"]}):
            raise ValueError("must be smtp[s]://user:password@host:port, or end in ?tls=off")
        is_implicit = url.scheme == "smtps"
        return cls(
            host=url.hostname,
            port=url.port or (465 if is_implicit else 587),
            tls="off" if query else "implicit" if is_implicit else "starttls",
            username=unquote(url.username) if url.username else None,
            password=SecretStr(unquote(url.password)) if url.password else None,
        )


def _smtp_url(value: SecretStr) -> SecretStr:
    SmtpServer.parse(value.get_secret_value())
    return value


@dataclass(frozen=True, slots=True)
class SendMode:
    """Whether messages reach customers: `live`, `dry` (nobody) or `redirect` (one phone)."""

    kind: Literal["live", "dry", "redirect"] = "live"
    redirect_to: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `live`, `dry` or `redirect:+50255551234`.

        Raises:
            ValueError: the text is none of these.
        """
        match text.partition(":"):
            case ("live" | "dry" as kind, "", _):
                return cls(kind)
            case ("redirect", ":", phone):
                return cls("redirect", _phone(phone))
        raise ValueError("must be live, dry or redirect:+50255551234")


def _staff_caps(value: object) -> Mapping[tuple[Role, str], Cap]:
    """Read "agent:GTQ=5000/25000/3000,manager:GTQ=…": at once, in a day, alone, in major units."""
    if not isinstance(value, str):
        return dict(value) if isinstance(value, Mapping) else {}
    return dict(_staff_cap(part.strip()) for part in value.split(",") if part.strip())


def _staff_cap(part: str) -> tuple[tuple[Role, str], Cap]:
    match = re.fullmatch(r"([a-z]+):([A-Z]{3})=([0-9.]+)/([0-9.]+)/([0-9.]+)", part)
    wanted = ValueError("must be like agent:GTQ=5000/25000/3000: at once, a day, alone")
    if match is None:
        raise wanted
    try:
        role, currency = Role(match[1]), match[2]
        sums = [from_major(Decimal(match[number]), currency).minor for number in (3, 4, 5)]
    except (ValueError, ArithmeticError):
        raise wanted from None
    return (role, currency), Cap(*sums)


def _send_mode(value: str | SendMode) -> SendMode:
    return value if isinstance(value, SendMode) else SendMode.parse(value)


Url = Annotated[str, AfterValidator(_http_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
Phone = Annotated[str, AfterValidator(_phone)]
Region = Annotated[str, AfterValidator(_region)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
CountryZones = Annotated[Mapping[str, str], BeforeValidator(_country_zones)]
WeekHours = Annotated[tuple[Hours, ...], BeforeValidator(_week_hours)]
DayTime = Annotated[time, BeforeValidator(_day_time)]
DayTimeOrOff = Annotated[time | None, BeforeValidator(_day_time_or_off)]
ExistingPath = Annotated[Path, AfterValidator(_existing)]
Names = Annotated[tuple[str, ...], BeforeValidator(split)]
Networks = Annotated[Names, AfterValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(split)]
CallbackSecrets = Annotated[Secrets, AfterValidator(_callback_secrets)]
Currencies = Annotated[Names, AfterValidator(_currencies)]
Hosts = Annotated[frozenset[str], AfterValidator(_hosts), BeforeValidator(split)]
Rates = Annotated[Mapping[str, float], AfterValidator(_positive)]
ChannelMap = Annotated[Mapping[str, str], AfterValidator(_read_only)]
Mode = Annotated[SendMode, BeforeValidator(_send_mode)]
StaffCaps = Annotated[Mapping[tuple[Role, str], Cap], BeforeValidator(_staff_caps)]
