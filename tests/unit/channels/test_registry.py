"""Which channels are built of which values, and what that costs."""

import subprocess
import sys
from dataclasses import replace

import pytest

from channels.base import Channel, ChannelName, InboundChannel
from channels.registry import ChannelsConfig, build_channels
from tests.contract.channel_case import clock

FULL = ChannelsConfig(
    twilio_account_sid="AC1",
    twilio_auth_tokens=("tok-1",),
    whatsapp_from="+14155238886",
    sms_from="+15005550006",
    smtp_url="smtp://user:tok-2@127.0.0.1:2525?tls=off",
    email_from="pay@shop.example",
    telegram_token="42:tok-3",
    telegram_webhook_secret="tok-4",
)


def names(config: ChannelsConfig) -> set[str]:
    return set(build_channels(config, clock=clock))


def test_a_channel_without_its_values_is_off() -> None:
    assert names(ChannelsConfig()) == set()
    assert names(FULL) == set(ChannelName)
    assert names(replace(FULL, whatsapp_from=None)) == set(ChannelName) - {"whatsapp"}
    assert names(replace(FULL, sms_from=None)) == set(ChannelName) - {"sms"}
    assert names(replace(FULL, smtp_url=None)) == set(ChannelName) - {"email"}
    assert names(replace(FULL, telegram_token=None)) == set(ChannelName) - {"telegram"}
    assert names(replace(FULL, twilio_account_sid=None)) == {"email", "telegram"}


def test_a_messaging_service_stands_for_both_senders() -> None:
    alone = ChannelsConfig(
        twilio_account_sid="AC1", twilio_auth_tokens=("t",), messaging_service_sid="MG1"
    )
    assert names(alone) == {"whatsapp", "sms"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("twilio_auth_tokens", ()),
        ("smtp_url", "http://127.0.0.1"),
        ("smtp_url", "smtp://127.0.0.1?tls=maybe"),
        ("email_from", "nobody"),
        ("telegram_webhook_secret", ""),
    ],
)
def test_wrong_values_of_a_channel_that_is_on_are_an_error(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        build_channels(replace(FULL, **{field: value}), clock=clock)  # type: ignore[arg-type]
    assert "tok-" not in str(caught.value)


def test_names_agree_and_no_secret_is_shown() -> None:
    built = build_channels(FULL, clock=clock)
    assert all(channel.name is name for name, channel in built.items())
    assert "tok-" not in repr(FULL) + repr(built)


def test_only_email_is_one_way() -> None:
    built: dict[ChannelName, Channel] = dict(build_channels(FULL, clock=clock))
    one_way = {name for name, each in built.items() if not isinstance(each, InboundChannel)}
    assert one_way == {ChannelName.EMAIL}


def test_building_every_channel_imports_no_aiogram_and_none_imports_no_sdk() -> None:
    program = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from channels.registry import ChannelsConfig, build_channels\n"
        "build_channels(ChannelsConfig(), clock=lambda: datetime.now(UTC))\n"
        "assert not {'twilio', 'aiosmtplib', 'aiogram'} & set(sys.modules), 'early'\n"
        "built = build_channels(ChannelsConfig(telegram_token='42:x', telegram_webhook_secret='s',"
        " twilio_account_sid='AC1', twilio_auth_tokens=('t',), sms_from='+1'),"
        " clock=lambda: datetime.now(UTC))\n"
        "assert len(built) == 2\n"
        "assert 'aiogram' not in sys.modules, 'aiogram'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
