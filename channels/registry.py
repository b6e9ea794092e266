"""Channel name to constructor: the one file that names concrete channels.

Builds those that are configured. Connects to nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from channels.base import Channel, ChannelName
from channels.outcome import HttpClient


@dataclass(frozen=True, slots=True)
class ChannelsConfig:
    """Plain values; a channel without its own is off.

    WhatsApp and SMS want an account and a sender of theirs or a messaging service; email wants a
    relay and a sender; Telegram wants a token.
    """

    twilio_account_sid: str | None = None
    twilio_auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    twilio_base_url: str = "https://api.twilio.com"
    whatsapp_from: str | None = None
    sms_from: str | None = None
    messaging_service_sid: str | None = None
    smtp_url: str | None = field(default=None, repr=False)
    email_from: str | None = None
    telegram_token: str | None = field(default=None, repr=False)
    telegram_api_url: str = "https://api.telegram.org"
    telegram_webhook_secret: str | None = field(default=None, repr=False)


def build_channels(
    config: ChannelsConfig,
    *,
    clock: Callable[[], datetime],
    client: HttpClient | None = None,
) -> Mapping[ChannelName, Channel]:
    """Build the channels that are configured.

    Args:
        config: what each needs; wrong values of a channel that is on are an error.
        clock: gives the aware present time.
        client: carries Twilio's exchanges, from `new_client`, closed by its owner; without one
            each channel has its own.

    Raises:
        ValueError: a value is not what its channel takes.
    """
    # Each import costs, up to a third of a second for Twilio's: none for a channel that is off.
    return {
        **_twilio_channels(config, clock, client),
        **_email_channel(config, clock),
        **_telegram_channel(config, clock),
    }


def _twilio_channels(
    config: ChannelsConfig, clock: Callable[[], datetime], client: HttpClient | None
) -> dict[ChannelName, Channel]:
    service = config.messaging_service_sid
    if not config.twilio_account_sid or not (config.whatsapp_from or config.sms_from or service):
        return {}
    from channels.sms import Sms
    from channels.twilio import TwilioAccount
    from channels.whatsapp import WhatsApp

    account = TwilioAccount(
        config.twilio_account_sid, config.twilio_auth_tokens, config.twilio_base_url
    )
    built: dict[ChannelName, Channel] = {}
    if config.whatsapp_from or service:
        built[ChannelName.WHATSAPP] = WhatsApp(
            account,
            sender=config.whatsapp_from,
            messaging_service_sid=service,
            client=client,
            clock=clock,
        )
    if config.sms_from or service:
        built[ChannelName.SMS] = Sms(
            account,
            sender=config.sms_from,
            messaging_service_sid=service,
            client=client,
            clock=clock,
        )
    return built


def _email_channel(
    config: ChannelsConfig, clock: Callable[[], datetime]
) -> dict[ChannelName, Channel]:
    if not config.smtp_url or not config.email_from:
        return {}
    from channels.email import Email

    return {ChannelName.EMAIL: Email(config.smtp_url, config.email_from, clock=clock)}


def _telegram_channel(
    config: ChannelsConfig, clock: Callable[[], datetime]
) -> dict[ChannelName, Channel]:
    if not config.telegram_token:
        return {}
    from channels.telegram import Telegram

    telegram = Telegram(
        config.telegram_token,
        api_url=config.telegram_api_url,
        webhook_secret=config.telegram_webhook_secret,
        clock=clock,
    )
    return {ChannelName.TELEGRAM: telegram}
