"""Turns settings into what each room is told: plain values, one function a room."""

import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Protocol, runtime_checkable

from bot.bulkfiles import read_table
from bot.dispatcher import Composer, FindsSent, Sending, SendMode
from bot.domain.bulk import BulkRow, FileError, check
from bot.domain.calendars import CountryPack, Reminding, read_packs, with_zones
from bot.domain.catalogue import Catalogue, CatalogueError, read_catalogue
from bot.domain.delivery import Purpose
from bot.domain.reminders import Plan, PlanError, read_plans
from bot.domain.staff import Caps
from bot.handlers.batches import bulk_rules
from bot.handlers.rules import Dispatches, Preview, Rules
from bot.migo import AmountUnit, CallbackGate, MigoConfig
from bot.migo.config import UserIdForm
from bot.recurrence import next_slot
from bot.settings import Settings
from bot.texts import Facts, Texts, WhatsAppTemplates
from bot.texts.phrases import Phrases
from bot.wiring.hearing import (
    TelegramSource,
    read_report,
    readers,
    telegram_webhook,
    twilio_channel,
    update_id,
)
from channels.base import Channel, ChannelName
from channels.errors import ChannelError
from channels.registry import ChannelsConfig

__all__ = [
    "HasStartLink",
    "TelegramSource",
    "callback_gate",
    "catalogue",
    "channels_config",
    "composer",
    "file_checker",
    "invite_links",
    "migo_config",
    "plans",
    "read_report",
    "readers",
    "reminding",
    "rules",
    "sending",
    "telegram_webhook",
    "twilio_channel",
    "update_id",
]

_log = logging.getLogger(__name__)
_PREVIEW_URL = "https://…"


def _secret(value: object) -> str | None:
    reveal = getattr(value, "get_secret_value", None)
    return None if reveal is None else str(reveal())


def channels_config(settings: Settings) -> ChannelsConfig:
    """What the couriers are told."""
    twilio, smtp, telegram = settings.twilio, settings.smtp, settings.telegram
    return ChannelsConfig(
        twilio_account_sid=twilio.account_sid,
        twilio_auth_tokens=tuple(token.get_secret_value() for token in twilio.auth_tokens),
        twilio_base_url=twilio.base_url,
        whatsapp_from=twilio.whatsapp_from,
        sms_from=twilio.sms_from,
        messaging_service_sid=twilio.messaging_service_sid,
        smtp_url=_secret(smtp.url),
        email_from=smtp.sender,
        telegram_token=_secret(telegram.bot_token),
        telegram_api_url=telegram.api_url,
        telegram_webhook_secret=_secret(telegram.webhook_secret),
    )


def _new_id() -> str:
    """Twenty hexadecimal digits: the second, and then chance.

    What is made at one time, and so is due at one time, lies together in the database.
    """
    return f"{int(time.time()):08x}{secrets.token_hex(6)}"


def rules(settings: Settings, channels: Mapping[ChannelName, Channel]) -> Rules:
    """What decisions depend on."""
    return Rules(
        couriers=frozenset(channels),
        reports=frozenset(
            name for name, channel in channels.items() if channel.limits.reports_delivery
        ),
        migo_channels=settings.migo.channels,
        currencies=frozenset(settings.migo.currencies),
        dispatches=Dispatches(settings.migo.dispatches),
        new_id=_new_id,
        random=random.SystemRandom().random,
        fallback_after={
            ChannelName(name): timedelta(seconds=seconds)
            for name, seconds in settings.sending.fallback_after_s.items()
        },
        link_ttl=timedelta(days=settings.merchant.link_ttl_days),
        region=settings.merchant.region,
        catalogue=catalogue(settings),
        locale=settings.merchant.locale,
        staff=settings.sending.staff_notify,
        finds=frozenset(
            name for name, channel in channels.items() if isinstance(channel, FindsSent)
        ),
        rates=settings.sending.rates,
        time_zone=settings.merchant.timezone,
        reminding=reminding(settings),
        plans=plans(settings),
        summary_at=settings.staff.summary_at,
        next_slot=next_slot,
        edits=frozenset(name for name, channel in channels.items() if channel.limits.can_replace),
        caps=Caps(settings.staff.caps),
        preview=_preview(settings),
    )


def _preview(settings: Settings) -> Callable[[Preview], str]:
    """Words a link message as it will go out, but for the link."""
    merchant = settings.merchant
    texts = Texts(
        merchant=merchant.name, overrides=merchant.texts_dir, default_locale=merchant.locale
    )

    def preview(wanted: Preview) -> str:
        facts = Facts(
            name=wanted.name, money=wanted.money, concept=wanted.concept, url=_PREVIEW_URL
        )
        return texts.render(
            Purpose.LINK.value, locale=wanted.locale, channel=wanted.channel, facts=facts
        ).text

    return preview


