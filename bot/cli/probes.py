"""Whether providers know us: one harmless question to each, with the credentials of the settings.

Nothing is sent and nothing is changed. A provider that does not answer is a warning, for it may be
up again by the time a message is due; one that does not know us is a failure.
"""

import smtplib
import ssl
from collections.abc import Iterator

import httpx

from bot.cli.findings import Finding, Level, clock
from bot.settings import Settings
from channels.base import ChannelName

_PROBE_S = 5.0


def probe_all(settings: Settings) -> Iterator[Finding]:
    """Ask each provider whose channels are on, and Migo."""
    off = dict(settings.channels_off())
    yield from _migo(settings)
    if not {ChannelName.WHATSAPP, ChannelName.SMS} <= off.keys():
        yield from _twilio(settings)
    if ChannelName.EMAIL not in off:
        yield _smtp(settings)
    if ChannelName.TELEGRAM not in off:
        yield from _telegram(settings)


def _migo(settings: Settings) -> Iterator[Finding]:
    # No documented question of Migo's is harmless, so that its credentials show at the first link.
    subject, url = "migo answers", settings.migo.base_url
    answer = _get(subject, url, "MIGO_BASE_URL")
    if isinstance(answer, Finding):
        yield answer
        return
    yield Finding(Level.OK, subject, f"{url} is reachable; its credentials show at the first link")
    yield from clock(answer.headers.get("date"), of="Migo")


def _twilio(settings: Settings) -> Iterator[Finding]:
    twilio = settings.twilio
    url = f"{twilio.base_url}/2010-04-01/Accounts/{twilio.account_sid}.json"
    secret = twilio.auth_tokens[0].get_secret_value()
    answer = _get("twilio", url, "TWILIO_BASE_URL", auth=(str(twilio.account_sid), secret))
    if isinstance(answer, Finding):
        yield answer
        return
    if answer.status_code in (401, 403, 404):
        text = "it does not know us; put TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN right"
        yield Finding(Level.FAIL, "twilio", text)
    elif (status := str(_fields(answer).get("status"))) != "active":
        text = f"the account is {status} (HTTP {answer.status_code}); look at Twilio's console"
        yield Finding(Level.FAIL if answer.is_success else Level.WARN, "twilio", text)
    else:
        yield Finding(Level.OK, "twilio", "knows us, and the account is active")
    yield from clock(answer.headers.get("date"), of="Twilio")


def _telegram(settings: Settings) -> Iterator[Finding]:
    telegram = settings.telegram
    token = "" if telegram.bot_token is None else telegram.bot_token.get_secret_value()
    answer = _get("telegram bot", f"{telegram.api_url}/bot{token}/getMe", "TELEGRAM_API_URL")
    if isinstance(answer, Finding):
        yield answer
        return
    result = _fields(answer).get("result")
    if answer.status_code in (401, 404):
        text = "Telegram does not know the token; take TELEGRAM_BOT_TOKEN anew from BotFather"
        yield Finding(Level.FAIL, "telegram bot", text)
    elif not answer.is_success or not isinstance(result, dict):
        text = f"it answers {answer.status_code}; try again, or look at TELEGRAM_API_URL"
        yield Finding(Level.WARN, "telegram bot", text)
    else:
        yield Finding(Level.OK, "telegram bot", f"is @{result.get('username')}")
    yield from clock(answer.headers.get("date"), of="Telegram")


def _get(
    subject: str, url: str, setting: str, *, auth: tuple[str, str] | None = None
) -> httpx.Response | Finding:
    try:
        return httpx.get(url, auth=auth, timeout=_PROBE_S, trust_env=False)
    except httpx.HTTPError as error:
        # Only its kind: the address may hold a token.
        text = f"does not answer ({type(error).__name__}); look at the network and at {setting}"
        return Finding(Level.WARN, subject, text)


def _fields(answer: httpx.Response) -> dict[str, object]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _smtp(settings: Settings) -> Finding:
    subject = "mail relay"
    try:
        _greet(settings)
    except smtplib.SMTPAuthenticationError:
        text = "it does not take user and password; put them right in SMTP_URL"
        return Finding(Level.FAIL, subject, text)
    except ssl.SSLError as error:
        text = f"no safe connection ({error.reason}); look at scheme, port and host of SMTP_URL"
        return Finding(Level.FAIL, subject, text)
    except (OSError, smtplib.SMTPException) as error:
        text = f"does not answer ({type(error).__name__}); look at the network and at SMTP_URL"
        return Finding(Level.WARN, subject, text)
    return Finding(Level.OK, subject, "takes our greeting, and us")


def _greet(settings: Settings) -> None:
    server = settings.smtp.server
    if server is None:
        return
    context = ssl.create_default_context()
    relay = (
        smtplib.SMTP_SSL(server.host, server.port, timeout=_PROBE_S, context=context)
        if server.tls == "implicit"
        else smtplib.SMTP(server.host, server.port, timeout=_PROBE_S)
    )
    with relay:
        relay.ehlo()
        if server.tls == "starttls":
            relay.starttls(context=context)
        if server.username is not None and server.password is not None:
            relay.login(server.username, server.password.get_secret_value())
