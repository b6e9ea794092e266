"""The environment comes in, one frozen `Settings` goes out, or every fault at once.

Nothing is read when this is imported; a mapping and an optional .env file are all it looks at,
besides whether the files that settings name exist. Only the entrance imports it.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.settings.groups import (
    ClientSettings,
    CoordinationSettings,
    Group,
    LogSettings,
    MerchantSettings,
    MigoSettings,
    ReminderSettings,
    SendingSettings,
    SmtpSettings,
    StaffSettings,
    StoreSettings,
    TelegramSettings,
    TwilioSettings,
    WebSettings,
)
from bot.settings.values import SendMode, SmtpServer
from channels.base import ChannelName

__all__ = ["LocalSettings", "SendMode", "Settings", "SettingsError", "SmtpServer"]


class SettingsError(Exception):
    """The settings cannot be used; the text has one line for each problem."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem, each saying what to do and none showing a value."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Environment(BaseSettings):
    """Groups of settings, read from one flat mapping."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` was given and nothing from the process environment."""
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str], env_file: Path | None = None) -> Self:
        """Read every setting; an empty value counts as absent.

        Args:
            environ: names and values, as `os.environ`; wins over the file.
            env_file: a .env file, ignored where it does not exist.

        Raises:
            SettingsError: something is wrong or missing; all of it is told.
        """
        given = _strip({**_read_file(cls, env_file), **environ})
        problems = cls._cross_check(given)
        try:
            settings = cls.model_validate(cls._by_group(given))
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            problems += [cls._say(detail) for detail in details]
            raise SettingsError(sorted(problems)) from None
        if problems:
            raise SettingsError(sorted(problems))
        return settings

    @classmethod
    def names(cls) -> frozenset[str]:
        """Every variable that is read."""
        return frozenset(name for _, group in cls._groups() for name in _aliases(group))

    def secrets(self) -> frozenset[str]:
        """Every secret value set, for the log's mask; of a URL only its password."""
        return frozenset(part for value in _secrets_in(self) for part in _bare(value))

    @classmethod
    def _groups(cls) -> Iterator[tuple[str, type[Group]]]:
        for name, field in cls.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
                yield name, field.annotation

    @classmethod
    def _by_group(cls, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
        return {
            name: {alias: given[alias] for alias in _aliases(group) if alias in given}
            for name, group in cls._groups()
        }

    @classmethod
    def _cross_check(cls, given: Mapping[str, str]) -> list[str]:
        return [
            f"{name}: has a line break or another control character; remove it"
            for name in sorted(cls.names() & given.keys())
            if not given[name].isprintable()
        ]

    @classmethod
    def _say(cls, detail: ErrorDetails) -> str:
        group, variable = dict(cls._groups())[str(detail["loc"][0])], str(detail["loc"][1])
        if detail["type"] == "missing":
            return f"{variable}: is required; set it to {_aliases(group)[variable]}"
        said = detail["msg"].removeprefix("Value error, ")
        said = said.replace("Input should be", "must be").replace("String should", "must")
        return f"{variable}: {said}"


class Settings(_Environment):
    """Everything the service can be told."""

    store: StoreSettings
    coordination: CoordinationSettings
    web: WebSettings
    merchant: MerchantSettings
    migo: MigoSettings
    twilio: TwilioSettings
    smtp: SmtpSettings
    telegram: TelegramSettings
    sending: SendingSettings
    reminders: ReminderSettings
    staff: StaffSettings
    log: LogSettings

    def channels_off(self) -> list[tuple[ChannelName, str]]:
        """Every channel that cannot send, with the settings that would turn it on."""
        return [
            (channel, "set " + " and ".join(missing))
            for channel in ChannelName
            if (missing := self._missing_for(channel))
        ]

    def _missing_for(self, channel: ChannelName) -> list[str]:
        twilio = self.twilio
        account = {
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_tokens,
        }
        service = twilio.messaging_service_sid
        wanted: dict[ChannelName, Mapping[str, object]] = {
            ChannelName.WHATSAPP: account
            | {"TWILIO_WHATSAPP_FROM": twilio.whatsapp_from or service},
            ChannelName.SMS: account | {"TWILIO_SMS_FROM": twilio.sms_from or service},
            ChannelName.EMAIL: {"SMTP_URL": self.smtp.url, "EMAIL_FROM": self.smtp.sender},
            ChannelName.TELEGRAM: {"TELEGRAM_BOT_TOKEN": self.telegram.bot_token},
        }
        return [name for name, value in wanted[channel].items() if not value]

    @classmethod
    def _cross_check(cls, given: Mapping[str, str]) -> list[str]:
        problems = super()._cross_check(given)
        has_pair = "MIGO_PUBLIC_KEY" in given and "MIGO_PRIVATE_KEY" in given
        if "MIGO_TOKEN" not in given and not has_pair:
            problems.append(
                "MIGO_TOKEN: is required; set it, or both MIGO_PUBLIC_KEY and MIGO_PRIVATE_KEY"
            )
        return problems


class LocalSettings(_Environment):
    """What the verbs need that do not serve: `migrate`, and the clients of `/v1`."""

    store: StoreSettings
    client: ClientSettings
    log: LogSettings

    def api_token(self) -> str | None:
        """The token to call `/v1` with: as set, else as `serve` wrote it, else None."""
        if self.client.token_override:
            return self.client.token_override.get_secret_value()
        try:
            return self.store.token_path.read_text("utf-8").strip() or None
        except OSError:
            return None


def near_misses(environ: Mapping[str, str], env_file: Path | None = None) -> list[tuple[str, str]]:
    """Names that look like a slip of the pen, each with the setting it is close to.

    A name in the file and one in the environment are treated alike; unrelated names are left out.
    """
    known = sorted(Settings.names() | LocalSettings.names())
    given = {**_read_file(Settings, env_file), **environ}
    return [
        (name, close[0])
        for name in sorted(given.keys() - set(known))
        if (close := difflib.get_close_matches(name, known, n=1, cutoff=0.88))
    ]


def _read_file(cls: type[BaseSettings], env_file: Path | None) -> dict[str, str]:
    if env_file is None or not env_file.is_file():
        return {}
    try:
        source = DotEnvSettingsSource(
            cls, env_file=env_file, env_file_encoding="utf-8", case_sensitive=True
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise SettingsError([f"{env_file.name}: cannot be read: {reason}"]) from error
    return {name: value for name, value in source.env_vars.items() if value is not None}


def _strip(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in given.items() if value.strip()}


def _aliases(group: type[Group]) -> dict[str, str | None]:
    return {str(field.alias): field.description for field in group.model_fields.values()}


def _bare(secret: str) -> set[str]:
    if "://" not in secret:
        return {secret}
    password = urlsplit(secret).password or ""
    return {password, unquote(password)} - {""}


def _secrets_in(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case tuple():
            for part in value:
                yield from _secrets_in(part)
        case BaseModel():
            for name in type(value).model_fields:
                yield from _secrets_in(getattr(value, name))