def catalogue(settings: Settings) -> Catalogue:
    """What customers may buy in chat; nothing where no file is named.

    Raises:
        CatalogueError: what is wrong in it, or that it cannot be read.
    """
    path = settings.merchant.catalogue_path
    if path is None:
        return ()
    try:
        text = path.read_text("utf-8")
        return read_catalogue(text, currencies=frozenset(settings.migo.currencies))
    except (OSError, ValueError) as error:
        lines = [f"CATALOGUE: {line}" for line in str(error).splitlines()]
        raise CatalogueError("\n".join(lines)) from error


def _packs() -> Mapping[str, CountryPack]:
    return read_packs(files("bot.domain").joinpath("countries.toml").read_text("utf-8"))


def reminding(settings: Settings) -> Reminding:
    """When and how often customers are reminded.

    Raises:
        PackError: what is wrong with the countries' rules.
    """
    given = settings.reminders
    return Reminding(
        packs=with_zones(_packs(), given.zones),
        hours=given.hours,
        at=given.at,
        cap_day=given.cap_day,
        cap_week=given.cap_week,
        gap=timedelta(hours=given.gap_hours),
        max_steps=given.max_steps,
    )


def plans(settings: Settings) -> Mapping[str, Plan]:
    """The merchant's own reminder plans; none where no file is named.

    Raises:
        PlanError: what is wrong in it, or that it cannot be read.
    """
    path = settings.reminders.plans_path
    if path is None:
        return {}
    try:
        return read_plans(path.read_text("utf-8"), max_steps=settings.reminders.max_steps)
    except (OSError, ValueError) as error:
        raise PlanError(f"REMINDERS_FILE: {error}") from error


@runtime_checkable
class HasStartLink(Protocol):
    """A channel that is opened by a link with words already written."""

    async def start_link(self, payload: str) -> str:
        """The page that opens it."""


def invite_links(
    settings: Settings, channels: Mapping[ChannelName, Channel]
) -> Callable[[str], Awaitable[Mapping[str, str]]]:
    """Gives the ways into the staff for a token, by channel."""

    async def links(token: str) -> Mapping[str, str]:
        found = {}
        telegram: object = channels.get(ChannelName.TELEGRAM)
        if isinstance(telegram, HasStartLink):
            try:
                found["telegram"] = await telegram.start_link(token)
            except ChannelError as error:
                _log.warning("no Telegram link for an invitation: %s", error)
        number = settings.twilio.whatsapp_from
        if ChannelName.WHATSAPP in channels and number is not None:
            found["whatsapp"] = f"https://wa.me/{number.lstrip('+')}?text=/start%20{token}"
        return found

    return links


def migo_config(settings: Settings) -> MigoConfig:
    """What the Migo client is told."""
    migo = settings.migo
    return MigoConfig(
        base_url=migo.base_url,
        client=migo.client,
        amount_unit=AmountUnit(migo.amount_unit),
        currencies=migo.currencies,
        channels=migo.channels,
        link_hosts=migo.link_hosts,
        token=_secret(migo.token),
        public_key=_secret(migo.public_key),
        private_key=_secret(migo.private_key),
        user_id=UserIdForm(migo.user_id),
    )


def callback_gate(settings: Settings) -> CallbackGate:
    """Who may bring payment news."""
    return CallbackGate(
        settings.migo.callback_header,
        tuple(secret.get_secret_value() for secret in settings.migo.callback_secrets),
    )


def composer(settings: Settings) -> Composer:
    """What words messages."""
    merchant = settings.merchant
    path = settings.twilio.templates_path
    return Composer(
        Texts(merchant=merchant.name, overrides=merchant.texts_dir, default_locale=merchant.locale),
        None if path is None else WhatsAppTemplates.load(path),
        phrases=Phrases(merchant=merchant.name, default_locale=merchant.locale),
        time_zone=merchant.timezone,
        locale=merchant.locale,
        one_way=frozenset(code for code, pack in _packs().items() if pack.sms_one_way),
        chat_url=_whatsapp_page(settings),
    )


def _whatsapp_page(settings: Settings) -> str | None:
    """Where a customer writes to us on WhatsApp. Source: WhatsApp docs, "Click to chat"."""
    number = settings.twilio.whatsapp_from
    is_on = ChannelName.WHATSAPP not in dict(settings.channels_off())
    return f"https://wa.me/{number.lstrip('+')}" if number and is_on else None


def file_checker(
    rules: Rules, clock: Callable[[], datetime]
) -> Callable[[bytes], Sequence[BulkRow] | FileError]:
    """What reads and checks a bulk file."""

    def checked(content: bytes) -> Sequence[BulkRow] | FileError:
        try:
            return check(read_table(content), bulk_rules(rules, now=clock()))
        except FileError as error:
            return error

    return checked


def sending(settings: Settings) -> Sending:
    """How messages leave."""
    mode = settings.sending.mode
    return Sending(
        public_url=settings.web.public_url,
        mode=SendMode(mode.kind),
        redirect_to=mode.redirect_to,
    )
